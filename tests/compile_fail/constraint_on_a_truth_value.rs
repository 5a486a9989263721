#[dasf::module]
mod service {
    #[dasf::function]
    pub fn toggle(#[dasf(ge = 0)] on: bool, #[dasf(le = 1)] off: Option<bool>) {
        drop((on, off));
        todo!()
    }
}
