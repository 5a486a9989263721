#[derive(Debug, thiserror::Error, dasf::IntoError)]
#[error("no")]
#[dasf(code = "failed")]
enum Failed {
    NotFound,
}

fn main() {}
