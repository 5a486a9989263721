//! What a type must be able to do to be an argument, a result or an error.

use std::borrow::Cow;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A type that can be an argument or a result: one side writes it, the other reads it, the schema
/// describes it.
///
/// Every type with the three traits is one: `serde`'s `Serialize` and `Deserialize`, and
/// `JsonSchema` of the crate `schemars`. A module sends its arguments to the thread on which they
/// are used, so they own what they hold and are `Send`.
pub trait Data: Serialize + DeserializeOwned + JsonSchema + Send + 'static {}

impl<T: Serialize + DeserializeOwned + JsonSchema + Send + 'static> Data for T {}

/// A `Result` whose error can be told to the caller.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Result` whose error can be told to the caller",
    label = "its error needs `std::fmt::Display`",
    note = "a DASF function returns a value, or a `Result<T, E>` where `E` implements `std::fmt::Display`",
    note = "a type of your own that is called `Result`, and is none, needs another name here: `use … as …`"
)]
pub trait Fallible {
    /// The value in case of success.
    type Value;
}

#[diagnostic::do_not_recommend]
impl<T, E: Display> Fallible for Result<T, E> {
    type Value = T;
}

/// An error that a program can tell from others, not only a person.
///
/// Every error that has a text can be that of a function: the text is what callers get. With this
/// trait they get a code and details too, beside the text, where they can make use of them; a Rust
/// client gets the error itself back, with [`CallError::typed`](crate::client::CallError::typed).
/// Others ignore what they do not know. The crate `dasf` has a derive macro of the same name.
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
    /// What went wrong, in a word that stays the same: callers compare it.
    fn code(&self) -> Cow<'static, str>;

    /// What belongs to the error, for instance the value that was refused; null for nothing.
    fn details(&self) -> Value {
        Value::Null
    }

    /// The error that a code and details stand for; `None` where they are not of this type.
    fn from_parts(code: &str, details: &Value) -> Option<Self>
    where
        Self: Sized;
}
