#[dasf::module]
mod service {
    #[dasf::function]
    pub fn pick(#[dasf(gt = 5, le = 5)] a: i64, #[dasf(min_length = 3, max_length = 2)] b: &str) {
        drop((a, b));
        todo!()
    }
}
