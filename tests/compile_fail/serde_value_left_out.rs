#[dasf::module]
mod service {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct Place {
        #[serde(skip_serializing)]
        pub latitude: f64,
        #[serde(skip_serializing_if = "String::is_empty")]
        pub name: String,
        // The user's own code reads this field, and the field may be missing.
        #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "read")]
        pub depth: Option<f64>,
        // Accepted: serde reads the missing fields below.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub height: Option<f64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub gauges: Vec<f64>,
        #[serde(skip)]
        pub cache: f64,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct Pair(
        pub f64,
        #[serde(skip_serializing_if = "Option::is_none")] pub Option<f64>,
    );

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "type", deny_unknown_fields)]
    pub struct Strict {
        #[serde(skip_deserializing)]
        pub version: u8,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub enum State {
        Running {
            #[serde(skip_serializing)]
            since: f64,
        },
        #[serde(skip_deserializing)]
        Internal,
        #[serde(skip)]
        Hidden,
    }

    fn read<'d, D: serde::Deserializer<'d>>(source: D) -> Result<Option<f64>, D::Error> {
        Deserialize::deserialize(source).map(Some)
    }

    #[dasf::function]
    pub fn north(place: Place) -> bool {
        place.latitude > 0.0
    }
}
