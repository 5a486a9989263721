use std::process::ExitCode;

#[dasf::module]
mod service {
    #[dasf::function(nme = "x")]
    pub fn add(a: i64) -> i64 {
        a
    }
}

fn main() -> ExitCode {
    ExitCode::SUCCESS
}
