#[dasf::module]
mod service {
    #[dasf::function]
    pub fn pick(#[dasf(min_length = -1)] a: &str, #[dasf(max_items = 1.5)] b: &[f64]) {
        drop((a, b));
        todo!()
    }
}
