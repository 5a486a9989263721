#[dasf::module]
mod service {
    #[dasf::function]
    pub const LIMIT: i64 = 3;

    #[dasf::function]
    pub struct Point;

    #[dasf::class]
    pub enum Kind {}
}
