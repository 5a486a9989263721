#[dasf::module]
mod service {
    #[dasf::function]
    pub fn call(func_name: String, #[dasf(rename = "class_name")] other: f64) -> f64 {
        other + func_name.len() as f64
    }
}
