#[dasf::module]
mod service {
    #[dasf::function]
    pub fn numbers() -> impl Iterator<Item = u8> {
        std::iter::empty()
    }
}
