//! Remote procedure calls over message brokers, for functions that must run where the data and the
//! machines are.
//!
//! A module is one `mod` with the attribute [`module`]. It becomes a program that serves its
//! functions on a topic of a broker, and it generates the typed client of its callers:
//!
//! ```
//! use dasf::{Address, Host, HostOptions};
//!
//! /// Simple arithmetic, served over a message broker.
//! #[dasf::module(topic = "arithmetic", main = false)]
//! pub mod arithmetic {
//!     /// Add two numbers.
//!     #[dasf::function]
//!     pub fn add(a: i64, #[dasf(default = 2)] b: i64) -> i64 {
//!         a + b
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // A broker and the module, here in the same process as the client.
//!     let broker = dasf_broker::Broker::builder().bind(([127, 0, 0, 1], 0).into()).start().await?;
//!     let address = Address::websocket(&broker.url())?;
//!     let topic = "arithmetic".parse()?;
//!     let host = Host::start(arithmetic::module()?, &topic, address, HostOptions::default()).await?;
//!
//!     let client = arithmetic::Client::connect(&broker.url()).await?;
//!     assert_eq!(client.add(1).await?, 3);
//!     assert_eq!(client.add(1).b(5).await?, 6);
//!
//!     host.shutdown().await;
//!     broker.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! As a rule the module is a program of its own: without `main = false`, the attribute writes its
//! `main()`, and `cargo run -- listen` serves it.
//!
//! The [guide] has a chapter for each side: [writing a module](guide::modules), [calling
//! one](guide::clients), the [command line](guide::command_line) of a module, the
//! [command `dasf`](guide::cli) for all modules, [brokers and addresses](guide::brokers), and [how it
//! speaks with others](guide::protocol).
//!
//! | to … | use |
//! |---|---|
//! | write a module | [`module`], [`function`], [`class`], with [`ProgressReport`] and [`Context`] |
//! | pass bytes, arrays or dates | [`Base64`], and the [features](#features) `ndarray` and `time` |
//! | serve it without its command line | [`Host`], with [`Address`] and [`HostOptions`] |
//! | call a module | its generated `Client`, made by a [`ClientBuilder`] |
//! | see which modules listen | [`list_modules`] |
//! | see how far a call got | [`show_progress`] |
//! | call a module of which only the requests are known | [`Caller`], and [`validate`] to check them |
//! | write another program with the options of a module | [`cli`] |
//!
//! # Features
//!
//! - `tls` (on by default): `wss://` addresses, with the certificates that the operating system
//!   trusts.
//! - `generate`: clients out of a module's description: at compile time with
//!   [`client!`](guide::generated), or as source in Rust, Python and TypeScript with the command
//!   `generate` on every module's command line.
//! - `ndarray`: arrays of the crate `ndarray` as arguments and results, in `dasf::ndarray`.
//! - `netcdf`: arrays and datasets that Python sees as `xarray` objects, in `dasf::netcdf`; see
//!   [their chapter](guide::netcdf).
//! - `time`: dates and times of the crate `time` as arguments and results, in `dasf::time`.

/// Lets an error's code and details travel to callers, beside its text: implements the trait
/// [`IntoError`](trait@IntoError).
///
/// Options: `code` on a struct or a variant, `skip` on a field. See
/// [the guide](guide::modules#errors-that-programs-understand).
pub use dasf_macros::IntoError;
/// Makes the type of an `impl` block in a [`module`](macro@module) callable from outside: `pub fn
/// new` is its constructor, its other public methods with `&self` or `&mut self` can be called.
///
/// Options: `name`, `description`. See [the guide](guide::modules#classes).
pub use dasf_macros::class;
/// Makes the client of a module out of a file in which the module describes itself: what it answers
/// to `api_info`, in whatever language it is written. `dasf api --json` and the command `api-info` of
/// a module print it.
///
/// The path is relative to the crate's root. What is made has the surface of the client that
/// [`module`](macro@module) generates; put it into a `mod` of its own. Requests are checked against
/// the description before they are sent. See [the guide](guide::generated).
///
/// ```
/// mod types {
///     dasf::client!("dasf-codegen/tests/schemas/types.api.json");
/// }
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let client = types::Client::connect("ws://localhost:8080/ws").await?;
/// let sum = client.floats(0.5, 1.0).b(0.25).await?;
/// # Ok(()) }
/// ```
///
/// Options: `crate`, where `dasf` has another name: `client!("…", crate = rpc)`.
#[cfg(feature = "generate")]
pub use dasf_macros::client;
/// Makes a function in a [`module`](macro@module) callable from outside.
///
/// Options: `name`, `description`, `returns(…)`, `schema_extra`, `inline`, `errors`. See [the
/// guide](guide::modules#functions).
pub use dasf_macros::function;
/// Makes a `mod` a module: what is marked in it with [`function`](macro@function) and
/// [`class`](macro@class) can be called over a broker.
///
/// Options: `topic`, `group`, `main`, `description`, `version`, `crate`, `errors`. See
/// [the guide](guide::modules).
pub use dasf_macros::module;
pub use dasf_protocol as protocol;
pub use dasf_runtime::client::{
    Async, Blocking, Call, CallError, CallFuture, Caller, ClientBuilder, ClientError, ModuleFailure,
};
pub use dasf_runtime::generated;
pub use dasf_runtime::module::{Outcome, Output, validate};
pub use dasf_runtime::{
    Acknowledge, Address, AddressError, CancellationToken, ConnectError, Context, Data, Failure,
    FailureKind, Fallible, Host, HostOptions, IntoError, ListedModule, Module, ModuleError,
    OptionsError, ProgressReport, Pulsar, ReportSink, StartError, TlsFault, list_modules,
    show_progress,
};
pub use dasf_types::Base64;
#[cfg(feature = "ndarray")]
pub use dasf_types::ndarray;
#[cfg(feature = "netcdf")]
pub use dasf_types::netcdf;
#[cfg(feature = "time")]
pub use dasf_types::time;

#[doc(hidden)]
pub use dasf_runtime::__private;

/// What the command line of every module is made of, for other programs: the same options for the
/// connection and the log, the same output, the same exit codes.
///
/// [`dasf_runtime::cli`] has an example.
pub mod cli {
    #[cfg(feature = "generate")]
    pub use dasf_runtime::cli::Generate;
    pub use dasf_runtime::cli::{
        ArgumentNames, Connection, Error, Indent, Logging, ProgressHandler, close, has_colours,
        parse, print_error, print_result, printable, progress_handler, read_text,
        run_until_interrupted, takes_texts_only, unknown,
    };
}

/// The guide, in chapters. There is no code in it.
// The guide is complete with any features. If a feature is off, links to its items lead to the list
// of features.
pub mod guide {
    #[doc = include_str!("guide/modules.md")]
    pub mod modules {
        #[doc = include_str!("guide/modules/types.md")]
        pub mod types {}
    }

    #[doc = include_str!("guide/clients.md")]
    pub mod clients {}

    #[doc = include_str!("guide/generated.md")]
    #[doc = ""]
    #[cfg_attr(feature = "generate", doc = "[`dasf::client!`]: crate::client!")]
    #[cfg_attr(not(feature = "generate"), doc = "[`dasf::client!`]: crate#features")]
    pub mod generated {}

    #[doc = include_str!("guide/command_line.md")]
    pub mod command_line {}

    #[doc = include_str!("guide/cli.md")]
    pub mod cli {}

    #[doc = include_str!("guide/brokers.md")]
    pub mod brokers {}

    #[doc = include_str!("guide/cluster.md")]
    pub mod cluster {}

    #[doc = include_str!("guide/protocol.md")]
    pub mod protocol {}

    #[doc = include_str!("guide/netcdf.md")]
    #[doc = ""]
    #[cfg_attr(
        feature = "netcdf",
        doc = include_str!("guide/netcdf/with_feature.md")
    )]
    #[cfg_attr(
        not(feature = "netcdf"),
        doc = include_str!("guide/netcdf/without_feature.md")
    )]
    pub mod netcdf {}
}
