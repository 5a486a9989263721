#[dasf::module]
mod service {
    #[dasf::function]
    pub fn sum<const N: usize>(values: [f64; N]) -> f64 {
        drop(values);
        todo!()
    }
}
