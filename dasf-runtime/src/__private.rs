//! What generated code refers to. Not part of the public interface: it changes with the macros.

pub use crate::client::{
    Async, Blocking, Call, Caller, ClientBuilder, ClientError, Instance, Mode,
};
pub use crate::context::Context;
pub use crate::module::descriptor::{
    ArgumentDescriptor, ArgumentKind, BoxedCall, ClassDescriptor, FunctionDescriptor, Handler,
    Keyword, Literal, Member, ModuleDescriptor, ReturnDescriptor,
};
pub use crate::module::{
    Arguments, Failure, Invocation, Module, ModuleError, Outcome, encode_fallible, encode_result,
    schema_of,
};
pub use crate::progress::ProgressReport;
pub use crate::types::{Argument, Fallible, NoResult, ResultProbe, Returned};
pub use crate::{__call_builder as call_builder, cli::run};
pub use serde_json::Value;

/// A value as JSON, for the defaults and examples in a schema.
///
/// # Errors
/// When it has none.
pub fn to_json<T: serde::Serialize>(value: &T) -> serde_json::Result<Value> {
    serde_json::to_value(value)
}

/// A value as JSON, or null where it has none.
pub fn to_json_or_null<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The object that a constructor made, or the failure of the call.
///
/// # Errors
/// The constructor's own, as the call's failure.
pub fn constructed<R: Fallible>(result: R) -> Result<R::Value, Failure> {
    result
        .into_result()
        .map_err(|error| Failure::execution(error.to_string()))
}

/// Fails to compile, with a message on the user's own type, where that cannot be an argument.
pub const fn assert_argument<T: Argument>() {}

/// Fails to compile, with a message on the user's own type, where that cannot be a result.
pub const fn assert_returned<T: Returned>() {}

/// Makes the builder of a call whose function has arguments with defaults. It is generic in the
/// result, so that a type that is private to the module does not stand in a public trait's
/// implementation.
#[doc(hidden)]
#[macro_export]
macro_rules! __call_builder {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug)]
        #[must_use = "a call is sent when it is awaited, or with send() by a blocking client"]
        pub struct $name<R, M = $crate::__private::Async> {
            call: $crate::__private::Call<R, M>,
        }

        impl<R, M: $crate::__private::Mode> $name<R, M> {
            /// Waits at most this long for the answer, instead of the client's default.
            pub fn timeout(self, timeout: ::core::time::Duration) -> Self {
                Self { call: self.call.timeout(timeout) }
            }

            /// Calls `handler` with every report of progress that the module sends.
            pub fn on_progress(
                self,
                handler: impl ::core::ops::FnMut(&$crate::__private::Report)
                + ::core::marker::Send
                + 'static,
            ) -> Self {
                Self { call: self.call.on_progress(handler) }
            }
        }

        impl<R: $crate::__private::Returned> $name<R, $crate::__private::Blocking> {
            /// Sends the call and waits for its result.
            ///
            /// # Errors
            /// See `dasf::CallError`.
            pub fn send(self) -> ::core::result::Result<R, $crate::client::CallError> {
                self.call.send()
            }
        }

        impl<R: $crate::__private::Returned> ::core::future::IntoFuture
            for $name<R, $crate::__private::Async>
        {
            type Output = ::core::result::Result<R, $crate::client::CallError>;
            type IntoFuture = $crate::client::CallFuture<R>;

            fn into_future(self) -> Self::IntoFuture {
                ::core::future::IntoFuture::into_future(self.call)
            }
        }
    };
}

pub use dasf_protocol::progress::Report;
