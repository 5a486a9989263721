//! The module of the numbered calls.

use std::process::ExitCode;

fn main() -> ExitCode {
    dasf_test_faults::numbered::main()
}
