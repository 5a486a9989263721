#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Clone for Greeter {
        fn clone(&self) -> Self {
            Self
        }
    }
}
