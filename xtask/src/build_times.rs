//! Measuring how long a service takes to compile: one of dasf's, and one of the same ten functions
//! with `jsonrpsee`, side by side.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::write_machine;
use crate::steps::{cargo, root};

/// The services in `benches/build`.
const SERVICES: [&str; 2] = ["dasf", "jsonrpsee"];
/// Where they are built, each in a folder of its own.
const TARGET: &str = "target/build-times";
/// What a service's source reads at compile time: another value makes the crate be built again, as
/// another body of a function would.
const CHANGE: &str = "GREETING";

/// How long one service took.
struct Times {
    cold: Duration,
    incremental: Vec<Duration>,
}

/// Builds each service once from nothing, and `runs` times after a change of one function. The
/// services take turns, so that what else the machine does falls on both.
pub(crate) fn run(runs: u32, out: &mut impl Write) -> io::Result<()> {
    write_machine(out)?;
    let mut times = Vec::new();
    for service in SERVICES {
        let target = root().join(TARGET).join(service);
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        // What has to come over the network is not what is measured.
        cargo_in(service, &["fetch", "--locked"], "")?;
        times.push(Times {
            cold: build(service, "Hello")?,
            incremental: Vec::new(),
        });
    }
    for run in 0..runs {
        for (service, times) in SERVICES.iter().zip(&mut times) {
            times
                .incremental
                .push(build(service, &format!("Hello {run}"))?);
        }
    }
    writeln!(
        out,
        "\nservice      cold  after a change (least, median, most)"
    )?;
    for (service, times) in SERVICES.iter().zip(&mut times) {
        let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
        times.incremental.sort_unstable();
        let runs = &times.incremental;
        let [least, median, most] = [0, runs.len() / 2, runs.len() - 1].map(|i| seconds(runs[i]));
        let cold = seconds(times.cold);
        writeln!(out, "{service:<10}{cold:>8}  {least}, {median}, {most}")?;
    }
    out.flush()
}

fn build(service: &str, change: &str) -> io::Result<Duration> {
    let start = Instant::now();
    cargo_in(service, &["build", "--locked", "--quiet"], change)?;
    Ok(start.elapsed())
}

fn cargo_in(service: &str, arguments: &[&str], change: &str) -> io::Result<()> {
    let folder = root().join("benches/build").join(service);
    let status = Command::new(cargo())
        .args(arguments)
        .env("CARGO_TARGET_DIR", root().join(TARGET).join(service))
        .env(CHANGE, change)
        .current_dir(&folder)
        .stdin(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "cargo {} in {}: {status}",
            arguments.join(" "),
            folder.display()
        )))
    }
}
