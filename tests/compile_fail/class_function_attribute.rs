#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::function]
    impl Greeter {
        pub fn new() -> Self {
            Self
        }
    }
}
