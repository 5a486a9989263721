//! A service of ten functions. `../dasf` has the same.

use jsonrpsee::core::async_trait;
use jsonrpsee::proc_macros::rpc;
use jsonrpsee::server::Server;
use jsonrpsee::types::ErrorObjectOwned;
use serde::{Deserialize, Serialize};

/// A place on the ground.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    /// In degrees north.
    pub latitude: f64,
    /// In degrees east.
    pub longitude: f64,
}

/// What a series is like.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    /// The number of values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Where they were measured.
    pub place: Option<Place>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// There are no values.
    #[error("there are no values")]
    Empty,
    /// Nobody knows the station.
    #[error("there is no station {0}")]
    Unknown(String),
}

impl From<SeriesError> for ErrorObjectOwned {
    fn from(error: SeriesError) -> Self {
        Self::owned(1, error.to_string(), None::<()>)
    }
}

/// Measured series and what can be computed from them.
#[rpc(server, client)]
pub trait Series {
    /// Add two numbers.
    #[method(name = "add")]
    fn add(&self, a: i64, b: i64) -> Result<i64, ErrorObjectOwned>;

    /// Multiply each value.
    #[method(name = "scale")]
    fn scale(&self, values: Vec<f64>, factor: Option<f64>) -> Result<Vec<f64>, ErrorObjectOwned>;

    /// The mean of some values.
    #[method(name = "mean")]
    fn mean(&self, values: Vec<f64>) -> Result<f64, ErrorObjectOwned>;

    /// The largest of some values.
    #[method(name = "maximum")]
    fn maximum(&self, values: Vec<f64>) -> Result<Option<f64>, ErrorObjectOwned>;

    /// What a series is like.
    #[method(name = "summary")]
    fn summary(&self, values: Vec<f64>, place: Option<Place>) -> Result<Summary, ErrorObjectOwned>;

    /// Greet somebody.
    #[method(name = "greet")]
    fn greet(&self, name: String) -> Result<String, ErrorObjectOwned>;

    /// Where a station is.
    #[method(name = "station")]
    async fn station(&self, name: String) -> Result<Place, ErrorObjectOwned>;

    /// How far two places are from each other, in degrees.
    #[method(name = "distance")]
    fn distance(&self, from: Place, to: Place) -> Result<f64, ErrorObjectOwned>;

    /// The numbers below a limit.
    #[method(name = "count")]
    fn count(&self, limit: u32) -> Result<Vec<u32>, ErrorObjectOwned>;

    /// Whether all values are numbers.
    #[method(name = "is_complete")]
    fn is_complete(&self, values: Vec<Option<f64>>) -> Result<bool, ErrorObjectOwned>;
}

struct Service;

#[async_trait]
impl SeriesServer for Service {
    fn add(&self, a: i64, b: i64) -> Result<i64, ErrorObjectOwned> {
        Ok(a + b)
    }

    fn scale(&self, values: Vec<f64>, factor: Option<f64>) -> Result<Vec<f64>, ErrorObjectOwned> {
        let factor = factor.unwrap_or(2.0);
        Ok(values.into_iter().map(|value| value * factor).collect())
    }

    fn mean(&self, values: Vec<f64>) -> Result<f64, ErrorObjectOwned> {
        if values.is_empty() {
            return Err(SeriesError::Empty.into());
        }
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    }

    fn maximum(&self, values: Vec<f64>) -> Result<Option<f64>, ErrorObjectOwned> {
        Ok(values.into_iter().reduce(f64::max))
    }

    fn summary(&self, values: Vec<f64>, place: Option<Place>) -> Result<Summary, ErrorObjectOwned> {
        let mean = self.mean(values.clone())?;
        let count = values.len();
        Ok(Summary { count, mean, place })
    }

    fn greet(&self, name: String) -> Result<String, ErrorObjectOwned> {
        let greeting = option_env!("GREETING").unwrap_or("Hello");
        Ok(format!("{greeting} {name}"))
    }

    async fn station(&self, name: String) -> Result<Place, ErrorObjectOwned> {
        if name != "Mauna Loa" {
            return Err(SeriesError::Unknown(name).into());
        }
        Ok(Place {
            latitude: 19.5,
            longitude: -155.6,
        })
    }

    fn distance(&self, from: Place, to: Place) -> Result<f64, ErrorObjectOwned> {
        Ok((from.latitude - to.latitude).hypot(from.longitude - to.longitude))
    }

    fn count(&self, limit: u32) -> Result<Vec<u32>, ErrorObjectOwned> {
        Ok((0..limit).collect())
    }

    fn is_complete(&self, values: Vec<Option<f64>>) -> Result<bool, ErrorObjectOwned> {
        Ok(values.iter().all(Option::is_some))
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = Server::builder().build("127.0.0.1:0").await?;
    server.start(Service.into_rpc()).stopped().await;
    Ok(())
}
