#[dasf::module]
mod service {
    #[dasf::function]
    pub fn length(text: &'static str, values: &'static [f64]) -> usize {
        text.len() + values.len()
    }
}
