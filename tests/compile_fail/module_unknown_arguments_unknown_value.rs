#[dasf::module(unknown_arguments = "forbid")]
mod service {
    #[dasf::function]
    pub fn add(a: i64) -> i64 {
        a
    }
}

#[dasf::module(unknown_arguments, main = false)]
mod other {
    #[dasf::function(unknown_arguments = "refuse")]
    pub fn add(a: i64) -> i64 {
        a
    }
}
