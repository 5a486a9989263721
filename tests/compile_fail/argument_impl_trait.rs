#[dasf::module]
mod service {
    #[dasf::function]
    pub fn length(text: impl Into<String>) -> usize {
        drop(text);
        todo!()
    }
}
