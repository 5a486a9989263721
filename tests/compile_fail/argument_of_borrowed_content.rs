#[dasf::module]
mod service {
    #[dasf::function]
    pub fn first(names: Option<&str>) -> bool {
        names.is_some()
    }
}
