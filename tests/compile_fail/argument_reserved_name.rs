#[dasf::module]
mod service {
    #[dasf::function]
    pub fn call(func_name: String, #[dasf(default = 1.0)] timeout: f64) -> f64 {
        timeout + func_name.len() as f64
    }
}
