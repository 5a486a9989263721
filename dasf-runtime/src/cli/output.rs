//! The output of commands.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};

use clap::Args;
use dasf_protocol::progress::Report;
use dasf_protocol::text::{is_hidden, printable};
use serde::Serialize;

use super::Error;
use super::progress_bars::BesideBars;

/// The greatest indentation, in levels. Deeper levels are not indented further.
const MAX_INDENTED: usize = 128;

/// The indentation of JSON.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)] // a group has the name of its struct, and a program may have one of that name
#[non_exhaustive]
pub struct Indent {
    /// Indent the JSON by this number of spaces
    #[arg(short, long, value_name = "SPACES", value_parser = clap::value_parser!(u8).range(..=16))]
    pub indent: Option<u8>,
}

impl Indent {
    /// Prints a value as JSON on standard output, on one line if no indentation is set.
    ///
    /// # Errors
    /// The same as [`print_result`].
    pub fn print(&self, value: &impl Serialize) -> Result<(), Error> {
        let json = serde_json::to_string(value).map_err(Error::failed)?;
        print(|output| {
            self.lay_out(&json, output)?;
            output.write_all(b"\n")
        })
    }

    /// Returns a value as JSON, with a line break at its end.
    #[cfg(feature = "shell")]
    pub(super) fn to_line(&self, value: &impl Serialize) -> Result<String, Error> {
        let json = serde_json::to_string(value).map_err(Error::failed)?;
        let mut line = Vec::new();
        self.lay_out(&json, &mut line).map_err(Error::failed)?;
        line.push(b'\n');
        String::from_utf8(line).map_err(Error::failed)
    }

    /// Writes JSON with this indentation. Numbers keep every digit. Strings contain the characters
    /// themselves, but hidden characters stay escaped.
    fn lay_out(&self, json: &str, output: &mut impl Write) -> io::Result<()> {
        let mut depth = 0_usize;
        let mut rest = json;
        while let Some(symbol) = rest.chars().next() {
            let token = if symbol == '"' {
                let (text, after) = rest.split_at(text_length(rest));
                rest = after;
                write_text(text, output)?;
                continue;
            } else {
                let (token, after) = rest.split_at(symbol.len_utf8());
                rest = after;
                token
            };
            match symbol {
                ' ' | '\t' | '\n' | '\r' => {}
                '{' | '[' => {
                    output.write_all(token.as_bytes())?;
                    let inside = rest.trim_start();
                    if inside.starts_with(['}', ']']) {
                        let (end, after) = inside.split_at(1);
                        output.write_all(end.as_bytes())?;
                        rest = after;
                    } else {
                        depth += 1;
                        self.new_line(depth, output)?;
                    }
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    self.new_line(depth, output)?;
                    output.write_all(token.as_bytes())?;
                }
                ',' => {
                    output.write_all(token.as_bytes())?;
                    self.new_line(depth, output)?;
                }
                ':' if self.indent.is_some() => output.write_all(b": ")?,
                _ => output.write_all(token.as_bytes())?,
            }
        }
        Ok(())
    }

    fn new_line(&self, depth: usize, output: &mut impl Write) -> io::Result<()> {
        let Some(blanks) = self.indent else {
            return Ok(());
        };
        output.write_all(b"\n")?;
        let width = usize::from(blanks) * depth.min(MAX_INDENTED);
        write!(output, "{:width$}", "")
    }
}

/// Returns the length of the string at the beginning of JSON, with its quotes.
fn text_length(json: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    json.len()
}

/// Writes a string of JSON, with its quotes.
fn write_text(text: &str, output: &mut impl Write) -> io::Result<()> {
    let has_escapes = text.contains('\\');
    if !has_escapes && !text.contains(is_hidden) {
        return output.write_all(text.as_bytes());
    }
    // An unnecessary escape becomes the character itself. Half of a surrogate pair stays an escape.
    let read = serde_json::from_str::<String>(text).ok();
    let shortest = read.and_then(|text| serde_json::to_string(&text).ok());
    for symbol in shortest.as_deref().unwrap_or(text).chars() {
        if is_hidden(symbol) {
            for unit in symbol.encode_utf16(&mut [0; 2]) {
                write!(output, "\\u{unit:04x}")?;
            }
        } else {
            write!(output, "{symbol}")?;
        }
    }
    Ok(())
}

/// Prints a result and a line break on standard output. A closed pipe, as in `dasf api | head`, is
/// not an error.
///
/// # Errors
/// [`Error::Failed`] when standard output cannot be written, for instance because a disk is full.
pub fn print_result(text: &str) -> Result<(), Error> {
    print(|output| {
        output.write_all(text.as_bytes())?;
        output.write_all(b"\n")
    })
}

fn print(
    write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>,
) -> Result<(), Error> {
    let mut output = BufWriter::new(io::stdout().lock());
    match write(&mut output).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Failed(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Prints a message on standard error, as one line that begins with `error: `.
pub fn print_error(message: impl Display) {
    print_message("error", message);
}

/// Prints a message on standard error, as one line that begins with `warning: `.
pub(super) fn print_warning(message: impl Display) {
    print_message("warning", message);
}

fn print_message(kind: &str, message: impl Display) {
    let line = format!("{kind}: {}\n", printable(&message.to_string()));
    // If standard error is closed, the exit code remains.
    let _ = BesideBars.write_all(line.as_bytes());
}

/// Returns whether the output may have colours: if it is a terminal, and the environment variable
/// `NO_COLOR` is not set.
pub fn has_colours(output: &impl IsTerminal) -> bool {
    // See <https://no-color.org>.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    output.is_terminal() && !no_color
}

/// A function that shows progress reports.
pub type ProgressHandler = Box<dyn FnMut(&Report) + Send>;

/// Returns a handler for [`on_progress`](crate::client::Call::on_progress) that shows progress
/// reports on standard error: as bars in a terminal, and as lines otherwise, or without the feature
/// `progress-bars`. With `no_progress` it shows nothing.
pub fn progress_handler(no_progress: bool) -> ProgressHandler {
    if no_progress {
        return Box::new(|_| {});
    }
    #[cfg(feature = "progress-bars")]
    if crate::progress_bars::can_be_drawn() {
        #[cfg(unix)]
        let quiet_keys = super::quiet_keys::QuietKeys::new();
        let mut show = crate::progress_bars::show_progress();
        return Box::new(move |report| {
            show(report);
            // They live as long as the bars.
            #[cfg(unix)]
            let _ = &quiet_keys;
        });
    }
    let mut lines = ProgressLines::default();
    Box::new(move |report| {
        if let Some(line) = lines.next(report) {
            // If standard error is closed, the call continues.
            let _ = writeln!(io::stderr(), "{line}");
        }
    })
}

/// The lines for the progress reports of a call.
#[derive(Default)]
struct ProgressLines {
    last: String,
}

impl ProgressLines {
    /// Returns the line for a report. A report may differ from the one before only in what a line does
    /// not show, such as the number of steps. Then it has no line.
    fn next(&mut self, report: &Report) -> Option<&str> {
        let line = printable(&report.to_string());
        if line == self.last {
            return None;
        }
        self.last = line;
        Some(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    fn laid_out(indent: Option<u8>, json: &str) -> String {
        let mut output = Vec::new();
        Indent { indent }.lay_out(json, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn no_line_of_progress_comes_twice() {
        let mut lines = ProgressLines::default();
        let mut report = Report::new("root", "working", 1);
        assert_eq!(lines.next(&report), Some("  0 % working"));
        report.steps = 4;
        assert_eq!(lines.next(&report), None);
        report.step_message = "reading".to_owned();
        assert_eq!(lines.next(&report), Some("  0 % reading"));
        report.status = dasf_protocol::Status::Success;
        assert_eq!(lines.next(&report), Some("100 % reading"));
        assert_eq!(lines.next(&report), None);
    }

    #[test]
    fn numbers_keep_their_digits() {
        let json = r#" {"a" : [ 265252859812191058636308480000000 ,-0.0, 1E+400, 1.50], "b":
            {} ,"c":[ ], "d": {"e": null}}"#;
        assert_eq!(
            laid_out(None, json),
            r#"{"a":[265252859812191058636308480000000,-0.0,1E+400,1.50],"b":{},"c":[],"d":{"e":null}}"#
        );
        assert_eq!(
            laid_out(Some(1), json),
            "{\n \"a\": [\n  265252859812191058636308480000000,\n  -0.0,\n  1E+400,\n  1.50\n ],\n \
             \"b\": {},\n \"c\": [],\n \"d\": {\n  \"e\": null\n }\n}"
        );
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        assert_eq!(
            laid_out(None, &serde_json::to_string(&raw).unwrap()),
            laid_out(None, json)
        );
    }

    #[test]
    fn the_layout_equals_that_of_serde_json() {
        let value =
            json!({"a": [1, [], {}, {"b": [[true]], "c\"\\": "{\"x\": [1, 2]}"}], "ä": null});
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(laid_out(Some(2), &value.to_string()), pretty);
        assert_eq!(laid_out(None, &pretty), value.to_string());
    }

    #[test]
    fn deep_values_are_laid_out() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert_eq!(laid_out(None, &deep), deep);
        assert!(laid_out(Some(1), &deep).len() < 4_000_000);
    }

    #[test]
    fn printed_json_has_no_control_characters() {
        let value = json!({"a\u{9b}": ["\u{1b}[2J\u{7f}", "ä\n\u{85}"]});
        for indent in [None, Some(2)] {
            let text = laid_out(indent, &value.to_string());
            assert!(
                !text.contains(|symbol: char| symbol.is_control() && symbol != '\n'),
                "{text:?}"
            );
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
        let text = laid_out(None, &value.to_string());
        assert_eq!(text, r#"{"a\u009b":["\u001b[2J\u007f","ä\n\u0085"]}"#);
        let escaped = r#"["Gr\u00fc\u00dfe \ud83c\udf0d \/", "\u001b\ud800"]"#;
        let text = laid_out(None, escaped);
        assert_eq!(text, r#"["Grüße 🌍 /","\u001b\ud800"]"#);
    }
}
