#[dasf::module]
mod service {
    #[dasf::function]
    pub fn load() -> impl std::future::Future<Output = u8> {
        async { 1 }
    }
}
