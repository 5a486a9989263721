#[dasf::module]
mod service {
    #[dasf::function]
    pub fn name(#[dasf(default = "m")] letter: char) {
        drop(letter);
        todo!()
    }
}
