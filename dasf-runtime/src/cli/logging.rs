//! Where the log goes, and how much of it.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::sync::Mutex;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::CliError;
use super::options::Logging;
use crate::bars::BesideBars;

/// The libraries that write whole handshakes, and with them tokens, at their finest level.
const TALKATIVE: [&str; 2] = ["tungstenite", "tokio_tungstenite"];

/// Starts logging as the options say. Where a program around the module has done that already, its
/// way stays.
pub(super) fn start(options: &Logging) -> Result<(), CliError> {
    let level = if options.debug {
        LevelFilter::DEBUG
    } else {
        level(&options.log_level)?
    };
    let quiet = TALKATIVE.map(|library| (library, level.min(LevelFilter::WARN)));
    let filter = Targets::new().with_default(level).with_targets(quiet);
    let is_terminal = options.log_file.is_none() && std::io::stderr().is_terminal();
    // As for the bars: see <https://no-color.org>.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let writer = match &options.log_file {
        None => BoxMakeWriter::new(|| BesideBars),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|error| {
                let path = path.display();
                CliError::Failed(format!("cannot write the log file {path}: {error}"))
            })?;
            BoxMakeWriter::new(Mutex::new(file))
        }
    };
    let log = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(is_terminal && !no_color)
        .with_target(options.debug);
    // A second subscriber is refused; that is the case the documentation speaks of.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(log)
        .try_init();
    Ok(())
}

/// A level by its name, or by the number that Python gives it.
fn level(text: &str) -> Result<LevelFilter, CliError> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" | "10" => Ok(LevelFilter::DEBUG),
        "info" | "20" => Ok(LevelFilter::INFO),
        "warn" | "warning" | "30" => Ok(LevelFilter::WARN),
        "error" | "40" | "critical" | "50" => Ok(LevelFilter::ERROR),
        _ => Err(CliError::Usage(format!(
            "{text:?} is no log level; there is error, warn, info, debug and trace"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_s_levels_are_understood() {
        for (text, expected) in [
            ("20", LevelFilter::INFO),
            ("WARNING", LevelFilter::WARN),
            ("trace", LevelFilter::TRACE),
        ] {
            assert_eq!(level(text).unwrap(), expected, "{text}");
        }
        assert!(matches!(level("loud"), Err(CliError::Usage(_))));
    }
}
