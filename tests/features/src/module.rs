//! A module, and its host in a program without a command line.

use dasf::{Address, Host, HostOptions};

/// Stations on mountains.
#[dasf::module(topic = "stations", main = false)]
pub mod stations {
    use dasf::ProgressReport;

    /// Why there is no height.
    #[derive(Debug, dasf::IntoError)]
    pub enum StationError {
        /// Nobody knows the station.
        Unknown {
            /// The name in the request.
            name: String,
        },
    }

    impl std::fmt::Display for StationError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let Self::Unknown { name } = self;
            write!(f, "there is no station {name}")
        }
    }

    /// A station.
    #[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub struct Station {
        /// Its name.
        pub name: String,
        /// Its height above the sea, in metres.
        pub height: f64,
    }

    /// The height of a station.
    ///
    /// # Errors
    /// When nobody knows the station.
    #[dasf::function]
    pub fn height(#[dasf(min_length = 1)] name: &str) -> Result<f64, StationError> {
        match name {
            "Mauna Loa" => Ok(3397.0),
            name => Err(StationError::Unknown {
                name: name.to_owned(),
            }),
        }
    }

    /// The highest station.
    #[dasf::function]
    pub async fn highest(stations: Vec<Station>, _report: ProgressReport) -> Option<Station> {
        let highest = |a: &Station, b: &Station| a.height.total_cmp(&b.height);
        stations.into_iter().max_by(highest)
    }

    /// Converts lengths.
    pub struct Converter {
        factor: f64,
    }

    #[dasf::class]
    impl Converter {
        /// A converter from metres.
        pub fn new(#[dasf(default = 1.0)] factor: f64) -> Self {
            Self { factor }
        }

        /// Convert a length.
        pub fn convert(&self, metres: f64) -> f64 {
            metres * self.factor
        }
    }
}

/// Serves the module until its host ends.
///
/// # Errors
/// When the broker cannot be reached.
pub async fn serve(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let topic = "stations".parse()?;
    let options = HostOptions::default();
    let address = Address::websocket(url)?;
    let mut host = Host::start(stations::module()?, &topic, address, options).await?;
    host.ended().await;
    Ok(())
}
