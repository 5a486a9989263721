#[dasf::module(main = false)]
mod service {
    #[dasf::function(nme = "x")]
    pub fn add(a: i64) -> i64 {
        a
    }
}

fn main() {}
