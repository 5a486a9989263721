//! Using the traits of a user's type without requiring them.
//!
//! A type without the necessary traits should cause one compiler error. Generated code requires the
//! traits in one place, `Lacks::check`. Everywhere else it uses the types of this module, such as
//! [`Probe`], and [`Written`](crate::written::Written). Their inherent functions exist only if the type
//! has the traits. If it does not, the function of the same name in the fallback trait applies. The
//! fallbacks never run, because the check fails first.

use std::any::TypeId;
use std::error::Error;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::Deref;

use dasf_protocol::problem::Problem;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::module::descriptor::TypeDescriptor;
use crate::module::{Failure, schema_of};
use crate::progress::ProgressReport;
use crate::read::{self, Source};
use crate::types::{Data, Fallible, IntoError};

/// Gives access to the traits of a type.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: Data> Probe<T> {
    /// The type can be an argument or a result.
    pub const IS_DATA: bool = true;
}

impl<T: Serialize + ?Sized> Probe<T> {
    /// The type implements [`Serialize`].
    pub const SERIALIZES: bool = true;
}

impl<T: JsonSchema + ?Sized> Probe<T> {
    /// The type implements [`JsonSchema`].
    pub const HAS_SCHEMA: bool = true;
}

impl<T: Send + ?Sized> Probe<T> {
    /// The type is [`Send`].
    pub const IS_SEND: bool = true;
}

impl<T: DeserializeOwned> Probe<T> {
    /// The type implements [`Deserialize`](serde::Deserialize).
    pub const DESERIALIZES: bool = true;

    /// Reads a value of the type.
    ///
    /// # Errors
    /// When the value does not have the type.
    pub fn read(source: Source<'_>) -> Result<T, Problem> {
        read::read(source)
    }
}

impl<T: JsonSchema + DeserializeOwned + 'static> Probe<T> {
    /// The description of the type in the table of a module's functions.
    pub const TYPE: TypeDescriptor = TypeDescriptor {
        id: TypeId::of::<T>,
        schema: schema_of::<T>,
        inspect: read::inspect::<T>,
    };
}

impl<T, E> Probe<Result<T, E>> {
    /// The type is a `Result`, under any name.
    pub const IS_RESULT: bool = true;
}

/// The fallbacks of [`Probe`] for types without the traits.
pub trait Unable {
    /// The type itself.
    type Value: ?Sized;
    /// The type cannot be an argument or a result.
    const IS_DATA: bool = false;
    /// The type does not implement [`Serialize`].
    const SERIALIZES: bool = false;
    /// The type does not implement [`Deserialize`](serde::Deserialize).
    const DESERIALIZES: bool = false;
    /// The type does not implement [`JsonSchema`].
    const HAS_SCHEMA: bool = false;
    /// The type is not [`Send`].
    const IS_SEND: bool = false;
    /// The type is not a `Result`.
    const IS_RESULT: bool = false;

    /// The description of an unknown type.
    const TYPE: TypeDescriptor = TypeDescriptor {
        id: TypeId::of::<()>,
        schema: |_| Schema::default(),
        inspect: |_| read::Finding::default(),
    };

    /// Fails.
    ///
    /// # Errors
    /// Always.
    fn read(_: Source<'_>) -> Result<Self::Value, Problem>
    where
        Self::Value: Sized,
    {
        Err(read::unreadable())
    }
}

impl<T: ?Sized> Unable for Probe<T> {
    type Value = T;
}

/// Converts integer literals to a type, for instance the default of an argument whose type is an
/// alias of `f64`.
#[derive(Debug)]
pub struct Integer<T>(PhantomData<T>);

impl Integer<f64> {
    /// Returns the float that is nearest to an integer.
    #[allow(clippy::cast_precision_loss)] // a float literal is rounded in the same way
    pub fn value(integer: i128) -> f64 {
        integer as f64
    }
}

impl Integer<f32> {
    /// Returns the float that is nearest to an integer.
    #[allow(clippy::cast_precision_loss)] // a float literal is rounded in the same way
    pub fn value(integer: i128) -> f32 {
        integer as f32
    }
}

/// The fallback of [`Integer`] for types other than floats.
pub trait AnyType {
    /// The type.
    type Value;

    /// Returns the value of the literal itself.
    fn value(value: Self::Value) -> Self::Value {
        value
    }
}

impl<T> AnyType for Integer<T> {
    type Value = T;
}

/// The error of a function.
#[derive(Debug)]
pub struct Failed<E>(pub E);

impl<E: IntoError> Failed<E> {
    /// Returns the failure of the call, with code and details.
    pub fn failure_of_call(self) -> Failure {
        Failure::execution(self.0.to_string()).with_parts_of(&self.0)
    }
}

/// The fallback of [`Failed`] for errors that implement only `Display`.
pub trait OnlyText {
    /// Returns the failure of the call.
    fn failure_of_call(self) -> Failure;
}

impl<E: Display> OnlyText for Failed<E> {
    fn failure_of_call(self) -> Failure {
        Failure::execution(self.0.to_string())
    }
}

/// The fallback of [`Failed`] for errors without `Display`.
pub trait Silent {
    /// Returns a failure without a message.
    fn failure_of_call(self) -> Failure;
}

impl<E> Silent for &Failed<E> {
    fn failure_of_call(self) -> Failure {
        Failure::execution(String::new())
    }
}

/// The causes of a function's error.
#[derive(Debug)]
pub struct Causes<'a, E>(pub &'a E);

impl<E: Error> Causes<'_, E> {
    /// Returns the texts of the causes, nearest first.
    pub fn list(self) -> Vec<String> {
        list(self.0.source())
    }
}

/// [`Causes`] of a value that contains an error but is not an error itself: a `Box<dyn Error>`, or
/// an error of `anyhow` or a similar crate.
pub trait Holding {
    /// Returns the texts of the causes, nearest first.
    fn list(self) -> Vec<String>;
}

impl<E: Deref<Target: Held>> Holding for Causes<'_, E> {
    fn list(self) -> Vec<String> {
        list(self.0.deref().first_cause())
    }
}

/// The error inside a value.
pub trait Held {
    /// Returns the cause of the error.
    fn first_cause(&self) -> Option<&(dyn Error + 'static)>;
}

macro_rules! held {
    ($($error:ty),*) => {$(
        impl Held for $error {
            fn first_cause(&self) -> Option<&(dyn Error + 'static)> {
                self.source()
            }
        }
    )*};
}

held!(
    dyn Error + 'static,
    dyn Error + Send + 'static,
    dyn Error + Send + Sync + 'static
);

/// The fallback of [`Causes`] for errors that are only a text.
pub trait Causeless {
    /// Returns an empty list.
    fn list(self) -> Vec<String>;
}

impl<E> Causeless for &Causes<'_, E> {
    fn list(self) -> Vec<String> {
        Vec::new()
    }
}

/// The greatest number of causes in a list. An error may be its own cause.
const MAX_CAUSES: usize = 32;

fn list(first: Option<&(dyn Error + 'static)>) -> Vec<String> {
    let chain = std::iter::successors(first, |&error| error.source());
    chain.take(MAX_CAUSES).map(ToString::to_string).collect()
}

/// Requires that a type is a `Result` whose error has a text.
pub const fn check_fallible<T: Fallible>() {}

/// A type of this crate that generated code recognizes by its name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has the name of a type of `dasf`, but is another type",
    label = "the macro expects `dasf::Context` or `dasf::ProgressReport` by this name",
    note = "import your type with another name: `use path::to::Context as MyContext`"
)]
pub trait Tool {}

impl Tool for Context {}
impl Tool for ProgressReport {}

/// Requires that a type with the name `Context` or `ProgressReport` is the type of this crate.
pub const fn check_tool<T: Tool>() {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::borrow::Cow;

    struct Dumb;

    /// Implements only one of the traits.
    #[derive(Serialize)]
    struct WriteOnly;

    #[test]
    fn integers_become_floats_if_the_type_is_one() {
        assert_eq!(<Integer<f64>>::value(-3).to_bits(), (-3.0_f64).to_bits());
        assert_eq!(<Integer<f32>>::value(16).to_bits(), 16.0_f32.to_bits());
        assert_eq!(<Integer<u128>>::value(u128::MAX), u128::MAX);
    }

    #[test]
    fn a_probe_finds_each_trait() {
        let of_nothing = [
            <Probe<Dumb>>::SERIALIZES,
            <Probe<Dumb>>::DESERIALIZES,
            <Probe<Dumb>>::HAS_SCHEMA,
            <Probe<std::rc::Rc<u8>>>::IS_SEND,
            <Probe<WriteOnly>>::DESERIALIZES,
        ];
        assert_eq!(of_nothing, [false; 5]);
        let of_numbers = [
            <Probe<Vec<u8>>>::SERIALIZES,
            <Probe<Vec<u8>>>::DESERIALIZES,
            <Probe<Vec<u8>>>::HAS_SCHEMA,
            <Probe<Vec<u8>>>::IS_SEND,
            <Probe<WriteOnly>>::SERIALIZES,
        ];
        assert_eq!(of_numbers, [true; 5]);
    }

    #[test]
    fn a_probe_finds_the_traits_of_a_type() {
        let is_data = [
            <Probe<Vec<String>>>::IS_DATA,
            <Probe<Dumb>>::IS_DATA,
            <Probe<Vec<Dumb>>>::IS_DATA,
            <Probe<std::rc::Rc<String>>>::IS_DATA,
        ];
        assert_eq!(is_data, [true, false, false, false]);
        let is_result = [
            <Probe<std::io::Result<Dumb>>>::IS_RESULT,
            <Probe<Option<u8>>>::IS_RESULT,
        ];
        assert_eq!(is_result, [true, false]);
        let source = Source {
            json: "1",
            document: &Value::Null,
            schema: read::SchemaOfValue::Given(&Value::Null),
        };
        assert_eq!(<Probe<i64>>::read(source).ok(), Some(1));
        assert!(<Probe<Dumb>>::read(source).is_err());
    }

    #[derive(Debug)]
    struct Coded;

    impl Display for Coded {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no")
        }
    }

    impl IntoError for Coded {
        fn code(&self) -> Cow<'static, str> {
            "coded".into()
        }

        fn from_parts(_: &str, _: &Value) -> Option<Self> {
            Some(Self)
        }
    }

    #[test]
    fn an_error_with_a_code_keeps_it() {
        assert_eq!(Failed(Coded).failure_of_call().code(), Some("coded"));
        assert_eq!(Failed("no").failure_of_call().code(), None);
        assert_eq!(Failed("no").failure_of_call().message(), "no");
    }

    /// An error whose cause is an error with the previous number.
    #[derive(Debug, thiserror::Error)]
    #[error("{number}")]
    struct Numbered {
        number: u32,
        source: Option<Box<Numbered>>,
    }

    fn numbered(number: u32) -> Numbered {
        let source = number.checked_sub(1).map(|before| numbered(before).into());
        Numbered { number, source }
    }

    /// An error that is its own cause.
    #[derive(Debug)]
    struct Endless;

    impl Display for Endless {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("again")
        }
    }

    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }

    #[test]
    fn causes_are_listed() {
        let local: Box<dyn Error> = numbered(2).into();
        let sent: Box<dyn Error + Send + Sync> = numbered(2).into();
        let shared: std::rc::Rc<dyn Error> = std::rc::Rc::new(numbered(2));
        let lists = [
            Causes(&numbered(2)).list(),
            Causes(&Box::new(numbered(2))).list(),
            Causes(&local).list(),
            Causes(&sent).list(),
            Causes(&shared).list(),
        ];
        for list in lists {
            assert_eq!(list, ["1", "0"]);
        }
        let none = [
            Causes(&numbered(0)).list(),
            Causes(&"text").list(),
            Causes(&String::new()).list(),
            Causes(&Dumb).list(),
            Causes(&Coded).list(),
        ];
        assert!(none.iter().all(Vec::is_empty), "{none:?}");
        assert_eq!(Causes(&Endless).list().len(), MAX_CAUSES);
    }
}
