#[dasf::module]
mod service {
    #[dasf::function(topic = "x", version = "1")]
    pub fn add(a: i64) -> i64 {
        drop(a);
        todo!()
    }
}
