#[derive(Debug, thiserror::Error, dasf::IntoError)]
#[error("no")]
struct Failed {
    #[dasf(skipp)]
    name: String,
    #[dasf(code = "x")]
    other: String,
}

fn main() {}
