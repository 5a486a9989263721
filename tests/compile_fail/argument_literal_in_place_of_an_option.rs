#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(#[dasf(3)] a: i64) -> i64 {
        drop(a);
        todo!()
    }
}
