//! Measures the compile times of services with the same ten functions, of dasf and of `jsonrpsee`, and of a
//! caller.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{processor_time_of_children, write_machine};
use crate::steps::{cargo, root};

/// A program in `benches/build`.
struct Program {
    /// `dasf-host` serves the module without a command line, and `dasf-client` only calls it.
    name: &'static str,
    folder: &'static str,
    options: &'static [&'static str],
}

const PROGRAMS: [Program; 4] = [
    Program {
        name: "dasf",
        folder: "dasf",
        options: &[],
    },
    Program {
        name: "dasf-host",
        folder: "dasf",
        options: &["--no-default-features"],
    },
    Program {
        name: "dasf-client",
        folder: "client",
        options: &[],
    },
    Program {
        name: "jsonrpsee",
        folder: "jsonrpsee",
        options: &[],
    },
];

/// The folder of the builds, with one folder for each service.
const TARGET: &str = "target/build-times";
/// An environment variable that the source of a service reads at compile time. A new value causes a
/// new build, like a change of a function.
const CHANGE: &str = "GREETING";

/// The compile times of one program.
struct Times {
    cold: Build,
    incremental: Vec<Duration>,
}

/// The time of one build.
struct Build {
    time: Duration,
    /// The time of all processors together.
    processor: Duration,
}

/// Builds each program once from scratch, and `runs` times after a change of one function. The
/// programs take turns, so other work of the machine affects all of them.
pub(crate) fn run(runs: u32, out: &mut impl Write) -> io::Result<()> {
    write_machine(out)?;
    let mut times = Vec::new();
    for program in &PROGRAMS {
        let target = root().join(TARGET).join(program.name);
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        // Downloads are not part of the measurement.
        program.cargo(&["fetch", "--locked"], "")?;
        times.push(Times {
            cold: program.build("Hello")?,
            incremental: Vec::new(),
        });
    }
    for run in 0..runs {
        for (program, times) in PROGRAMS.iter().zip(&mut times) {
            let build = program.build(&format!("Hello {run}"))?;
            times.incremental.push(build.time);
        }
    }
    writeln!(
        out,
        "\n{:<12}{:>8}{:>11}  after a change (least, median, most)",
        "program", "cold", "processor"
    )?;
    for (program, times) in PROGRAMS.iter().zip(&mut times) {
        let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
        times.incremental.sort_unstable();
        let runs = &times.incremental;
        let [least, median, most] = [0, runs.len() / 2, runs.len() - 1].map(|i| seconds(runs[i]));
        let [cold, processor] = [times.cold.time, times.cold.processor].map(seconds);
        let name = program.name;
        writeln!(
            out,
            "{name:<12}{cold:>8}{processor:>11}  {least}, {median}, {most}"
        )?;
    }
    out.flush()
}

impl Program {
    fn build(&self, change: &str) -> io::Result<Build> {
        let processor = processor_time_of_children()?;
        let start = Instant::now();
        let command = ["build", "--locked", "--quiet"];
        self.cargo(&[&command, self.options].concat(), change)?;
        Ok(Build {
            time: start.elapsed(),
            processor: processor_time_of_children()?.saturating_sub(processor),
        })
    }

    fn cargo(&self, arguments: &[&str], change: &str) -> io::Result<()> {
        let folder = root().join("benches/build").join(self.folder);
        let status = Command::new(cargo())
            .args(arguments)
            .env("CARGO_TARGET_DIR", root().join(TARGET).join(self.name))
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
}
