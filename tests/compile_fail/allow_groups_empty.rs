#[dasf::module(allow_groups = [], main = false)]
mod service {
    #[dasf::function(allow_groups = [])]
    pub fn reset() {}

    pub struct Station;

    #[dasf::class(allow_groups = [])]
    impl Station {
        pub fn new() -> Self {
            Self
        }

        #[dasf(allow_groups = [])]
        pub fn calibrate(&self) {}
    }
}

fn main() {}
