#[dasf::module]
mod service {
    use std::collections::HashMap;

    pub enum Kind {
        Warm,
        Cold,
    }

    #[dasf::function]
    pub fn count(kinds: HashMap<String, Vec<Kind>>) -> usize {
        kinds.len()
    }
}
