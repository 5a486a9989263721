#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(a: i64) -> i64 {
        helper(a)
    }

    fn helper(#[dasf(default = 1)] a: i64) -> i64 {
        a
    }
}
