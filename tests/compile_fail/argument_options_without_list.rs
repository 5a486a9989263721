#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(#[dasf = "x"] a: i64) -> i64 {
        drop(a);
        todo!()
    }
}
