//! The errors of commands.

use std::fmt::Display;
use std::process::ExitCode;

use super::output::print_error;

/// The exit code that shells report for a program that Ctrl-C ended.
pub(super) const INTERRUPTED: u8 = 130;

/// The error of a command. It determines the exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line or the request is not valid: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The command failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// The user interrupted the command: exit code 130, as shells report for Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Creates the error for a command line or a request that is not valid.
    pub fn usage(reason: impl Display) -> Self {
        Self::Usage(reason.to_string())
    }

    /// Creates the error for a command that failed.
    pub fn failed(reason: impl Display) -> Self {
        Self::Failed(reason.to_string())
    }

    /// Prints the error on standard error, as one line that begins with `error: `, and returns the
    /// exit code. Prints nothing after an interrupt.
    pub fn report(&self) -> ExitCode {
        if *self != Self::Interrupted {
            print_error(self);
        }
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Interrupted => INTERRUPTED,
        })
    }
}
