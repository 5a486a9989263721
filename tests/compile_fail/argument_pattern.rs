#[dasf::module]
mod service {
    #[dasf::function]
    pub fn sum((a, b): (i64, i64)) -> i64 {
        a + b
    }
}
