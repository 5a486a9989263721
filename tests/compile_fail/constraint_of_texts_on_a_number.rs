#[dasf::module]
mod service {
    #[dasf::function]
    pub fn root(#[dasf(min_length = 1)] a: f64, #[dasf(pattern = "^[0-9]+$")] b: u8) -> f64 {
        drop((a, b));
        todo!()
    }
}
