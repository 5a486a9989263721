#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
        pub fn new() -> Self {
            Self
        }

        pub fn finish(self) {}

        pub fn greet(&self) {}
    }
}
