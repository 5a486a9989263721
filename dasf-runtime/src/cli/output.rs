//! What is printed, and how.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

use clap::Args;
use dasf_protocol::progress::Report;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;

use super::Error;
use crate::bars::{self, printable};

/// How a JSON text is laid out.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)] // a group has the name of its struct, and a program may have one of that name
pub struct Indent {
    /// Indent the JSON by this many blanks
    #[arg(short, long, value_name = "BLANKS", value_parser = clap::value_parser!(u8).range(..=16))]
    pub indent: Option<u8>,
}

impl Indent {
    /// Prints a value as JSON on standard output: on one line, unless it is to be indented.
    ///
    /// # Errors
    /// As [`print_result`].
    pub fn print(&self, value: &impl Serialize) -> Result<(), Error> {
        print_result(&self.text(value)?)
    }

    fn text(&self, value: &impl Serialize) -> Result<String, Error> {
        let mut json = Vec::new();
        let written = match self.indent {
            None => serde_json::to_writer(&mut json, value),
            Some(blanks) => {
                let indent = vec![b' '; usize::from(blanks)];
                let formatter = PrettyFormatter::with_indent(&indent);
                value.serialize(&mut serde_json::Serializer::with_formatter(
                    &mut json, formatter,
                ))
            }
        };
        written.map_err(Error::failed)?;
        Ok(without_controls(
            String::from_utf8(json).map_err(Error::failed)?,
        ))
    }
}

/// The same JSON, without those characters that JSON may hold as they are and a terminal obeys.
fn without_controls(json: String) -> String {
    let controls = |symbol: char| symbol.is_control() && symbol != '\n';
    if !json.contains(controls) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for symbol in json.chars() {
        if controls(symbol) {
            // They stand in texts only: between its parts, JSON has line breaks and blanks.
            text += &format!("\\u{:04x}", u32::from(symbol));
        } else {
            text.push(symbol);
        }
    }
    text
}

/// Prints a result and a line break on standard output. A reader that went away, as in
/// `dasf api | head`, is no failure.
///
/// # Errors
/// [`Error::Failed`] when standard output cannot be written, for instance because a disk is full.
pub fn print_result(text: &str) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.write_all(b"\n"))
        .and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Failed(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Prints a message on standard error, as one line that begins with `error: `.
pub fn print_error(message: impl Display) {
    // One line, whatever a module's own error has; and nothing that a terminal would obey.
    let message = message.to_string();
    let lines: Vec<String> = message.lines().map(|line| printable(line.trim())).collect();
    // Where standard error is gone, the exit code says it alone.
    let _ = writeln!(io::stderr(), "error: {}", lines.join("; "));
}

/// Whether what is printed there may have colours: in a terminal, unless the environment variable
/// `NO_COLOR` is set.
pub fn has_colours(output: &impl IsTerminal) -> bool {
    // See <https://no-color.org>.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    output.is_terminal() && !no_color
}

/// Shows reports of progress.
pub type ProgressHandler = Box<dyn FnMut(&Report) + Send>;

/// Shows reports on standard error, for [`on_progress`](crate::client::Call::on_progress): as bars
/// in a terminal, as lines elsewhere, and not at all where that is wished.
pub fn progress_handler(no_progress: bool) -> ProgressHandler {
    if no_progress {
        Box::new(|_| {})
    } else if bars::can_be_drawn() {
        Box::new(bars::show_progress())
    } else {
        Box::new(|report| {
            // That nobody reads it is no reason to stop the call.
            let _ = writeln!(io::stderr(), "{}", printable(&report.to_string()));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn json_holds_nothing_that_a_terminal_obeys() {
        let value = json!({"a\u{9b}": ["\u{1b}[2J\u{7f}", "ä\n\u{85}"]});
        for indent in [None, Some(2)] {
            let text = Indent { indent }.text(&value).unwrap();
            assert!(
                !text.contains(|symbol: char| symbol.is_control() && symbol != '\n'),
                "{text:?}"
            );
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
        let text = Indent::default().text(&value).unwrap();
        assert_eq!(text, r#"{"a\u009b":["\u001b[2J\u007f","ä\n\u0085"]}"#);
    }
}
