#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
    pub fn new() -> Option<Self> {
        Some(Self)
    }

    pub fn greet(&self) -> String {
        todo!()
    }
    }
}
