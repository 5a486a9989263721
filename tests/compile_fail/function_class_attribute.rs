#[dasf::module]
mod service {
    #[dasf::class]
    pub fn add(a: i64) -> i64 {
        a
    }
}
