#[dasf::module]
mod service {
    pub struct Point {
        pub x: f64,
    }

    #[dasf::function(nmae = "plus")]
    pub fn add((a, b): (i64, i64), #[dasf(topic = "x")] c: Option<&str>) -> &'static str {
        drop((a, b, c));
        todo!()
    }

    #[dasf::function]
    pub fn norm(point: Point) -> f64 {
        point.x
    }

    #[dasf::class]
    impl Point {
        pub fn into_x(self) -> f64 {
            self.x
        }
    }
}
