//! Searches for inputs for which a fuzz target fails, with libFuzzer and the stable compiler.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use crate::steps::{cargo, root, succeed};

/// Compiler flags that record the code that an input reaches. `cargo fuzz` uses the same.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// The folder of all files. The next run continues with the inputs of earlier ones.
const TARGET: &str = "target/fuzz";

/// The targets. Their saved inputs are in `fuzz/corpus`.
pub(crate) const TARGETS: [&str; 6] = [
    "api_info",
    "arguments",
    "fragments",
    "frames",
    "link",
    "mqtt",
];

/// Runs each target, or only one of them, for this number of seconds. An input for which one fails is written
/// below `target/fuzz`, and is an error.
pub(crate) fn run(seconds: u32, only: Option<&str>) -> io::Result<()> {
    let host = host()?;
    let target = root().join(TARGET);
    let mut build = Command::new(cargo());
    build
        .args(["build", "--release", "--locked", "--target", &host])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", COVERAGE)
        .current_dir(root().join("fuzz"));
    succeed(&mut build)?;
    for name in TARGETS {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let corpus = target.join("corpus").join(name);
        fs::create_dir_all(&corpus)?;
        let program = target.join(&host).join("release").join(name);
        // libFuzzer writes to the first folder only.
        let mut fuzz = Command::new(program);
        fuzz.arg(&corpus)
            .arg(root().join("fuzz/corpus").join(name))
            .arg(format!("-max_total_time={seconds}"))
            .arg("-max_len=8192")
            .arg("-print_final_stats=1")
            .arg(format!("-artifact_prefix={}/{name}-", target.display()));
        succeed(&mut fuzz)?;
    }
    Ok(())
}

/// Returns the target of this machine. With an explicit target, build scripts are not instrumented.
fn host() -> io::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| io::Error::other("`rustc -vV` shows no host"))?;
    Ok(host.to_owned())
}
