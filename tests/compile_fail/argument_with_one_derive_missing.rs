#[dasf::module]
mod service {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct Point {
        pub x: f64,
    }

    #[dasf::function]
    pub fn norm(point: &Point) -> f64 {
        point.x
    }
}
