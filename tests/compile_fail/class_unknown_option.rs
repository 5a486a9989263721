#[dasf::module]
mod service {
    pub struct Greeter;

    #[dasf::class(nme = "x")]
    impl Greeter {
        pub fn new(#[dasf(default = 1)] _size: i64) -> Self {
            Self
        }

        #[dasf(skip)]
        pub fn greet(&self) {}
    }
}
