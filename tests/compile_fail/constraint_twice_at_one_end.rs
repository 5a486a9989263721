#[dasf::module]
mod service {
    #[dasf::function]
    pub fn pick(#[dasf(gt = 0, ge = 1)] a: i64, #[dasf(lt = 9.5, le = 9)] b: f64) {
        drop((a, b));
        todo!()
    }
}
