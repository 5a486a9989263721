#[dasf::module]
mod service {
    #[dasf::function]
    pub fn wait(first: dasf::Context, second: &dasf::Context) {
        drop((first, second));
        todo!()
    }
}
