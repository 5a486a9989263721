#[dasf::module]
mod service {
    #[dasf::function]
    pub fn name(#[dasf(gt = 0)] text: &str, #[dasf(multiple_of = 2)] letter: char) {
        drop((text, letter));
        todo!()
    }
}
