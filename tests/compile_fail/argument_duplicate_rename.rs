#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(a: i64, #[dasf(rename = "a")] b: i64) -> i64 {
        drop((a, b));
        todo!()
    }
}
