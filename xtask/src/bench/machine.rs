//! The machine and the versions that the figures belong to.

use std::fs;
use std::io::{self, Write};
use std::process::Command;
use std::thread;

use super::options::Options;
use super::programs::COMPARE;
use super::system::System;
use crate::steps::root;

/// The packages whose versions the report shows, and the folder of their `Cargo.lock`.
const PACKAGES: [(&str, &str); 3] = [
    ("tokio-tungstenite", "."),
    ("async-nats", COMPARE),
    ("jsonrpsee", COMPARE),
];

pub(crate) fn write_machine(out: &mut impl Write) -> io::Result<()> {
    let machine = machine()?;
    for (name, value) in &machine {
        let name = format!("{name}:");
        writeln!(out, "{name:<7}{value}")?;
    }
    out.flush()
}

/// Returns the heading of the report, with the machine, the versions and the date.
pub(super) fn heading(options: &Options, systems: &[System]) -> io::Result<String> {
    let (rounds, seconds) = (options.rounds, options.seconds);
    let mut text = format!(
        "# Results\n\n\
         `cargo xtask bench` writes this page. [README.md](README.md) explains what is measured.\n\n\
         Each figure is the median of the rounds. Rounds: {rounds}, with a turn of {seconds} s for each \
         system and row.\n\n"
    );
    let mut facts = vec![("date", output("date", &["-u", "+%F"])?)];
    facts.extend(machine()?);
    facts.push(("dasf", output("git", &["rev-parse", "--short", "HEAD"])?));
    for (package, folder) in PACKAGES {
        let lock = fs::read_to_string(root().join(folder).join("Cargo.lock"))?;
        if let Some(version) = locked(&lock, package) {
            facts.push((package, version));
        }
    }
    if systems.contains(&System::Nats) {
        let version = output("nats-server", &["--version"])?;
        facts.push(("nats-server", version.replace("nats-server: v", "")));
    }
    for (name, value) in facts {
        text += &format!("- {name}: {value}\n");
    }
    Ok(text)
}

fn machine() -> io::Result<Vec<(&'static str, String)>> {
    let cores = thread::available_parallelism()?;
    let model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| cpu_model(&text))
        .unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH));
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    Ok(vec![
        ("cores", cores.to_string()),
        ("CPU", model),
        (
            "rustc",
            output(&rustc, &["--version"])?.replace("rustc ", ""),
        ),
    ])
}

/// Returns what a program prints, in the folder of the repository.
fn output(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
        })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "model name")
        .map(|(_, model)| model.trim().to_owned())
}

/// Returns the version of a package in a `Cargo.lock`.
fn locked(lock: &str, package: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_model_is_read() {
        let text =
            "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Example 9000 @ 3 GHz\nflags\t: a b\n";
        assert_eq!(cpu_model(text).as_deref(), Some("Example 9000 @ 3 GHz"));
        assert_eq!(cpu_model("CPU part\t: 0xd0c\n"), None);
    }

    #[test]
    fn a_locked_version_is_read() {
        let lock = "[[package]]\nname = \"ab\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n";
        assert_eq!(locked(lock, "b").as_deref(), Some("2.0.0"));
        assert_eq!(locked(lock, "c"), None);
    }
}
