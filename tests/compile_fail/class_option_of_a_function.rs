#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class(inline, returns(ge = 0))]
    impl Greeter {
    pub fn new() -> Self {
        Self
    }

    pub fn greet(&self) -> String {
        todo!()
    }
    }
}
