#[dasf::module]
mod service {
    pub struct Silent;

    #[dasf::function]
    pub fn fail() -> Result<(), Silent> {
        Err(Silent)
    }
}
