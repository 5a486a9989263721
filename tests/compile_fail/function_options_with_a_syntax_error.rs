#[dasf::module]
mod service {
    #[dasf::function(name: "x")]
    pub fn add(a: i64) -> i64 {
        a
    }

    #[dasf::function(returns(ge 0))]
    pub fn double(a: i64) -> i64 {
        a
    }
}
