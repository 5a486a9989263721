#[dasf::module]
mod service {
    pub mod inner {
        #[dasf::function]
        pub fn add(a: i64, #[dasf(default = 1)] b: i64) -> i64 {
            a + b
        }
    }
}
