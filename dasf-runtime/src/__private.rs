//! The items that generated code uses. They are not part of the public interface and change with
//! the macros.

#[cfg(feature = "cli")]
pub use crate::cli::run;
#[cfg(feature = "client")]
pub use crate::client::{
    Async, Blocking, Call, CallError, Caller, ClientBuilder, ClientError, Instance, Job, JobId,
    Mode, OnProgress, Submit,
};
#[cfg(feature = "cli")]
pub use crate::entry::{Main, check_main};
#[cfg(feature = "module")]
pub use crate::missing::{Lacks, lacking};
#[cfg(feature = "module")]
pub use crate::module::descriptor::{
    ArgumentDescriptor, ArgumentKind, BoxedCall, ClassDescriptor, FunctionDescriptor, Handler,
    Keyword, Literal, Member, ModuleDescriptor, ReturnDescriptor,
};
#[cfg(feature = "module")]
pub use crate::module::{
    Arguments, Failure, Invocation, Module, ModuleError, Outcome, StructTag, schema_of,
};
#[cfg(feature = "module")]
pub use crate::probe::{
    AnyType, Causeless, Causes, Failed, Holding, Integer, OnlyText, Probe, Silent, Unable,
    check_fallible, check_tool,
};
#[cfg(feature = "module")]
pub use crate::progress::ProgressReport;
pub use crate::types::IntoError;
#[cfg(feature = "module")]
pub use crate::types::{Data, Fallible};
#[cfg(feature = "module")]
pub use crate::written::{Unwritable, Written};
#[cfg(feature = "client")]
pub use crate::{__call as call, __client as client, __instance as instance};
pub use dasf_protocol::progress::Report;
pub use serde_json::Value;

/// The crates with their own error messages for missing traits.
#[cfg(feature = "module")]
pub mod crates {
    pub use crate::missing::{
        Bytes, Chrono, IndexMap, Jiff, Ndarray, RustDecimal, Time, Url, Uuid,
    };
}

/// Returns a field of an error as JSON; null if it has none.
pub fn details_of<T: serde::Serialize + ?Sized>(field: &T) -> Value {
    // The text of an `f32` has the digits that a person writes.
    let text = serde_json::to_string(field).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Reads a field of an error from its details; `None` if it is missing, or has another type.
pub fn detail<T: serde::de::DeserializeOwned>(value: Option<&Value>) -> Option<T> {
    T::deserialize(value?).ok()
}
