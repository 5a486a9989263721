#[dasf::module]
mod service {
    #[dasf::function]
    #[dasf(name = "plus")]
    pub fn add(a: i64) -> i64 {
        a
    }
}
