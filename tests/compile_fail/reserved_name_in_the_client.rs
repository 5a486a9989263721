#[dasf::module]
mod service {
    #[dasf::function]
    pub fn connect() {}

    #[dasf::function]
    pub fn builder() {}
}
