//! Serves the module `climate`. `climate --help` lists its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    climate::main()
}
