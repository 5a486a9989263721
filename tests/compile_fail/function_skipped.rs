#[dasf::module]
mod service {
    #[dasf::function(skip)]
    pub fn add(a: i64) -> i64 {
        drop(a);
        todo!()
    }
}
