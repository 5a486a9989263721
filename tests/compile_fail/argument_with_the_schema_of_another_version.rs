// The trait of `schemars` 0.8 has the same name, and is another trait.
pub mod schemars08 {
    pub trait JsonSchema {
        fn schema_name() -> String;
    }
}

#[dasf::module]
mod service {
    use super::schemars08::JsonSchema;

    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct Point {
        pub x: f64,
    }

    impl JsonSchema for Point {
        fn schema_name() -> String {
            "Point".to_owned()
        }
    }

    #[dasf::function]
    pub fn norm(point: Point) -> f64 {
        point.x
    }
}
