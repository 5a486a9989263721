#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(a: i64, #[dasf(default = 1.5)] b: i64) -> i64 {
        a + b
    }
}
