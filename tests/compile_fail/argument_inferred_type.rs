#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(a: Vec<_>) -> i64 {
        drop(a);
        todo!()
    }
}
