//! The forms of a line of the log.

use std::fmt;
use std::str::FromStr;

use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::registry::LookupSpan;

use crate::fields::PrintableFields;
use crate::json::{self, JsonFields, JsonLines};
use crate::writer::LogWriter;

/// The form of a line of the log.
///
/// ```
/// use dasf_program::LogFormat;
///
/// assert_eq!("json".parse(), Ok(LogFormat::Json));
/// assert!("xml".parse::<LogFormat>().is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// `2026-11-22T15:43:50.970021Z  INFO listening topic="my-topic"`
    #[default]
    Text,
    /// A JSON object with `timestamp`, `level`, `target`, `message` and `fields`. Its fields are those of the
    /// event and of the spans around it. If a name occurs twice, the inner value counts.
    Json,
}

/// A form that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLogFormat;

impl fmt::Display for UnknownLogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use text or json")
    }
}

impl std::error::Error for UnknownLogFormat {}

impl FromStr for LogFormat {
    type Err = UnknownLogFormat;

    fn from_str(text: &str) -> Result<Self, UnknownLogFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownLogFormat),
        }
    }
}

impl LogFormat {
    /// Returns the layer that writes events in this form. `has_colours` and `shows_target`, the part of the
    /// program that logs, are for the text: JSON has no colours, and always the part of the program.
    pub fn layer<S>(
        self,
        writer: LogWriter,
        has_colours: bool,
        shows_target: bool,
    ) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let layer = layer().with_writer(writer);
        match self {
            Self::Text => layer
                .fmt_fields(PrintableFields)
                .with_ansi(has_colours)
                .with_target(shows_target)
                .boxed(),
            Self::Json => layer
                .with_ansi(false)
                .fmt_fields(JsonFields)
                .event_format(JsonLines)
                .boxed(),
        }
    }

    /// Returns the line that tells how many lines nobody has read in time.
    pub(crate) fn lost(self, lines: usize) -> String {
        let message = format!("lost {lines} lines of the log: nobody read it in time");
        match self {
            Self::Text => message + "\n",
            Self::Json => json::line(Level::WARN, module_path!(), &message, &json::Map::new()),
        }
    }
}
