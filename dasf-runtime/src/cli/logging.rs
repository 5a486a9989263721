//! The options of the log.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PathBufValueParser, StringValueParser};
use dasf_program::{LogFormat, LogGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Error;
use super::output::has_colours;
use super::parse::{OneLine, Switch};
use super::progress_bars::BesideBars;

/// The libraries that log whole handshakes, including tokens, at level trace.
const TALKATIVE: [&str; 2] = ["tungstenite", "tokio_tungstenite"];

/// The level and the file of the log.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
#[group(skip)] // a group has the name of its struct, and a program may have one of that name
pub struct Logging {
    /// Log details; the same as --log-level debug
    #[arg(long, global = true, env = "DE_BACKEND_DEBUG", value_parser = Switch)]
    debug: bool,

    /// Lowest level to log: error, warn, info, debug or trace, or Python's 40, 30, 20, 10
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info",
        value_parser = OneLine(StringValueParser::new())
    )]
    log_level: String,

    /// Form of a line of the log: text, or json for one object per line
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        value_parser = OneLine(LogFormat::from_str)
    )]
    log_format: LogFormat,

    /// Append the log to this file instead of standard error; SIGHUP makes 'listen' open it again
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_LOG_FILE",
        value_name = "FILE",
        value_parser = OneLine(PathBufValueParser::new())
    )]
    log_file: Option<PathBuf>,
}

impl Logging {
    /// Starts the log. If the program has a `tracing` subscriber already, keeps that one.
    ///
    /// A thread writes the log. If nobody reads standard error, or the file is slow, lines are lost and
    /// the program goes on. The log tells how many lines were lost.
    ///
    /// # Errors
    /// [`Error::Usage`] when the level does not exist, [`Error::Failed`] when the file cannot be
    /// written.
    pub fn start(&self) -> Result<LogGuard, Error> {
        let level = if self.debug {
            LevelFilter::DEBUG
        } else {
            level(&self.log_level)?
        };
        let quiet = TALKATIVE.map(|library| (library, level.min(LevelFilter::WARN)));
        let filter = Targets::new().with_default(level).with_targets(quiet);
        let format = self.log_format;
        let (writer, guard) = match &self.log_file {
            None => dasf_program::start_log(BesideBars, format)
                .map_err(|error| Error::Failed(format!("the log has no thread: {error}"))),
            Some(path) => dasf_program::start_log_file(path.clone(), format).map_err(|error| {
                let path = path.display();
                Error::Failed(format!("the log file {path} cannot be written: {error}"))
            }),
        }?;
        let has_colours = self.log_file.is_none() && has_colours(&io::stderr());
        let log = format.layer(writer, has_colours, self.debug);
        let registry = tracing_subscriber::registry().with(filter).with(log);
        // This fails if the program has a subscriber already.
        Ok(match registry.try_init() {
            Ok(()) => guard,
            Err(_) => LogGuard::of_another_log(),
        })
    }
}

/// Returns the level with a name, or with a number of Python's levels.
fn level(text: &str) -> Result<LevelFilter, Error> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" | "10" => Ok(LevelFilter::DEBUG),
        "info" | "20" => Ok(LevelFilter::INFO),
        "warn" | "warning" | "30" => Ok(LevelFilter::WARN),
        "error" | "40" | "critical" | "50" => Ok(LevelFilter::ERROR),
        _ => Err(Error::Usage(format!(
            "{text:?} is not a log level; use error, warn, info, debug or trace"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_python_are_accepted() {
        for (text, expected) in [
            ("20", LevelFilter::INFO),
            ("WARNING", LevelFilter::WARN),
            ("trace", LevelFilter::TRACE),
        ] {
            assert_eq!(level(text).unwrap(), expected, "{text}");
        }
        assert!(matches!(level("loud"), Err(Error::Usage(_))));
    }
}
