#[dasf::module]
mod service {
    pub struct Greeter;

    impl Greeter {
        #[dasf::function]
        pub fn greet(&self, name: &str) -> String {
            name.to_owned()
        }
    }
}
