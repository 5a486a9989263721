#[derive(Debug, thiserror::Error, dasf::IntoError)]
#[error("no")]
struct Failed {
    name: &'static str,
    #[dasf(skip)]
    other: &'static str,
}

fn main() {}
