//! Runs modules and calls them over a message broker: the transports, the module host, the client
//! and the command line.
//!
//! Programs normally depend on the crate `dasf`, which re-exports everything here. The code that
//! the macros of `dasf` generate also uses this crate.
//!
//! | to … | use |
//! |---|---|
//! | give the address of the broker | [`Address`] |
//! | serve a module | [`Host`], with [`HostOptions`] |
//! | call a module through typed functions | the `Client` that `#[dasf::module]` generates, built with [`client::ClientBuilder`] |
//! | call any module | [`client::Caller`] |
//! | list the modules that listen | [`list_modules`] |
//! | draw the progress of a call | [`show_progress`] |
//! | run the command line of a module | [`cli::run`] |

mod address;
mod backoff;
pub mod cli;
pub mod client;
mod context;
mod discovery;
mod entry;
pub mod generated;
mod host;
mod host_name;
mod missing;
pub mod module;
mod probe;
mod progress;
mod progress_bars;
mod random;
mod transport;
mod types;

pub use address::{Address, AddressError, Persistence, PulsarAddress};
pub use context::Context;
pub use discovery::{ListedModule, list_modules};
pub use host::{Acknowledge, Host, HostOptions, OptionsError, StartError};
pub use module::{Failure, FailureKind, Module, ModuleError};
pub use progress::{ProgressReport, ReportSink};
pub use progress_bars::show_progress;
pub use tokio_util::sync::CancellationToken;
pub use transport::{Cause, ConnectError, Feature, TlsFault};
pub use types::{Data, Fallible, IntoError};

#[doc(hidden)]
pub mod __private;
