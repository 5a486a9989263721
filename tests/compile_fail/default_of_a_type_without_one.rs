#[dasf::module]
mod service {
    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub struct Place(f64, f64);

    #[dasf::function]
    pub fn search(#[dasf(default)] around: Place) -> f64 {
        around.0
    }
}
