#[dasf::module]
mod service {
    pub type Answer = Result<i64, String>;

    #[dasf::function]
    pub fn ask() -> Answer {
        Ok(42)
    }
}
