#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(a: i64) -> i64 {
        a
    }

    #[dasf::function(name = "add")]
    pub fn plus(a: i64) -> i64 {
        a
    }
}
