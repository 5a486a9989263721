#[dasf::module]
mod service {
    #[dasf::function]
    pub fn draw(shape: Box<dyn std::fmt::Display>) {
        drop(shape);
        todo!()
    }
}
