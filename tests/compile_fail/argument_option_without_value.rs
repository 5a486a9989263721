#[dasf::module]
mod service {
    #[dasf::function]
    pub fn name(#[dasf(title)] text: &str, #[dasf(example)] other: &str) {
        drop((text, other));
        todo!()
    }
}
