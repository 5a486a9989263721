//! Measures the compile times of two services with the same ten functions: one of dasf, one of
//! `jsonrpsee`.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::write_machine;
use crate::steps::{cargo, root};

/// The services in `benches/build`.
const SERVICES: [&str; 2] = ["dasf", "jsonrpsee"];
/// The folder of the builds, with one folder for each service.
const TARGET: &str = "target/build-times";
/// An environment variable that the source of a service reads at compile time. A new value causes a
/// new build, like a change of a function.
const CHANGE: &str = "GREETING";

/// The compile times of one service.
struct Times {
    cold: Duration,
    incremental: Vec<Duration>,
}

/// Builds each service once from scratch, and `runs` times after a change of one function. The
/// services take turns, so other work of the machine affects both.
pub(crate) fn run(runs: u32, out: &mut impl Write) -> io::Result<()> {
    write_machine(out)?;
    let mut times = Vec::new();
    for service in SERVICES {
        let target = root().join(TARGET).join(service);
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        // Downloads are not part of the measurement.
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
