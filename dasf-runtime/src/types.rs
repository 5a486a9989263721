//! What a type must be able to do to be an argument or a result.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that can be an argument: a client writes it, a module reads it, the schema describes it.
/// Every type that implements the three traits is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a DASF function",
    label = "this type lacks `Serialize`, `Deserialize` or `JsonSchema`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]` to `{Self}`"
)]
pub trait Argument: Serialize + DeserializeOwned + JsonSchema + Send + 'static {}

impl<T: Serialize + DeserializeOwned + JsonSchema + Send + 'static> Argument for T {}

/// A type that can be a result: a module writes it, a client reads it, the schema describes it.
/// Every type that implements the three traits is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a DASF function",
    label = "this type lacks `Serialize`, `Deserialize` or `JsonSchema`",
    note = "add `#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]` to `{Self}`"
)]
pub trait Returned: Serialize + DeserializeOwned + JsonSchema + 'static {}

impl<T: Serialize + DeserializeOwned + JsonSchema + 'static> Returned for T {}

/// A `Result` whose error can be told to the caller.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Result` whose error can be told to the caller",
    note = "a DASF function returns a value, or a `Result<T, E>` where `E` implements `std::fmt::Display`"
)]
pub trait Fallible {
    /// The value in case of success.
    type Value;
    /// What is told to the caller in case of failure.
    type Error: Display;

    /// The `Result` itself.
    ///
    /// # Errors
    /// The function's own.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E: Display> Fallible for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Result<T, E> {
        self
    }
}

/// Tells a `Result` from other types, whatever it is called: by a constant that only a `Result` has
/// itself, and every other type by [`NoResult`].
#[derive(Debug)]
pub struct ResultProbe<T>(std::marker::PhantomData<T>);

impl<T, E> ResultProbe<Result<T, E>> {
    /// This is a `Result`.
    pub const IS_RESULT: bool = true;
}

/// What [`ResultProbe`] says of every type that is no `Result`.
pub trait NoResult {
    /// This is none.
    const IS_RESULT: bool = false;
}

impl<T> NoResult for ResultProbe<T> {}
