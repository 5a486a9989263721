#[dasf::module]
mod service {
    #[dasf::function]
    pub fn name(#[dasf(default = 2)] unit: String, #[dasf(default = 0)] strict: bool) {
        drop((unit, strict));
        todo!()
    }
}
