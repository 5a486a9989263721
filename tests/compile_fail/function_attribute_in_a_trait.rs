#[dasf::module]
mod service {
    pub trait Greets {
        #[dasf::function]
        fn greet(&self, #[dasf(default = "x")] name: String) -> String;
    }
}
