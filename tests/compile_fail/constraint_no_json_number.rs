#[dasf::module]
mod service {
    #[dasf::function(returns(le = 170141183460469231731687303715884105727))]
    pub fn pick(
        #[dasf(le = 18446744073709551617)] a: u128,
        #[dasf(ge = 9999999999999999999999999999999999999999)] b: f64,
    ) -> i128 {
        drop((a, b));
        todo!()
    }
}
