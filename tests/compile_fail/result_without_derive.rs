#[dasf::module]
mod service {
    pub struct Point {
        pub x: f64,
    }

    #[dasf::function]
    pub fn origin() -> Result<Point, String> {
        Ok(Point { x: 0.0 })
    }
}
