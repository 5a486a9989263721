#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(#[dasf(example = "one")] a: i64) -> i64 {
        a
    }
}
