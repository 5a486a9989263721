#[dasf::module]
mod service {
    #[dasf::function]
    pub fn name(#[dasf(min_items = 1)] text: String, #[dasf(max_length = 3)] list: &[f64]) {
        drop((text, list));
        todo!()
    }
}
