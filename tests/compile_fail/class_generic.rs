#[dasf::module]
mod service {
    pub struct Stack<T>(Vec<T>);

    #[dasf::class]
    impl<T: Send> Stack<T> {
        pub fn new() -> Self {
            Self(Vec::new())
        }

        pub fn len(&self) -> usize {
            self.0.len()
        }
    }
}
