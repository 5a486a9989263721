#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(#[dasf(inline)] a: i64, #[dasf(topic = "x")] b: i64) -> i64 {
        drop((a, b));
        todo!()
    }
}
