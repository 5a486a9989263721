#[dasf::module]
mod service {
    #[dasf::function(returns = 0)]
    pub fn root(a: f64) -> f64 {
        drop(a);
        todo!()
    }
}
