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
//! | see the requests that ended their modules, send them again or drop them | [`dead_requests`], [`dead_request`], [`retry_dead_request`], [`drop_dead_request`] |
//! | draw the progress of a call | [`show_progress`] |
//! | run the command line of a module | [`cli::run`] |

// Some parts of the transport serve only modules, only callers, or only MQTT. With all features, the
// compiler finds what is unused.
#![cfg_attr(
    not(all(feature = "cli", feature = "mqtt", feature = "status")),
    allow(dead_code, unreachable_pub, unused_imports)
)]
// The documentation describes all features.
#![cfg_attr(
    not(all(
        feature = "cli",
        feature = "mqtt",
        feature = "progress-bars",
        feature = "status"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

mod activity;
mod address;
mod backoff;
#[cfg(feature = "module")]
mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "module")]
mod context;
mod dead_requests;
mod deadline;
mod discovery;
mod duration;
#[cfg(feature = "cli")]
mod entry;
#[cfg(feature = "client")]
pub mod generated;
#[cfg(feature = "module")]
mod host;
mod host_name;
mod inspection;
#[cfg(any(feature = "client", feature = "module"))]
mod load;
#[cfg(feature = "module")]
mod missing;
#[cfg(feature = "module")]
pub mod module;
#[cfg(any(feature = "client", feature = "module"))]
mod number_map;
mod outcome;
#[cfg(feature = "module")]
mod probe;
#[cfg(feature = "module")]
mod progress;
#[cfg(feature = "progress-bars")]
mod progress_bars;
mod random;
#[cfg(any(feature = "client", feature = "module"))]
mod read;
mod spare;
#[cfg(feature = "opentelemetry")]
mod telemetry;
#[cfg(any(feature = "client", feature = "module"))]
mod trace;
mod transport;
mod types;
#[cfg(feature = "module")]
mod written;

pub use activity::{ListenerActivity, TopicActivity, topic_activity};
pub use address::{Address, AddressError, Persistence, PulsarAddress};
#[cfg(feature = "module")]
pub use checkpoint::CheckpointError;
#[cfg(feature = "module")]
pub use context::Context;
pub use dead_requests::{
    DeadAttempt, DeadConsumer, DeadRequest, DeadRequestDetails, dead_letters, dead_request,
    dead_requests, drop_dead_letter, drop_dead_request, retry_dead_letter, retry_dead_request,
};
pub use discovery::{ListedModule, list_modules};
#[cfg(feature = "module")]
pub use host::{Acknowledge, Host, HostOptions, OptionsError, StartError};
pub use inspection::{BrokerGreeting, BrokerProxy, BrokerRoute, broker_route, greet_broker};
#[cfg(any(feature = "client", feature = "module"))]
pub use load::ModuleLoad;
#[cfg(feature = "module")]
pub use module::{Module, ModuleError};
pub use outcome::{Failure, FailureKind};
#[cfg(feature = "module")]
pub use progress::{ProgressReport, ReportSink};
#[cfg(feature = "progress-bars")]
pub use progress_bars::show_progress;
pub use tokio_util::sync::CancellationToken;
pub use transport::{Cause, ConnectError, Feature, TlsFault};
pub use types::IntoError;
#[cfg(feature = "module")]
pub use types::{Data, Fallible};

#[doc(hidden)]
pub mod __private;

/// The readers of what brokers send, for the targets in `fuzz`.
#[cfg(all(fuzzing, feature = "mqtt"))]
#[doc(hidden)]
pub mod fuzzing {
    /// Reads bytes as the frames of an MQTT broker.
    pub fn read_mqtt(bytes: &[u8]) {
        crate::transport::mqtt::fuzzed::read(bytes);
    }
}
