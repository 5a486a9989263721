#[dasf::module]
mod service {
    use dasf::Context;

    #[dasf::function]
    pub fn wait(#[dasf(default = Context::local())] context: Context, #[dasf(ge = 0)] other: dasf::Context) {
        drop((context, other));
        todo!()
    }
}
