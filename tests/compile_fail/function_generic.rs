#[dasf::module]
mod service {
    #[dasf::function]
    pub fn show<T: ToString>(value: T) -> String {
        value.to_string()
    }
}
