#[dasf::module]
mod service {
    #[dasf::function]
    pub fn names() -> Result<Vec<&'static str>, String> {
        todo!()
    }
}
