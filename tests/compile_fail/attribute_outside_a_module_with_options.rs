#[dasf::function(name = "plus")]
pub fn add(a: i64, #[dasf(default = 2)] b: i64) -> i64 {
    a + b
}

pub struct Greeter;

#[dasf::class]
impl Greeter {
    #[dasf(skip)]
    pub fn new(#[dasf(default = "x")] _name: String) -> Self {
        Self
    }
}

fn main() {}
