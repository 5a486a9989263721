#[dasf::module(main = 1, topic = 2, description)]
mod service {
    #[dasf::function]
    pub fn add(a: i64) -> i64 {
        a
    }
}
