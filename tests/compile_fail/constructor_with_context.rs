#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class]
    impl Greeter {
    pub fn new(context: dasf::Context) -> Self {
        drop(context);
        Self
    }

    pub fn greet(&self) -> String {
        todo!()
    }
    }
}
