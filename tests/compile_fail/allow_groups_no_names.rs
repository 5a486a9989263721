#[dasf::module(main = false)]
mod service {
    #[dasf::function(allow_groups = ["station operators", "", "a,b", "operators", "operators"])]
    pub fn reset() {}

    #[dasf::function(allow_groups = ["a-group-with-a-name-of-more-than-sixty-four-characters-is-too-long"])]
    pub fn stop() {}
}

fn main() {}
