#[dasf::module]
mod service {
    #[dasf::function]
    pub fn name() -> &'static str {
        "service"
    }
}
