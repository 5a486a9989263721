//! The load that the measurements put on a service.
//!
//! Every caller of the measurements has the same options and the same loop, and prints the same
//! lines, so its figures can be compared:
//!
//! - `start` and `stop` when the measured time begins and ends, so that `cargo xtask bench` reads the
//!   processor time of all processes at these moments;
//! - one line of JSON with the calls, the failures, the rate and the latencies.
//!
//! Then it waits until its standard input ends, so that its memory can be read.

mod lane;
mod latencies;
mod options;

use std::error::Error;
use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;
use std::time::Instant;

pub use lane::{Lane, Phase};
pub use latencies::Outcome;
pub use options::{Load, Work};

/// An error of any kind. These programs only print it.
pub type AnyError = Box<dyn Error + Send + Sync>;

/// A connection of a client over which several calls can be in flight.
pub trait Client: Send + Sync + 'static {
    /// Makes one call, and checks its result.
    fn call(&self, work: &Work) -> impl Future<Output = Result<(), AnyError>> + Send;
}

/// Makes the calls of a load over these clients, and prints the figures.
///
/// # Errors
/// The error of the first failed call. With [`Load::once`], failures are counted instead.
pub async fn run<C: Client>(load: &Load, clients: Vec<C>) -> Result<(), AnyError> {
    let clients: Arc<[C]> = clients.into();
    let work = load.work();
    measure(load, async |lanes| {
        let lanes: Vec<_> = lanes
            .into_iter()
            .map(|lane| tokio::spawn(call(clients.clone(), lane, work)))
            .collect();
        let mut outcome = Outcome::default();
        for lane in lanes {
            outcome.add(lane.await?);
        }
        Ok(outcome)
    })
    .await
}

/// Makes one call after the other.
async fn call<C: Client>(clients: Arc<[C]>, mut lane: Lane, work: Work) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(client) = lane.next(Instant::now()) {
        let start = Instant::now();
        match clients[client].call(&work).await {
            Ok(()) => outcome.answered(start.elapsed()),
            Err(error) => {
                outcome.failed(error);
                break;
            }
        }
    }
    outcome
}

/// Runs the phases of a load, and prints the figures. `make_calls` makes the calls of some lanes, all
/// lanes at the same time.
///
/// # Errors
/// The error of `make_calls`, or of the first failed call. With [`Load::once`], failed calls are
/// counted instead.
pub async fn measure(
    load: &Load,
    mut make_calls: impl AsyncFnMut(Vec<Lane>) -> Result<Outcome, AnyError>,
) -> Result<(), AnyError> {
    let lanes = |phase| Lane::all(load.in_flight, load.clients, phase, Instant::now());
    if !load.once {
        make_calls(lanes(Phase::WarmUp(load.warm_up())))
            .await?
            .check()?;
    }
    print_line("start")?;
    let start = Instant::now();
    let mut outcome = make_calls(lanes(load.phase())).await?;
    let elapsed = start.elapsed();
    print_line("stop")?;
    if !load.once {
        outcome.check()?;
    } else if let Some(error) = outcome.error() {
        writeln!(io::stderr(), "a call failed: {error}")?;
    }
    print_line(&outcome.json(elapsed))?;
    wait_for_the_end_of_input()?;
    Ok(())
}

/// Prints a line for the program that started this one.
///
/// # Errors
/// The error of the standard output.
pub fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Waits until the program that started this one closes the standard input. A person at a terminal
/// does not have to.
///
/// # Errors
/// The error of the standard input.
pub fn wait_for_the_end_of_input() -> io::Result<()> {
    let mut input = io::stdin();
    if !input.is_terminal() {
        input.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}
