#[dasf::module]
mod service {
    #[cfg_attr(all(), dasf::function)]
    pub fn add(#[cfg_attr(all(), dasf(default = 1))] a: i64) -> i64 {
        a
    }
}
