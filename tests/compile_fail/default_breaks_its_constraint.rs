#[dasf::module]
mod service {
    #[dasf::function]
    pub fn root(#[dasf(default = -1, ge = 0)] a: f64, #[dasf(default = "", min_length = 1)] b: String) -> f64 {
        drop((a, b));
        todo!()
    }
}
