#[dasf::module]
mod service {
    #[dasf::function(name = "plus")]
    #[dasf::function(inline)]
    pub fn add(a: i64) -> i64 {
        a
    }
}
