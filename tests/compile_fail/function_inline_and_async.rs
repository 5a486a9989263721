#[dasf::module]
mod service {
    #[dasf::function(inline)]
    pub async fn add(a: i64) -> i64 {
        a
    }
}
