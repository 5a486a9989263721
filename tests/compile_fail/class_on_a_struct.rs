#[dasf::module]
mod service {
    #[dasf::class]
    pub struct Greeter;

    #[dasf::function]
    pub fn add(a: i64) -> i64 {
        a
    }
}
