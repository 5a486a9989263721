#[dasf::module]
mod service {
    #[dasf::function]
    pub fn read(at: *const u8, then: fn(u8)) {
        drop((at, then));
        todo!()
    }
}
