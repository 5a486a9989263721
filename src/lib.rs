//! Remote procedure calls over message brokers: for functions that must run where the data and the
//! machines are.
//!
//! A module is one `mod` with the attribute [`module`]. This is a complete program:
//!
//! ```no_run
//! /// Simple arithmetic, served over a message broker.
//! #[dasf::module(topic = "arithmetic")]
//! mod arithmetic {
//!     /// Add two numbers.
//!     #[dasf::function]
//!     fn add(a: i64, #[dasf(default = 2)] b: i64) -> i64 {
//!         a + b
//!     }
//! }
//! ```
//!
//! `cargo run -- listen` connects it to a broker and serves `add` on the topic `arithmetic`. The attribute
//! also generates the typed client of its callers:
//!
//! ```
//! # #[dasf::module(topic = "arithmetic", main = false)]
//! # mod arithmetic {
//! #     #[dasf::function]
//! #     fn add(a: i64, #[dasf(default = 2)] b: i64) -> i64 {
//! #         a + b
//! #     }
//! # }
//! # async fn call() -> Result<(), Box<dyn std::error::Error>> {
//! let client = arithmetic::Client::connect("ws://localhost:8080/ws").await?;
//! assert_eq!(client.add(1).await?, 3);
//! assert_eq!(client.add(1).b(5).await?, 6);
//! # Ok(()) }
//! ```
//!
//! The module and the client both connect to the broker by WebSocket, so neither needs an open port.
//! The broker can be a DASF broker, Apache Pulsar, an MQTT 5 broker, or the embedded broker of the
//! crate `dasf-broker`.
//!
//! This page is the reference. The guide in the folder `guide` of the repository starts with your
//! first module and has a chapter for each subject.
//!
//! | to … | use |
//! |---|---|
//! | write a module | [`module`], [`function`], [`class`], with [`ProgressReport`] and [`Context`] |
//! | give callers errors that programs can tell apart | [`IntoError`](macro@IntoError) |
//! | pass bytes, arrays or dates | [`Base64`], and the [features](#features) `ndarray`, `netcdf` and `time` |
//! | let pages and terminals show plots, tables and maps | [`Series`], and more in [`present`] ([feature](#features) `present`) |
//! | serve a module inside your own program | [`Host`], with [`Address`] and [`HostOptions`]; more in [`host`] |
//! | call a module | its generated `Client`, built by a [`ClientBuilder`](client::ClientBuilder); more in [`client`](mod@client) |
//! | call a module without its source | the macro `client!` ([feature](#features) `generate`) |
//! | call a module with requests as JSON | [`Caller`], and [`validate`] to check requests |
//! | give the address of a Pulsar, or tell why a broker is out of reach | [`broker`] |
//! | list the modules that listen | [`broker::list_modules`] |
//! | see the requests that ended their modules, send them again or drop them | [`broker::dead_requests`] and others of [`broker`] |
//! | show progress in a terminal | [`show_progress`] |
//! | give another program the options of a module | [`cli`] |
//!
//! # Features
//!
//! Most programs use the default features: everything that a module with its command line needs.
//!
//! | feature | default | adds | links |
//! |---|---|---|---|
//! | `module` | yes | [`module`], [`function`] and [`class`], [`Host`], and checks of requests before a client sends them | `schemars`, `dasf-schema` with `regex` |
//! | `client` | yes | the client that [`module`] writes, clients from an API description, [`Caller`] | `regex`, for the names of properties |
//! | `cli` | yes | the command line of a module, the `main` that [`module`] writes, and [`cli`]; it includes `module` and `client` | `clap`, `tracing-subscriber`, a reader of YAML |
//! | `mqtt` | yes | addresses of MQTT 5 brokers | `mqtt-proto` |
//! | `tls` | yes | `wss://` addresses, with the certificates that the operating system trusts | `rustls` with `ring` |
//! | `progress-bars` | yes | [`show_progress`], and bars instead of lines on the command line | `indicatif` |
//! | `opentelemetry` | no | the spans of calls belong to the traces of OpenTelemetry | `opentelemetry`, `tracing-opentelemetry` |
//! | `status` | no | [`HostOptions::status_addr`], and `--status-addr` on the command line; it includes `module` | `httparse`, `prometheus-client` |
//! | `derive` | with `module` | the derive macro [`IntoError`](macro@IntoError), for a caller without a module | |
//! | `generate` | no | clients from an API description, at compile time with the macro `client!`, or as source in Rust, Python and TypeScript with the command `generate` of every module | `dasf-codegen` |
//! | `shell` | no | the command `shell` of every module, [`cli::Shell`], and results as plots and tables with [`cli::ResultForm`] | `rustyline`, `textwrap`, `ndarray`, `chrono` |
//! | `ndarray` | no | arrays of the crate `ndarray` as arguments and results, in `dasf::ndarray` | `ndarray` |
//! | `netcdf` | no | arrays and datasets that Python receives as `xarray` objects, in `dasf::netcdf` | `ndarray`, `chrono` |
//! | `present` | no | [`Series`], tables, maps, files and links in [`present`], which pages and terminals show | `serde_json`, `indexmap` |
//! | `chrono` | no | conversions from the times of the crate `chrono` to those of a [`Series`] | `chrono` |
//! | `time` | no | dates and times of the crate `time` as arguments and results, in `dasf::time` | `time` |
//!
//! A caller needs `client`, and usually `tls`. It then compiles and links much less:
//!
//! ```toml
//! dasf = { version = "0.1", default-features = false, features = ["client", "tls"] }
//! ```
//!
//! A module that your own program serves with [`Host`] needs `module`, and `client` if something calls it.
//! Without `cli`, there is no command line for a `main` to run, and the compiler asks for
//! `#[dasf::module(main = false)]`. Without `mqtt` and `tls`, addresses of such brokers are errors that name
//! the missing feature.

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

/// Makes a `mod` a backend module: callers can use its items with [`function`](macro@function) and
/// [`class`](macro@class) over a broker.
///
/// The attribute adds to the `mod`: `module()`, which returns the [`Module`]; `main()`, its command
/// line; `Client` and `blocking::Client`; and `client` with the types that the methods of the client
/// return. Beside the `mod` it adds `fn main() -> ExitCode`, unless `main = false`.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `topic = "…"` | the topic of the module and of its client; `--topic` and `DE_BACKEND_TOPIC` take precedence | none |
/// | `group = "…"` | the group that shares the requests of the topic; `--group` and `DE_BACKEND_GROUP` take precedence | none |
/// | `main = false` | no `fn main()` beside the `mod`; needed without the [feature](crate#features) `cli` | |
/// | `description = "…"` | the description for callers | the documentation comment |
/// | `version = "…"` | the version for callers | the version of the package |
/// | `errors = "…"` | `"chain"`: callers get the texts of an error and its causes; `"outermost"`: the first text only | `"outermost"` |
/// | `unknown_arguments = "…"` | `"ignore"`: the module ignores arguments that a function does not have, and logs a warning; `"refuse"`: it rejects the request | `"ignore"` |
/// | `allow_groups = ["…"]` | only users in one of these groups may call; a list on a class, function or method replaces it | everyone |
/// | `crate = PATH` | the path of the crate `dasf` | `::dasf` |
#[cfg(feature = "module")]
pub use attribute::module;
/// Derives [`IntoError`](trait@IntoError): callers get a code and the fields of the error beside its
/// text.
///
/// | option | where | meaning |
/// |---|---|---|
/// | `#[dasf(code = "…")]` | on a struct or variant | the code; default: the name in snake case |
/// | `#[dasf(skip)]` | on a field | the field stays in the module; callers then get the code of this variant, but not the variant itself |
/// | `#[dasf(crate = PATH)]` | on the type | the path of the crate `dasf`; default: `::dasf` |
///
/// Every other field needs serde's `Serialize` and `Deserialize`.
///
/// ```
/// #[derive(Debug, thiserror::Error, dasf::IntoError)]
/// pub enum StationError {
///     /// Its code is `unknown`.
///     #[error("there is no station {name}")]
///     Unknown { name: String },
///     #[error("the station was silent from {0} to {1}")]
///     #[dasf(code = "gap")]
///     Silent(i32, i32),
/// }
/// ```
#[cfg(feature = "derive")]
pub use dasf_macros::IntoError;
/// Makes the type of an `impl` block in a [`module`](macro@module) callable.
///
/// `pub fn new` is the constructor. Every other `pub` method with `&self` or `&mut self` is callable.
/// A request contains the arguments of the constructor and of the method. The module creates a new
/// object for each call.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "…"` | the name in requests | the name of the type |
/// | `description = "…"` | the description for callers | the documentation comment of the type, or of the block |
/// | `allow_groups = ["…"]` | only users in one of these groups may call the methods | the option of the module |
///
/// On a method, `#[dasf(…)]` takes the options of [`function`](macro@function), and `skip`, which
/// leaves the method out. On `new` it takes `errors`.
///
/// ```
/// #[dasf::module(topic = "greetings", main = false)]
/// mod greetings {
///     pub struct Greeter {
///         greeting: String,
///     }
///
///     #[dasf::class]
///     impl Greeter {
///         pub fn new(#[dasf(default = "Hi")] greeting: String) -> Self {
///             Self { greeting }
///         }
///
///         /// Greet someone.
///         pub fn greet(&self, name: &str) -> String {
///             format!("{} {name}", self.greeting)
///         }
///     }
/// }
/// ```
#[cfg(feature = "module")]
pub use dasf_macros::class;
/// Generates the client of a module from a file with its API description.
///
/// `dasf api --json` and the command `api-info` of a module print this description. The module can be
/// in any language. The path is relative to the root of the crate. The client has the interface of
/// the client that [`module`](macro@module) generates, and checks requests against the description
/// before it sends them. Put it into a separate `mod`.
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
/// | option | meaning | default |
/// |---|---|---|
/// | `crate = PATH`, as in `client!("…", crate = rpc)` | the path of the crate `dasf` | `::dasf` |
#[cfg(feature = "generate")]
pub use dasf_macros::client;
/// Makes a function in a [`module`](macro@module) callable.
///
/// A plain `fn` runs on a thread where it may block. An `async fn` runs on the runtime and must not
/// block.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "…"` | the name in requests | the name of the function |
/// | `description = "…"` | the description for callers | the first paragraph of the documentation comment |
/// | `returns(…)` | the description and constraints of the result | |
/// | `schema_extra = EXPR` | further keys of the function's schema, a `serde_json::Value` with an object | |
/// | `inline` | runs a plain `fn` on the thread that reads the requests, from its first call; only for functions that take microseconds | off |
/// | `errors = "…"` | `"chain"`: callers get the texts of an error and its causes; `"outermost"`: the first text only | the option of the module |
/// | `allow_groups = ["…"]` | only users in one of these groups may call, if the broker names its users; nobody if it does not | the option of the class or module |
///
/// An argument takes these options in `#[dasf(…)]`:
///
/// | option | meaning |
/// |---|---|
/// | `default`, `default = EXPR` | a request may leave the argument out |
/// | `rename = "…"` | the name in requests |
/// | `title = "…"`, `description = "…"`, `example = EXPR` | documentation in the schema; `example` may be repeated |
/// | `gt`, `ge`, `lt`, `le`, `multiple_of` | limits of a number |
/// | `min_length`, `max_length`, `pattern`, `format` | limits of a string |
/// | `min_items`, `max_items` | limits of a list |
///
/// `returns(…)` takes `description` and the limits.
///
/// ```
/// #[dasf::module(topic = "words", main = false)]
/// mod words {
///     /// Repeat a word.
///     #[dasf::function(returns(max_length = 20))]
///     fn repeat(
///         #[dasf(pattern = "^[a-z]+$", example = "ice")] word: &str,
///         #[dasf(default = 2, ge = 1, le = 100)] times: usize,
///     ) -> String {
///         word.repeat(times)
///     }
/// }
/// ```
#[cfg(feature = "module")]
pub use dasf_macros::function;
pub use dasf_protocol as protocol;
#[cfg(feature = "client")]
pub use dasf_runtime::client::{CallError, Caller, ClientError};
#[cfg(feature = "client")]
pub use dasf_runtime::generated;
#[cfg(feature = "module")]
pub use dasf_runtime::module::validate;
#[cfg(feature = "progress-bars")]
pub use dasf_runtime::show_progress;
#[cfg(feature = "module")]
pub use dasf_runtime::{
    Acknowledge, CheckpointError, Context, Host, HostOptions, Module, ModuleError, ProgressReport,
};
pub use dasf_runtime::{Address, CancellationToken, FailureKind, IntoError};
pub use dasf_types::Base64;
#[cfg(feature = "ndarray")]
pub use dasf_types::ndarray;
#[cfg(feature = "netcdf")]
pub use dasf_types::netcdf;
#[cfg(feature = "present")]
pub use dasf_types::present;
#[cfg(feature = "present")]
pub use dasf_types::present::Series;
#[cfg(feature = "time")]
pub use dasf_types::time;

#[doc(hidden)]
pub use dasf_runtime::__private;

/// Brokers: their addresses, the way to them and what they tell of themselves, the reasons why there is no
/// connection to one, the modules that listen there, and the requests that it has put aside.
pub mod broker {
    pub use dasf_runtime::{
        Address, AddressError, BrokerGreeting, BrokerProxy, BrokerRoute, Cause, ConnectError,
        DeadAttempt, DeadConsumer, DeadRequest, DeadRequestDetails, Feature, ListedModule,
        ListenerActivity, Persistence, PulsarAddress, TlsFault, TopicActivity, broker_route,
        dead_letters, dead_request, dead_requests, drop_dead_letter, drop_dead_request,
        greet_broker, list_modules, retry_dead_letter, retry_dead_request, topic_activity,
    };
}

/// Clients: how they are built, and their calls.
#[cfg(feature = "client")]
pub mod client {
    pub use dasf_runtime::ModuleLoad;
    pub use dasf_runtime::client::{
        Async, Blocking, Call, CallError, CallFuture, Caller, ClientBuilder, ClientError, Job,
        JobId, JobIdError, JobResult, JobStatus, Mode, ModuleFailure, OnProgress, Submit,
        Whereabouts,
    };
}

/// Modules inside other programs: served at a broker, or called directly.
#[cfg(feature = "module")]
pub mod host {
    pub use dasf_runtime::module::{Outcome, Output};
    pub use dasf_runtime::{
        Acknowledge, Failure, FailureKind, Host, HostOptions, Module, ModuleError, OptionsError,
        ReportSink, StartError,
    };
}

/// The traits of arguments, results and errors. You derive or implement only
/// [`IntoError`](trait@IntoError). A type has the others if it has the traits that they name.
pub mod types {
    pub use dasf_runtime::IntoError;
    #[cfg(feature = "module")]
    pub use dasf_runtime::{Data, Fallible};
}

/// The parts of a module's command line, for other programs: the same options for the connection and
/// the log, the same output, the same exit codes.
///
/// [`dasf_runtime::cli`] has an example.
#[cfg(feature = "cli")]
pub mod cli {
    #[cfg(feature = "generate")]
    pub use dasf_runtime::cli::Generate;
    pub use dasf_runtime::cli::{
        CallTimeout, Connection, Error, Indent, Logging, Presence, ProgressHandler, TimeLimit,
        UncheckedRequest, UserFolder, close, create_folder_of, has_colours, matches, parse,
        print_error, print_result, printable, progress_handler, read_text, run_until_interrupted,
        unknown, unknown_argument, with_help,
    };
    #[cfg(feature = "shell")]
    pub use dasf_runtime::cli::{ResultForm, Shell, run_shell};
}

/// The attribute that writes what this crate can run with its features.
#[cfg(feature = "module")]
mod attribute {
    #[cfg(feature = "cli")]
    pub use dasf_macros::module;
    #[cfg(all(feature = "client", not(feature = "cli")))]
    pub use dasf_macros::module_without_cli as module;
    #[cfg(not(feature = "client"))]
    pub use dasf_macros::module_without_client as module;
}
