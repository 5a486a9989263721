#[dasf::module]
mod service {
    #[dasf::function]
    pub fn run() -> ! {
        loop {}
    }
}
