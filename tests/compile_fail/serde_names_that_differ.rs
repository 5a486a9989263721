#[dasf::module]
mod service {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all(serialize = "camelCase", deserialize = "snake_case"))]
    pub struct Place {
        #[serde(rename(serialize = "lat", deserialize = "latitude"))]
        pub latitude: f64,
        #[serde(rename(deserialize = "lon"))]
        pub longitude: f64,
        // Accepted: both names are the same.
        #[serde(rename(serialize = "z", deserialize = "z"))]
        pub height: f64,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all_fields(serialize = "UPPERCASE"))]
    pub enum Shape {
        #[serde(rename(serialize = "Disc"))]
        Circle { radius: f64 },
        #[serde(rename_all(deserialize = "UPPERCASE"))]
        Square { side: f64 },
    }

    // Accepted: this type is only read, so it has one name.
    #[derive(Deserialize, JsonSchema)]
    pub struct Query {
        #[serde(rename(deserialize = "q"))]
        pub text: String,
    }

    #[dasf::function]
    pub fn north(place: Place) -> bool {
        place.latitude > 0.0
    }
}
