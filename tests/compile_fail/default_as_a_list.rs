#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(a: i64, #[dasf(default(2))] b: i64) -> i64 {
        drop((a, b));
        todo!()
    }
}
