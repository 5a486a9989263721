#[derive(Debug, thiserror::Error, dasf::IntoError)]
#[error("no")]
enum Failed {
    NotFound,
    #[dasf(code = "not_found")]
    Gone,
}

fn main() {}
