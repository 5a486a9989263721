//! Serves [`dasf_examples::arithmetic`]: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dasf_examples::arithmetic::main()
}
