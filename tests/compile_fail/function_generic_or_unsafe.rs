#[dasf::module]
mod service {
    #[dasf::function]
    pub fn show<T: ToString>(value: T) -> String {
        value.to_string()
    }

    #[dasf::function]
    pub unsafe fn peek(a: i64) -> i64 {
        a
    }
}
