#[dasf::module(group = "a b")]
mod service {
    #[dasf::function]
    pub fn add(a: i64) -> i64 {
        a
    }
}
