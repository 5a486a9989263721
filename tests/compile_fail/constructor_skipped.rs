#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
    #[dasf(skip)]
    pub fn new() -> Self {
        Self
    }

    pub fn greet(&self) -> String {
        todo!()
    }
    }
}
