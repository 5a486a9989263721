//! Printing the result of a call or a job.

use std::io::IsTerminal;

use clap::Args;
use dasf::cli::{Error, Indent, print_result, printable};
use serde_json::value::RawValue;

/// The form of a result.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print a string result without quotes
    #[arg(short, long)]
    pub(crate) raw: bool,

    #[command(flatten)]
    indent: Indent,
}

impl Output {
    /// Prints a result on standard output.
    ///
    /// # Errors
    /// The same as [`print_result`].
    pub(crate) fn print(&self, result: &RawValue) -> Result<(), Error> {
        match serde_json::from_str::<String>(result.get()) {
            Ok(text) if self.raw => print_result(&raw(text)),
            _ => self.indent.print(&result),
        }
    }
}

/// Returns a string for printing. In a terminal it has no control characters.
fn raw(text: String) -> String {
    if std::io::stdout().is_terminal() {
        let lines: Vec<String> = text.split('\n').map(printable).collect();
        lines.join("\n")
    } else {
        text
    }
}
