//! What modules, the broker and the command `dasf` share as programs: their log, and the signals that stop
//! them.
//!
//! [`LogFormat`] writes lines in which the texts of other programs cannot forge a line. [`start_log`] writes
//! them on a thread of its own. [`StopSignals`] receives the signals, and
//! [`ServiceManager`] tells systemd the state of the program.
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

mod fields;
mod file;
mod format;
mod json;
mod service_manager;
mod signals;
mod writer;

pub use file::LogFile;
pub use format::{LogFormat, UnknownLogFormat};
pub use service_manager::ServiceManager;
pub use signals::{HangUp, HangUps, StopSignals};
pub use writer::{LogGuard, LogWriter, start_log, start_log_file};
