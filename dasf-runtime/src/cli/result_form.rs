//! The form in which commands print results, or write them to files.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;

use clap::{Args, ValueEnum};
use dasf_protocol::text::printable;
use dasf_types::Base64;
use serde_json::value::RawValue;

use super::show::rows::{Rows, rows};
use super::show::{is_netcdf, show};
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

    /// Form of the result
    ///
    /// The default is text on a terminal without --raw and --indent, otherwise json.
    #[arg(long, value_name = "FORM", conflicts_with = "raw")]
    format: Option<Format>,

    #[command(flatten)]
    indent: Indent,
}

/// The forms of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON
    Json,
    /// Plots, tables and summaries of results that have them, otherwise JSON
    Text,
    /// Records and series as a table with all rows, for programs
    Csv,
}

impl ResultForm {
    /// Prints a result on standard output.
    ///
    /// # Errors
    /// The same as [`print_result`].
    pub fn print(&self, result: &RawValue) -> Result<(), Error> {
        if self.format == Some(Format::Csv) {
            let is_terminal = std::io::stdout().is_terminal();
            let csv = csv(result, is_terminal)?;
            return print_result(csv.trim_end_matches('\n'));
        }
        if let Some(text) = self.text(result) {
            return print_result(&text);
        }
        match serde_json::from_str::<String>(result.get()) {
            Ok(text) if self.raw => print_result(&raw(text)),
            _ => self.indent.print(&result),
        }
    }

    /// Writes a result to a file. Its form is that of the options, or that of the file: `.csv` for a table, `.json`
    /// for JSON, and `.nc` for NetCDF as its bytes. Otherwise NetCDF is written as its bytes, a text as it is, and
    /// anything else as JSON.
    ///
    /// # Errors
    /// [`Error::Failed`] when the file cannot be written, or the result does not have the form.
    pub fn write(&self, result: &RawValue, file: &Path) -> Result<(), Error> {
        let extension = file.extension().and_then(|it| it.to_str());
        let extension = extension.unwrap_or_default().to_ascii_lowercase();
        let netcdf = || is_netcdf(result.get()).then(|| bytes(result)).flatten();
        let content = match (self.format, extension.as_str()) {
            (Some(Format::Csv), _) | (None, "csv") => csv(result, false)?.into_bytes(),
            (Some(Format::Json), _) | (None, "json") => self.indent.to_line(&result)?.into_bytes(),
            (Some(Format::Text), _) => match show(result.get(), textwrap::termwidth()) {
                Some(text) => (text + "\n").into_bytes(),
                None => self.indent.to_line(&result)?.into_bytes(),
            },
            (None, "nc") => netcdf().ok_or_else(|| {
                Error::failed("the result is not NetCDF; write it to a file with another ending")
            })?,
            (None, _) => match (netcdf(), serde_json::from_str::<String>(result.get())) {
                (Some(bytes), _) => bytes,
                (None, Ok(text)) => text.into_bytes(),
                (None, Err(_)) => self.indent.to_line(&result)?.into_bytes(),
            },
        };
        fs::write(file, content).map_err(|error| {
            Error::Failed(format!("{} cannot be written: {error}", file.display()))
        })
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

/// Returns a result as CSV. In a terminal it has no control characters.
fn csv(result: &RawValue, is_terminal: bool) -> Result<String, Error> {
    let Some(Rows { names, cells }) = rows(result.get()) else {
        return Err(Error::failed(
            "the result is no table; only a list of objects, records and a series can be CSV",
        ));
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in [names].into_iter().chain(cells) {
        let row = row.into_iter().map(|cell| match is_terminal {
            true => printable(&cell),
            false => cell,
        });
        writer.write_record(row).map_err(Error::failed)?;
    }
    let bytes = writer.into_inner().map_err(Error::failed)?;
    String::from_utf8(bytes).map_err(Error::failed)
}

/// Returns the bytes of a result that is base64.
fn bytes(result: &RawValue) -> Option<Vec<u8>> {
    let bytes: Base64 = serde_json::from_str(result.get()).ok()?;
    Some(bytes.to_vec())
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
