//! A service of ten functions. `../jsonrpsee` has the same.

/// Measured series and what can be computed from them.
#[cfg_attr(feature = "cli", dasf::module(topic = "series"))]
#[cfg_attr(not(feature = "cli"), dasf::module(topic = "series", main = false))]
pub mod series {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// A place on the ground.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub struct Place {
        /// In degrees north.
        pub latitude: f64,
        /// In degrees east.
        pub longitude: f64,
    }

    /// What a series is like.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
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

    /// Add two numbers.
    #[dasf::function]
    pub fn add(a: i64, b: i64) -> i64 {
        a + b
    }

    /// Multiply each value.
    #[dasf::function]
    pub fn scale(values: Vec<f64>, factor: Option<f64>) -> Vec<f64> {
        let factor = factor.unwrap_or(2.0);
        values.into_iter().map(|value| value * factor).collect()
    }

    /// The mean of some values.
    #[dasf::function]
    pub fn mean(values: Vec<f64>) -> Result<f64, SeriesError> {
        if values.is_empty() {
            return Err(SeriesError::Empty);
        }
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The largest of some values.
    #[dasf::function]
    pub fn maximum(values: Vec<f64>) -> Option<f64> {
        values.into_iter().reduce(f64::max)
    }

    /// What a series is like.
    #[dasf::function]
    pub fn summary(values: Vec<f64>, place: Option<Place>) -> Result<Summary, SeriesError> {
        let mean = mean(values.clone())?;
        let count = values.len();
        Ok(Summary { count, mean, place })
    }

    /// Greet somebody.
    #[dasf::function]
    pub fn greet(name: String) -> String {
        let greeting = option_env!("GREETING").unwrap_or("Hello");
        format!("{greeting} {name}")
    }

    /// Where a station is.
    #[dasf::function]
    pub async fn station(name: String) -> Result<Place, SeriesError> {
        if name != "Mauna Loa" {
            return Err(SeriesError::Unknown(name));
        }
        Ok(Place {
            latitude: 19.5,
            longitude: -155.6,
        })
    }

    /// How far two places are from each other, in degrees.
    #[dasf::function]
    pub fn distance(from: Place, to: Place) -> f64 {
        (from.latitude - to.latitude).hypot(from.longitude - to.longitude)
    }

    /// The numbers below a limit.
    #[dasf::function]
    pub fn count(limit: u32) -> Vec<u32> {
        (0..limit).collect()
    }

    /// Whether all values are numbers.
    #[dasf::function]
    pub fn is_complete(values: Vec<Option<f64>>) -> bool {
        values.iter().all(Option::is_some)
    }
}

#[cfg(not(feature = "cli"))]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = dasf::Address::websocket("ws://localhost:8080/ws")?;
    let options = dasf::HostOptions::default();
    let topic = "series".parse()?;
    let mut host = dasf::Host::start(series::module()?, &topic, address, options).await?;
    host.ended().await;
    Ok(())
}
