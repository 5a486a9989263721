#[dasf::module(main = false)]
mod service {
    #[dasf::function(allow_groups = "operators")]
    pub fn reset() {}

    #[dasf::function(allow_groups = [OPERATORS])]
    pub fn stop() {}

    #[dasf::function(allow_groups("operators"))]
    pub fn start() {}

    #[dasf::function(allow_group = ["operators"])]
    pub fn pause() {}
}

fn main() {}
