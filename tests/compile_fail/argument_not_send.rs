#[dasf::module]
mod service {
    use std::rc::Rc;

    #[derive(schemars::JsonSchema)]
    pub struct Shared {
        pub values: Rc<Vec<f64>>,
    }

    #[dasf::function]
    pub fn count(shared: Shared) -> usize {
        shared.values.len()
    }
}
