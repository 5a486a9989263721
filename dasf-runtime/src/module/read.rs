//! Reading the value of an argument.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a value is not of a type, and where in the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path inside the value; empty for the value itself.
    path: String,
    message: String,
}

impl Problem {
    /// The type cannot be read at all.
    pub(crate) fn unreadable() -> Self {
        Self {
            path: String::new(),
            message: "values of this type cannot be read".to_owned(),
        }
    }

    fn new(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = match error.path().to_string() {
            root if root == "." => String::new(),
            inner => inner,
        };
        Self {
            path,
            message: error.into_inner().to_string(),
        }
    }

    /// The problem as that of an argument: `argument.path: message`.
    pub(super) fn of_argument(&self, name: &str) -> String {
        let Self { path, message } = self;
        let dot = if path.is_empty() || path.starts_with('[') {
            ""
        } else {
            "."
        };
        format!("{name}{dot}{path}: {message}")
    }
}

/// Reads a value.
///
/// # Errors
/// [`Problem`] when it is not of the type.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    // To JSON Schema, 1.0 is an integer; to serde it is none. Only what serde refuses is read
    // again, because a type that keeps numbers as they came should see them so.
    let again = holds_whole_float(&value).then(|| value.clone());
    let first = serde_path_to_error::deserialize(value).map_err(Problem::new);
    match (first, again) {
        (Err(problem), Some(value)) => {
            serde_path_to_error::deserialize(with_integers(value)).map_err(|_| problem)
        }
        (first, _) => first,
    }
}

/// A number written with a fraction that is zero, as an integer.
fn whole(value: &Value) -> Option<i64> {
    /// The first float that is too large for an `i64`. Its negative would fit, but is what an
    /// integer below all of 64 bits was read as.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let number = value.as_f64().filter(|_| value.is_f64())?;
    let fits = number.abs() < LIMIT;
    #[allow(clippy::cast_possible_truncation)] // whole, and within the limits
    (number.fract() == 0.0 && fits).then_some(number as i64)
}

fn holds_whole_float(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_whole_float),
        Value::Object(fields) => fields.values().any(holds_whole_float),
        value => whole(value).is_some(),
    }
}

fn with_integers(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(with_integers).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, with_integers(value)))
            .collect(),
        value => whole(&value).map_or(value, Value::from),
    }
}
