#[dasf::module]
mod service {
    #[dasf::function]
    pub extern "C" fn peek(a: i64) -> i64 {
        a
    }
}
