//! What modules, the broker and the command `dasf` share as programs: their log, and the signals that stop
//! them.
//!
//! [`PrintableFields`] writes the texts of other programs so that they cannot forge a line. [`start_log`]
//! writes the lines on a thread of its own. [`StopSignals`] receives the signals.
//!
//! ```
//! let (writer, guard) = dasf_program::start_log(std::io::stderr())?;
//! let log = tracing_subscriber::fmt()
//!     .with_writer(writer)
//!     .fmt_fields(dasf_program::PrintableFields)
//!     .finish();
//! tracing::subscriber::with_default(log, || tracing::info!(topic = "demo", "listening"));
//! // Writes the lines that still wait.
//! drop(guard);
//! # Ok::<(), std::io::Error>(())
//! ```

mod fields;
mod signals;
mod writer;

pub use fields::PrintableFields;
pub use signals::{HangUp, HangUps, StopSignals};
pub use writer::{LogGuard, LogWriter, start_log};
