#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
    pub fn new() -> Self {
        Self
    }

    pub fn greet(&self) -> String {
        todo!()
    }

    #[dasf(name = "greet")]
    pub fn hello(&self) {}
    }
}
