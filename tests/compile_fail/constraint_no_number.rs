#[dasf::module]
mod service {
    #[dasf::function]
    pub fn root(#[dasf(gt = "zero")] a: f64, #[dasf(le = limit())] b: f64) -> f64 {
        drop((a, b));
        todo!()
    }
}
