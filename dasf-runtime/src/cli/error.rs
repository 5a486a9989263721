//! Why a command did not do what it should.

use std::fmt::Display;
use std::process::ExitCode;

use super::output::print_error;

/// What a shell reports for a program that Ctrl-C ended.
pub(super) const INTERRUPTED: u8 = 130;

/// Why a command did not do what it should; it settles the exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line is wrong: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It is right, and what it asks for failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// The user stopped it: exit code 130, which is what a shell reports for Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The command line is wrong.
    pub fn usage(reason: impl Display) -> Self {
        Self::Usage(reason.to_string())
    }

    /// What the command line asks for failed.
    pub fn failed(reason: impl Display) -> Self {
        Self::Failed(reason.to_string())
    }

    /// Prints it on standard error, as one line that begins with `error: `, and returns the exit
    /// code. Who interrupted the program is not told so.
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
