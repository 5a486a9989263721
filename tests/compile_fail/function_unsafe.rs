#[dasf::module]
mod service {
    #[dasf::function]
    pub unsafe fn peek(a: i64) -> i64 {
        a
    }
}
