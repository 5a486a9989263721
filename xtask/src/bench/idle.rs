//! The memory of connections over which nothing is sent.

use std::io;
use std::time::Duration;

use super::processes::{Running, command, file_limit};
use super::programs::Programs;
use super::report::{NO_FIGURE, line, whole};
use super::statistics::median;
use super::system::System;

pub(super) const NAME: &str = "idle";
/// The brokers that have a WebSocket for each topic.
pub(super) const SYSTEMS: [System; 2] = [System::Dasf, System::Floor];
const CONNECTIONS: u32 = 10_000;
/// Files that a process opens besides its connections.
const OTHER_FILES: u32 = 100;
const LIMIT: Duration = Duration::from_secs(120);

/// Returns the section of the report. What cannot be measured is added to the problems.
pub(super) fn section(
    systems: &[System],
    rounds: u32,
    programs: &Programs,
    problems: &mut Vec<String>,
) -> String {
    let titles = systems.iter().map(|system| system.title().to_owned());
    let mut cells = Vec::new();
    for &system in systems {
        cells.push(match measure(system, programs, rounds) {
            Ok(bytes) => format!("{:.1} kB", bytes / 1e3),
            Err(error) => {
                problems.push(format!("{NAME}, {}: {error}", system.title()));
                NO_FIGURE.to_owned()
            }
        });
    }
    let connections = whole(f64::from(CONNECTIONS));
    format!(
        "## Connections without traffic\n\n\
         Memory of the broker for each of {connections} connections:\n\n{}|---{}|\n{}",
        line("", titles),
        "|---:".repeat(systems.len()),
        line("broker", cells.into_iter())
    )
}

/// Returns the memory of a connection at the broker of a system in bytes, or the reason why it cannot
/// be measured.
fn measure(system: System, programs: &Programs, rounds: u32) -> io::Result<f64> {
    let memories: io::Result<Vec<f64>> = (0..rounds).map(|_| once(system, programs)).collect();
    median(memories?).ok_or_else(|| io::Error::other("there are no rounds"))
}

fn once(system: System, programs: &Programs) -> io::Result<f64> {
    let (broker, url) = system
        .start_broker(programs)?
        .ok_or_else(|| io::Error::other("there is no broker"))?;
    let before = broker.memory()?;
    let _connections = open(programs, &url, CONNECTIONS)?;
    #[allow(clippy::cast_precision_loss)] // no machine has so much memory
    let grown = broker.memory()?.saturating_sub(before) as f64;
    Ok(grown / f64::from(CONNECTIONS))
}

/// Opens connections, each of which reads a topic of its own. They close with a drop.
pub(super) fn open(programs: &Programs, url: &str, connections: u32) -> io::Result<Running> {
    let limit = file_limit()?;
    if limit < connections + OTHER_FILES {
        return Err(io::Error::other(format!(
            "{connections} connections need more files than the {limit} that a process may open"
        )));
    }
    let mut idle = command(programs.own("bench-idle"));
    idle.args(["--websocket-url", url])
        .args(["--connections", &connections.to_string()]);
    let mut idle = Running::start("bench-idle", &mut idle)?;
    idle.wait_for(LIMIT, |line| (line == "ready").then_some(()))?;
    Ok(idle)
}
