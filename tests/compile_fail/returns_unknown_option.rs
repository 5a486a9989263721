#[dasf::module]
mod service {
    #[dasf::function(returns(gte = 0, default = 1))]
    pub fn root(a: f64) -> f64 {
        drop(a);
        todo!()
    }
}
