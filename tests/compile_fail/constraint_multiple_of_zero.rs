#[dasf::module]
mod service {
    #[dasf::function]
    pub fn pick(#[dasf(multiple_of = 0)] a: i64, #[dasf(multiple_of = -2)] b: f64) {
        drop((a, b));
        todo!()
    }
}
