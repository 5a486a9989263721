#[dasf::module]
mod service {
    #[dasf::function]
    pub fn scale(#[dasf(default: 1)] a: i64, #[dasf(ge = 0 le = 5)] b: i64) -> i64 {
        drop((a, b));
        todo!()
    }
}
