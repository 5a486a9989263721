#[dasf::module]
mod service {
    use dasf::ProgressReport;

    #[dasf::function(nme = "x")]
    pub fn first(a: i64) -> i64 {
        a
    }

    #[dasf::function]
    pub fn second(a: ProgressReport, b: ProgressReport) {
        drop((a, b));
    }

    #[dasf::function]
    pub fn main() {}
}
