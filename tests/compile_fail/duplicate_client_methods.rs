#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::function]
    pub fn greeter() {}

    #[dasf::class]
    impl Greeter {
        pub fn new() -> Self {
            Self
        }

        pub fn greet(&self) {}
    }
}
