#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(#[dasf(rename = "first number")] a: i64, #[dasf(rename = "")] b: i64) -> i64 {
        drop((a, b));
        todo!()
    }
}
