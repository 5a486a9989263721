//! Serves the functions of the measurements that `arithmetic` does not have.

use std::process::ExitCode;

fn main() -> ExitCode {
    dasf_bench_programs::bench::main()
}
