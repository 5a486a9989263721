//! The form in which commands print results.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use dasf_protocol::text::printable;
use serde_json::value::RawValue;

use super::show::show;
use super::{Error, Indent, print_result};

/// The options for the form of a result: `--raw`, `--format` and `--indent`.
///
/// ```
/// use dasf_runtime::cli::ResultForm;
/// use serde_json::value::to_raw_value;
///
/// ResultForm::default().print(&*to_raw_value(&5)?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, Args)]
#[group(skip)] // a group has the name of its struct, and a program may have one of that name
#[non_exhaustive]
pub struct ResultForm {
    /// Print a string result without quotes
    #[arg(short, long)]
    pub raw: bool,

    /// Print the result as JSON, or as text for people
    ///
    /// Series, records, maps and NetCDF have plots, tables and summaries. The default is text on a terminal without
    /// --raw and --indent, otherwise json.
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

impl ResultForm {
    /// Prints a result on standard output.
    ///
    /// # Errors
    /// The same as [`print_result`].
    pub fn print(&self, result: &RawValue) -> Result<(), Error> {
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
