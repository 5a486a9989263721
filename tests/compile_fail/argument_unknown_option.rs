#[dasf::module]
mod service {
    #[dasf::function]
    pub fn sqrt(#[dasf(minn_length = 1)] a: String, #[dasf(gt = "zero")] b: f64) -> f64 {
        a.len() as f64 + b
    }
}
