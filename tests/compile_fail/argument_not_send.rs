#[dasf::module]
mod service {
    use std::rc::Rc;

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub struct Shared {
        #[serde(skip)]
        pub values: Rc<Vec<f64>>,
    }

    #[dasf::function]
    pub fn count(shared: Shared) -> usize {
        shared.values.len()
    }
}
