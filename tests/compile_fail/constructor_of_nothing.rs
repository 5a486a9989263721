#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
    pub fn new() {}

    pub fn greet(&self) -> String {
        todo!()
    }
    }
}
