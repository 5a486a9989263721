#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
    #[dasf(name = "make", inline)]
    pub fn new() -> Self {
        Self
    }

    pub fn greet(&self) -> String {
        todo!()
    }
    }
}
