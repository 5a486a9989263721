#[dasf::module]
mod service {
    #[dasf::function(returns(lt = 1e400))]
    pub fn root(#[dasf(le = 1e400)] a: f64, #[dasf(ge = -1e999)] b: f32) -> f64 {
        drop((a, b));
        todo!()
    }
}
