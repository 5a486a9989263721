//! Writing a value of a user's type without requiring its trait, as the types in [`probe`](crate::probe) do.

use serde::Serialize;
use serde_json::Value;

use crate::module::{Failure, Outcome, encode_result};

/// Gives access to the serialization of a value.
#[derive(Debug)]
pub struct Written<'a, T: ?Sized>(pub &'a T);

impl<T: Serialize + ?Sized> Written<'_, T> {
    /// Returns what appends the value as an argument to the JSON of a request. It fails when JSON
    /// cannot represent the value.
    pub fn argument(self) -> impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()> {
        move |json| dasf_protocol::payload::append_json(json, self.0)
    }

    /// Returns the value as JSON, for the defaults and examples in a schema. Returns `None` if JSON
    /// cannot represent it, or if it contains an integer of more than 64 bits, whose digits a
    /// schema would change.
    pub fn json(self) -> Option<Value> {
        // The conversion goes through text, which for an `f32` has the digits that a person writes.
        let text = serde_json::to_string(self.0).ok()?;
        let json: Value = serde_json::from_str(&text).ok()?;
        let read = json.to_string();
        (read == text).then_some(json)
    }

    /// Returns the value as the outcome of a call.
    ///
    /// # Errors
    /// When JSON cannot represent it.
    pub fn outcome(self) -> Outcome {
        encode_result(self.0)
    }
}

/// The fallbacks of [`Written`] for values without the trait.
pub trait Unwritable: Sized {
    /// Returns what fails.
    fn argument(self) -> fn(&mut Vec<u8>) -> serde_json::Result<()> {
        |_| {
            Err(serde::ser::Error::custom(
                "values of this type cannot be written",
            ))
        }
    }

    /// Returns `None`.
    fn json(self) -> Option<Value> {
        None
    }

    /// Fails.
    ///
    /// # Errors
    /// Always.
    fn outcome(self) -> Outcome {
        Err(Failure::processing("the result cannot be written"))
    }
}

impl<T: ?Sized> Unwritable for Written<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_if_its_type_has_the_trait() {
        struct Dumb;

        let mut json = Vec::new();
        Written("ä").argument()(&mut json).unwrap();
        assert_eq!(json, br#""\u00e4""#);
        assert_eq!(Written(&Dumb).json(), None);
        assert_eq!(Written(&0.1_f32).json(), Some(0.1.into()));
        let floats = [0.0, -0.0, 1e16, 1e300, f64::MIN_POSITIVE, f64::NAN];
        assert!(Written(&floats).json().is_some());
        assert_eq!(Written(&u64::MAX).json(), Some(u64::MAX.into()));
        assert_eq!(Written(&[1 << 70_u32, 1_u128]).json(), None);
    }
}
