//! What modules, the broker and the command `dasf` share as programs: their log, their numbers, and the signals
//! that stop them.
//!
//! [`LogFormat`] writes lines in which the texts of other programs cannot forge a line. [`start_log`] writes
//! them on a thread of its own. [`StopSignals`] receives the signals, and
//! [`ServiceManager`] tells systemd the state of the program. [`metrics::Numbers`] is the page that Prometheus
//! reads.
//!
//! | feature | content |
//! |---|---|
//! | `log` (default) | the log |
//! | `metrics` (default) | the numbers |
//!
//! ```
//! use dasf_program::LogFormat;
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let format = LogFormat::Json;
//! let (writer, guard) = dasf_program::start_log(std::io::stderr(), format)?;
//! let log = tracing_subscriber::registry().with(format.layer(writer, false, true));
//! tracing::subscriber::with_default(log, || tracing::info!(topic = "demo", "listening"));
//! // Writes the lines that still wait.
//! drop(guard);
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(feature = "log")]
mod fields;
#[cfg(feature = "log")]
mod file;
#[cfg(feature = "log")]
mod format;
#[cfg(feature = "log")]
mod json;
#[cfg(feature = "metrics")]
pub mod metrics;
mod service_manager;
mod signals;
#[cfg(feature = "log")]
mod writer;

#[cfg(feature = "log")]
pub use file::LogFile;
#[cfg(feature = "log")]
pub use format::{LogFormat, UnknownLogFormat};
pub use service_manager::ServiceManager;
pub use signals::{HangUp, HangUps, StopSignals};
#[cfg(feature = "log")]
pub use writer::{LogGuard, LogWriter, start_log, start_log_file};
