#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
        pub fn new() -> Self {
            Self
        }

        #[dasf::function(name = "hello")]
        pub fn greet(&self, name: &str) -> String {
            name.to_owned()
        }
    }
}
