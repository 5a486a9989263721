//! Printing the result of a call or a job.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use dasf::cli::{Error, Indent, print_result, printable};
use serde_json::value::RawValue;

use crate::show::show;

/// The form of a result.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// Print a string result without quotes
    #[arg(short, long)]
    pub(crate) raw: bool,

    /// Print the result as JSON, or as text: plots, tables and summaries of results that have them
    /// [default: text on a terminal without --raw and --indent, otherwise json]
    #[arg(long, value_name = "FORM", conflicts_with = "raw")]
    format: Option<Format>,

    #[command(flatten)]
    indent: Indent,
}

/// The two forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON, for programs.
    Json,
    /// Text, for people.
    Text,
}

impl Output {
    /// Prints a result on standard output.
    ///
    /// # Errors
    /// The same as [`print_result`].
    pub(crate) fn print(&self, result: &RawValue) -> Result<(), Error> {
        if let Some(text) = self.text(result) {
            return print_result(&text);
        }
        match serde_json::from_str::<String>(result.get()) {
            Ok(text) if self.raw => print_result(&raw(text)),
            _ => self.indent.print(&result),
        }
    }

    /// Returns the text of a result for people, if that is wanted and the result has one.
    fn text(&self, result: &RawValue) -> Option<String> {
        let is_wanted = match self.format {
            Some(format) => format == Format::Text,
            None => !self.raw && self.indent.indent.is_none() && std::io::stdout().is_terminal(),
        };
        is_wanted.then(|| show(result.get(), textwrap::termwidth()))?
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
