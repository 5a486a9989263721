#[dasf::module(main = false)]
mod service {
    pub struct Station;

    #[dasf::class]
    impl Station {
        #[dasf(allow_groups = ["operators"])]
        pub fn new() -> Self {
            Self
        }

        pub fn calibrate(&self) {}
    }
}

fn main() {}
