#[derive(Debug, thiserror::Error, dasf::IntoError)]
#[error("no")]
struct Failed {
    reason: Reason,
}

#[derive(Debug)]
struct Reason;

fn main() {}
