#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(#[dasf(ge = 0)] #[dasf(le = 9)] a: i64) -> i64 {
        drop(a);
        todo!()
    }
}
