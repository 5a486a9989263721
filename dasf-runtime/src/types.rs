//! The traits of arguments, results and errors.

use std::borrow::Cow;
use std::fmt::Display;

#[cfg(feature = "module")]
use schemars::JsonSchema;
#[cfg(feature = "module")]
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A type that can be an argument or a result.
///
/// One side writes values of the type, the other side reads them, and the schema describes them. So
/// the type needs three traits: `Serialize` and `Deserialize` of `serde`, and `JsonSchema` of the
/// crate `schemars`. A module moves arguments to another thread, so the type owns its contents and
/// is `Send`. Every type with these traits implements `Data`.
#[cfg(feature = "module")]
pub trait Data: Serialize + DeserializeOwned + JsonSchema + Send + 'static {}

#[cfg(feature = "module")]
impl<T: Serialize + DeserializeOwned + JsonSchema + Send + 'static> Data for T {}

/// A `Result` with an error that can be sent to the caller.
#[diagnostic::on_unimplemented(
    message = "the error in `{Self}` cannot be sent to the caller: it does not implement `std::fmt::Display`",
    label = "the error needs `std::fmt::Display`",
    note = "a DASF function returns a value, or a `Result<T, E>` where `E` implements `std::fmt::Display`",
    note = "if this is a type of your own with the name `Result`, import it with another name: `use … as …`"
)]
pub trait Fallible {
    /// The value in case of success.
    type Value;
}

#[diagnostic::do_not_recommend]
impl<T, E: Display> Fallible for Result<T, E> {
    type Value = T;
}

/// An error with a code and details, which a program can distinguish from other errors.
///
/// A function may return every error that implements `Display`; its callers get the text. With this
/// trait, callers also get a code and details. A Rust client gets the error itself back, with
/// `CallError::typed`. Clients that do not know codes ignore
/// them. The crate `dasf` has a derive macro of the same name.
///
/// ```
/// use std::borrow::Cow;
///
/// use dasf_runtime::IntoError;
/// use serde_json::{Value, json};
///
/// #[derive(Debug, PartialEq)]
/// struct NoSuchStation(String);
///
/// impl std::fmt::Display for NoSuchStation {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         write!(f, "there is no station {}", self.0)
///     }
/// }
///
/// impl IntoError for NoSuchStation {
///     fn code(&self) -> Cow<'static, str> {
///         "no_such_station".into()
///     }
///
///     fn details(&self) -> Value {
///         json!({"name": self.0})
///     }
///
///     fn from_parts(code: &str, details: &Value) -> Option<Self> {
///         (code == "no_such_station").then_some(())?;
///         Some(Self(details["name"].as_str()?.to_owned()))
///     }
/// }
///
/// let error = NoSuchStation("Mauna Loa".to_owned());
/// let (code, details) = (error.code(), error.details());
/// assert_eq!(NoSuchStation::from_parts(&code, &details), Some(error));
/// ```
pub trait IntoError: Display {
    /// Returns the kind of the error in one word. It must stay the same, because callers compare
    /// it.
    fn code(&self) -> Cow<'static, str>;

    /// Returns more data about the error, for instance the value that was refused; null if there is
    /// none.
    fn details(&self) -> Value {
        Value::Null
    }

    /// Returns the error with this code and these details; `None` if they belong to another type.
    fn from_parts(code: &str, details: &Value) -> Option<Self>
    where
        Self: Sized;
}
