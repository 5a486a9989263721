//! Serves the module `percolation`. `campaign --help` lists its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    campaign::main()
}
