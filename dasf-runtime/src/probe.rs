//! Asking a type of the user's what it can do, without demanding it.
//!
//! A type without the traits that it needs should be one mistake with one message. So generated
//! code demands them in one place, `check_data`, and uses the type otherwise through what stands
//! here: a type has a function of [`Probe`] or [`Written`] itself where it can do what the function
//! does, and gets that of the fallback trait of the same name where it cannot. The fallbacks never
//! run, because the check has failed then.

use std::any::TypeId;
use std::error::Error;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::module::descriptor::TypeDescriptor;
use crate::module::read::{self, Source};
use crate::module::{Failure, Outcome, encode_result, schema_of};
use crate::progress::ProgressReport;
use crate::types::{Data, Fallible, IntoError};

/// Asks about a type.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<T>);

impl<T: Data> Probe<T> {
    /// It can be an argument or a result.
    pub const IS_DATA: bool = true;
}

impl<T: Serialize + ?Sized> Probe<T> {
    /// It implements [`Serialize`].
    pub const SERIALIZES: bool = true;
}

impl<T: JsonSchema + ?Sized> Probe<T> {
    /// It implements [`JsonSchema`].
    pub const HAS_SCHEMA: bool = true;
}

impl<T: Send + ?Sized> Probe<T> {
    /// It is [`Send`].
    pub const IS_SEND: bool = true;
}

impl<T: DeserializeOwned> Probe<T> {
    /// It implements [`Deserialize`](serde::Deserialize).
    pub const DESERIALIZES: bool = true;

    /// Reads a value of the type.
    ///
    /// # Errors
    /// When the value is not of the type.
    pub fn read(source: Source<'_>) -> Result<T, read::Problem> {
        read::read(source)
    }
}

impl<T: JsonSchema + DeserializeOwned + 'static> Probe<T> {
    /// The properties of the type in the table of a module's functions.
    pub const TYPE: TypeDescriptor = TypeDescriptor {
        id: TypeId::of::<T>,
        schema: schema_of::<T>,
        inspect: read::inspect::<T>,
    };
}

impl<T, E> Probe<Result<T, E>> {
    /// It is a `Result`, whatever it is called.
    pub const IS_RESULT: bool = true;
}

/// What [`Probe`] says of a type that cannot do what is asked.
pub trait Unable {
    /// What would be read.
    type Value: ?Sized;
    /// It can be neither argument nor result.
    const IS_DATA: bool = false;
    /// It does not implement [`Serialize`].
    const SERIALIZES: bool = false;
    /// It does not implement [`Deserialize`](serde::Deserialize).
    const DESERIALIZES: bool = false;
    /// It does not implement [`JsonSchema`].
    const HAS_SCHEMA: bool = false;
    /// It is not [`Send`].
    const IS_SEND: bool = false;
    /// It is no `Result`.
    const IS_RESULT: bool = false;

    /// A type without known properties.
    const TYPE: TypeDescriptor = TypeDescriptor {
        id: TypeId::of::<()>,
        schema: |_| Schema::default(),
        inspect: |_| read::Finding::default(),
    };

    /// Nothing can be read.
    ///
    /// # Errors
    /// Always.
    fn read(_: Source<'_>) -> Result<Self::Value, read::Problem>
    where
        Self::Value: Sized,
    {
        Err(read::Problem::unreadable())
    }
}

impl<T: ?Sized> Unable for Probe<T> {
    type Value = T;
}

/// A value to be written.
#[derive(Debug)]
pub struct Written<'a, T: ?Sized>(pub &'a T);

impl<T: Serialize + ?Sized> Written<'_, T> {
    /// The value as the JSON text of an argument.
    ///
    /// # Errors
    /// When it has none.
    pub fn argument(self) -> serde_json::Result<Vec<u8>> {
        dasf_protocol::payload::to_json(self.0)
    }

    /// The value as JSON, for the defaults and examples in a schema; `None` where it has none, or one
    /// with an integer of more than 64 bits, of which a schema would show other digits.
    pub fn json(self) -> Option<Value> {
        // By way of its text, which for an `f32` has the digits that a person would write.
        let text = serde_json::to_string(self.0).ok()?;
        let json: Value = serde_json::from_str(&text).ok()?;
        let read = json.to_string();
        (read == text).then_some(json)
    }

    /// The value as the outcome of a call.
    ///
    /// # Errors
    /// When it has no JSON.
    pub fn outcome(self) -> Outcome {
        encode_result(self.0)
    }
}

/// What [`Written`] does with a value that cannot be written.
pub trait Unwritable: Sized {
    /// Nothing.
    ///
    /// # Errors
    /// Always.
    fn argument(self) -> serde_json::Result<Vec<u8>> {
        Err(serde::ser::Error::custom(
            "values of this type cannot be written",
        ))
    }

    /// Nothing.
    fn json(self) -> Option<Value> {
        None
    }

    /// A failure.
    ///
    /// # Errors
    /// Always.
    fn outcome(self) -> Outcome {
        Err(Failure::processing("the result cannot be written"))
    }
}

impl<T: ?Sized> Unwritable for Written<'_, T> {}

/// An integer literal as a value of a type: the default of an argument whose type is an alias, for
/// instance.
#[derive(Debug)]
pub struct Integer<T>(PhantomData<T>);

impl Integer<f64> {
    /// The float that is nearest to an integer.
    #[allow(clippy::cast_precision_loss)] // a float literal is rounded in the same way
    pub fn value(integer: i128) -> f64 {
        integer as f64
    }
}

impl Integer<f32> {
    /// The float that is nearest to an integer.
    #[allow(clippy::cast_precision_loss)] // a float literal is rounded in the same way
    pub fn value(integer: i128) -> f32 {
        integer as f32
    }
}

/// What [`Integer`] does for other types.
pub trait AnyType {
    /// The type.
    type Value;

    /// The literal itself.
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
    /// The failure of the call, with code and details.
    pub fn failure_of_call(self) -> Failure {
        Failure::execution(self.0.to_string()).with_parts_of(&self.0)
    }
}

/// What [`Failed`] does with an error that has a text only.
pub trait OnlyText {
    /// The failure of the call.
    fn failure_of_call(self) -> Failure;
}

impl<E: Display> OnlyText for Failed<E> {
    fn failure_of_call(self) -> Failure {
        Failure::execution(self.0.to_string())
    }
}

/// What [`Failed`] does with an error that has not even a text.
pub trait Silent {
    /// A failure that says nothing.
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
    /// The texts of the causes, nearest first.
    pub fn list(self) -> Vec<String> {
        list(self.0.source())
    }
}

/// [`Causes`] of a value that holds an error but is not one itself: a `Box<dyn Error>`, or an error
/// of `anyhow` and similar crates.
pub trait Holding {
    /// The texts of the causes, nearest first.
    fn list(self) -> Vec<String>;
}

impl<E: Deref<Target: Held>> Holding for Causes<'_, E> {
    fn list(self) -> Vec<String> {
        list(self.0.deref().first_cause())
    }
}

/// Errors that are held.
pub trait Held {
    /// The cause of the error.
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

/// [`Causes`] of an error that is only a text.
pub trait Causeless {
    /// Nothing.
    fn list(self) -> Vec<String>;
}

impl<E> Causeless for &Causes<'_, E> {
    fn list(self) -> Vec<String> {
        Vec::new()
    }
}

/// The greatest number of causes in a list: an error may name itself as its cause.
const MAX_CAUSES: usize = 32;

fn list(first: Option<&(dyn Error + 'static)>) -> Vec<String> {
    let chain = std::iter::successors(first, |&error| error.source());
    chain.take(MAX_CAUSES).map(ToString::to_string).collect()
}

/// Demands that a type is a `Result` whose error can be told.
pub const fn check_fallible<T: Fallible>() {}

/// A type that is called as one of ours, and is it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called as a type of `dasf` is, and is another",
    label = "taken for `dasf::Context` or `dasf::ProgressReport` because of its name",
    note = "give it another name where it is imported: `use path::to::Context as MyContext`"
)]
pub trait Tool {}

impl Tool for Context {}
impl Tool for ProgressReport {}

/// Demands that a type called `Context` or `ProgressReport` is ours.
pub const fn check_tool<T: Tool>() {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    struct Dumb;

    /// Has one of the traits.
    #[derive(Serialize)]
    struct Written1;

    #[test]
    fn integers_become_floats_where_the_type_is_one() {
        assert_eq!(<Integer<f64>>::value(-3).to_bits(), (-3.0_f64).to_bits());
        assert_eq!(<Integer<f32>>::value(16).to_bits(), 16.0_f32.to_bits());
        assert_eq!(<Integer<u128>>::value(u128::MAX), u128::MAX);
    }

    #[test]
    fn each_trait_of_a_type_is_found() {
        let of_nothing = [
            <Probe<Dumb>>::SERIALIZES,
            <Probe<Dumb>>::DESERIALIZES,
            <Probe<Dumb>>::HAS_SCHEMA,
            <Probe<std::rc::Rc<u8>>>::IS_SEND,
            <Probe<Written1>>::DESERIALIZES,
        ];
        assert_eq!(of_nothing, [false; 5]);
        let of_numbers = [
            <Probe<Vec<u8>>>::SERIALIZES,
            <Probe<Vec<u8>>>::DESERIALIZES,
            <Probe<Vec<u8>>>::HAS_SCHEMA,
            <Probe<Vec<u8>>>::IS_SEND,
            <Probe<Written1>>::SERIALIZES,
        ];
        assert_eq!(of_numbers, [true; 5]);
    }

    #[test]
    fn a_type_is_asked_what_it_can_do() {
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
            schema: &Value::Null,
        };
        assert_eq!(<Probe<i64>>::read(source).ok(), Some(1));
        assert!(<Probe<Dumb>>::read(source).is_err());
        assert_eq!(Written("ä").argument().unwrap(), br#""\u00e4""#);
        assert_eq!(Written(&Dumb).json(), None);
        assert_eq!(Written(&0.1_f32).json(), Some(0.1.into()));
        let floats = [0.0, -0.0, 1e16, 1e300, f64::MIN_POSITIVE, f64::NAN];
        assert!(Written(&floats).json().is_some());
        assert_eq!(Written(&u64::MAX).json(), Some(u64::MAX.into()));
        assert_eq!(Written(&[1 << 70_u32, 1_u128]).json(), None);
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

    /// Whose cause, where it has one, is an error with the number before.
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

    /// Names itself as its cause.
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
    fn whatever_has_causes_lists_them() {
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
