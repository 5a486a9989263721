#[dasf::module]
mod service {
    #[dasf::function(returns(ge = 0))]
    pub fn name() -> String {
        todo!()
    }
}
