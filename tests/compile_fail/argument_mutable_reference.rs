#[dasf::module]
mod service {
    #[dasf::function]
    pub fn sort(values: &mut [f64]) {
        drop(values);
        todo!()
    }
}
