//! Serves [`dasf_examples::climate`]: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dasf_examples::climate::main()
}
