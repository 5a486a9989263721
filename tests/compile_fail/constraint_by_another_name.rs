#[dasf::module]
mod service {
    pub type Distance = f64;

    #[dasf::function(returns(minimum = 0))]
    pub fn scale(
        #[dasf(min = 0, exclusive_maximum = 1)] factor: f64,
        #[dasf(minimum = 1, maximum = 9)] name: &str,
        #[dasf(max = 3)] values: Vec<f64>,
        #[dasf(max = 9)] distance: Distance,
        #[dasf(gte = 1)] count: Option<u32>,
        #[dasf(min = 1)] strict: bool,
    ) -> f64 {
        drop((name, values, count, strict));
        factor * distance
    }
}
