#[dasf::module]
mod service {
    pub struct Point {
        pub x: f64,
    }

    #[dasf::function]
    pub fn norm(point: Point) -> f64 {
        point.x
    }

    #[dasf::function]
    pub fn first(points: Vec<Point>, #[dasf(default)] other: Option<Point>) -> Option<Point> {
        points.into_iter().next().or(other)
    }
}
