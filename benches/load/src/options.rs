//! The options of a load.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::lane::Phase;

/// The calls that a caller makes.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// The number of calls that are under way at a time, over all clients
    #[arg(long, default_value_t = 1, value_parser = number)]
    pub in_flight: usize,

    /// The number of clients, each with its own connections; the calls take turns over them
    #[arg(long, default_value_t = 1, value_parser = number)]
    pub clients: usize,

    /// The measured time in seconds
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,

    /// The time in seconds before it, in which each client makes at least one call
    #[arg(long, default_value_t = 0.5, value_parser = seconds)]
    warm_up: f64,

    /// Make each call only once, without warm-up, and count failures
    #[arg(long)]
    pub once: bool,

    /// The function that is called
    #[arg(long, value_enum, default_value_t = Function::Add)]
    function: Function,

    /// The size of the text that `echo` returns, in bytes
    #[arg(long, default_value_t = 100)]
    bytes: usize,
}

/// A function of the measured services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Function {
    /// Adds two numbers.
    Add,
    /// Returns a text.
    Echo,
    /// Sleeps for two seconds.
    Wait,
}

/// What one call does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    /// Adds two numbers.
    Add,
    /// Returns a text of this many bytes.
    Echo(usize),
    /// Sleeps for this time.
    Wait(Duration),
}

/// The time that `wait` sleeps.
const WAIT: Duration = Duration::from_secs(2);

impl Load {
    /// Returns what one call does.
    #[must_use]
    pub fn work(&self) -> Work {
        match self.function {
            Function::Add => Work::Add,
            Function::Echo => Work::Echo(self.bytes),
            Function::Wait => Work::Wait(WAIT),
        }
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    /// Returns the measured phase.
    pub(crate) fn phase(&self) -> Phase {
        if self.once {
            Phase::Once
        } else {
            Phase::Measured(Duration::from_secs_f64(self.seconds))
        }
    }
}

fn number(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| "use an integer above 0".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok();
    let seconds = seconds.filter(|seconds| Duration::try_from_secs_f64(*seconds).is_ok());
    seconds.ok_or_else(|| "use a number of seconds".to_owned())
}
