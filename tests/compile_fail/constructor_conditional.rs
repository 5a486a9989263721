#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
    #[cfg(all())]
    pub fn new() -> Self {
        Self
    }

    pub fn greet(&self) -> String {
        todo!()
    }
    }
}
