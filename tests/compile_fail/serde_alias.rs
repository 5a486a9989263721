#[dasf::module]
mod service {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct Place {
        #[serde(default, alias = "lat")]
        #[schemars(range(max = 90))]
        pub latitude: f64,
        #[cfg_attr(all(), serde(alias = "lon", alias = "lng"))]
        pub longitude: f64,
    }

    // This type is only read; aliases count for reading.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(tag = "kind")]
    pub enum Shape {
        #[serde(alias = "Disc")]
        Circle {
            #[serde(alias = "r")]
            radius: f64,
        },
    }

    pub mod inner {
        #[cfg_attr(all(), derive(serde::Deserialize, schemars::JsonSchema))]
        pub struct Depth(#[serde(alias = "d")] pub f64);
    }

    // Accepted: this type has no schema.
    #[derive(serde::Deserialize)]
    pub struct Settings {
        #[serde(alias = "p")]
        pub path: String,
    }

    #[dasf::function]
    pub fn north(place: Place) -> bool {
        place.latitude > 0.0
    }
}
