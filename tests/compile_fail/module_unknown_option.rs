#[dasf::module(topik = "x")]
mod service {
    #[dasf::function]
    pub fn add(a: i64) -> i64 {
        a
    }
}
