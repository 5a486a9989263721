//! Serves [`dasf_examples::reference`]: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dasf_examples::reference::main()
}
