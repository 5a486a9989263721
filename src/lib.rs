//! Remote procedure calls over message brokers, for functions that must run where the data and the machines are.
pub use dasf_macros::{class, function, module};
pub use dasf_protocol as protocol;
pub use dasf_runtime::client::{
    Async, Blocking, Call, CallError, CallFuture, Caller, ClientBuilder, ClientError, ModuleFailure,
};
pub use dasf_runtime::{
    Address, AddressError, Argument, ConnectError, Context, Failure, FailureKind, Fallible, Host,
    HostOptions, Module, ModuleError, OptionsError, ProgressReport, Pulsar, ReportSink, Returned,
    StartError,
};

#[doc(hidden)]
pub use dasf_runtime::__private;
