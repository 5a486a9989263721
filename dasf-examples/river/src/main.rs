//! Serves the module `river`. `river --help` lists its commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    river::main()
}
