//! The log of DASF programs: printable lines that never make the program wait.
//!
//! [`PrintableFields`] writes the texts of other programs so that they cannot forge a line. [`start`]
//! writes the lines on a thread of its own.
//!
//! ```
//! let (writer, guard) = dasf_log::start(std::io::stderr())?;
//! let log = tracing_subscriber::fmt()
//!     .with_writer(writer)
//!     .fmt_fields(dasf_log::PrintableFields)
//!     .finish();
//! tracing::subscriber::with_default(log, || tracing::info!(topic = "demo", "listening"));
//! // Writes the lines that still wait.
//! drop(guard);
//! # Ok::<(), std::io::Error>(())
//! ```

mod fields;
mod writer;

pub use fields::PrintableFields;
pub use writer::{LogGuard, LogWriter, start};
