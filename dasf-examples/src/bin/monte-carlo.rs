//! Serves [`dasf_examples::monte_carlo`]: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dasf_examples::monte_carlo::main()
}
