#[dasf::module]
mod service {
    #[dasf::function(name = "add numbers")]
    pub fn add(a: i64) -> i64 {
        drop(a);
        todo!()
    }
}
