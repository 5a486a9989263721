//! Taking the arguments of a call out of its request.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Failure;

/// The arguments of one call, checked against their schema and not yet decoded.
#[derive(Debug, Default)]
pub struct Arguments {
    function: &'static str,
    values: Map<String, Value>,
}

impl Arguments {
    pub(super) fn new(function: &'static str, values: Map<String, Value>) -> Self {
        Self { function, values }
    }

    /// Decodes a required argument.
    ///
    /// # Errors
    /// [`Failure`] when it is missing, or its type does not take it although its schema does.
    pub fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, Failure> {
        match self.values.remove(name) {
            Some(value) => self.decode(name, value),
            None => Err(Failure::validation(format!(
                "{}: {name}: is required",
                self.function
            ))),
        }
    }

    /// Decodes an argument that has a default.
    ///
    /// # Errors
    /// [`Failure`] when its type does not take it although its schema does.
    pub fn take_or<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        default: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        match self.values.remove(name) {
            Some(value) => self.decode(name, value),
            None => Ok(default()),
        }
    }

    fn decode<T: DeserializeOwned>(&self, name: &str, value: Value) -> Result<T, Failure> {
        let decoded = if holds_whole_float(&value) {
            serde_path_to_error::deserialize(&value).or_else(|error| {
                // To JSON Schema, 1.0 is an integer; to serde it is none. Only what serde refuses
                // is read again, because a type that keeps numbers as they came should see them so.
                serde_path_to_error::deserialize(with_integers(value)).map_err(|_| error)
            })
        } else {
            serde_path_to_error::deserialize(value)
        };
        decoded.map_err(|error| {
            let path = match error.path().to_string().as_str() {
                "." => name.to_owned(),
                inner if inner.starts_with('[') => format!("{name}{inner}"),
                inner => format!("{name}.{inner}"),
            };
            let problem = error.into_inner();
            Failure::validation(format!("{}: {path}: {problem}", self.function))
        })
    }
}

/// A number written with a fraction that is zero, as an integer.
fn whole(value: &Value) -> Option<i64> {
    /// Up to here every integer has a float of its own, so that nothing is rounded.
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let number = value.as_f64().filter(|_| value.is_f64())?;
    #[allow(clippy::cast_possible_truncation)] // whole, and within the limit
    (number.fract() == 0.0 && number.abs() <= LIMIT).then_some(number as i64)
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    fn arguments(value: Value) -> Arguments {
        match value {
            Value::Object(values) => Arguments::new("f", values),
            _ => Arguments::default(),
        }
    }

    #[derive(Debug, Deserialize)]
    struct Point {
        x: i64,
    }

    #[test]
    fn an_error_names_function_and_path() {
        let mut arguments = arguments(json!({"points": [{"x": 1}, {"x": "a"}], "b": 1}));
        let error = arguments.take::<Vec<Point>>("points").unwrap_err();
        assert!(
            error.message().starts_with("f: points[1].x: invalid type"),
            "{error}"
        );
        let error = arguments.take::<i64>("a").unwrap_err();
        assert_eq!(error.message(), "f: a: is required");
        let error = arguments.take::<String>("b").unwrap_err();
        assert!(error.message().starts_with("f: b: invalid type"), "{error}");
    }

    #[test]
    fn a_whole_float_is_an_integer_where_one_is_wanted() {
        let mut arguments = arguments(
            json!({"a": 3.0, "b": 3.0, "c": 3.5, "p": {"x": -2.0}, "d": 3.0, "e": 1e300}),
        );
        assert_eq!(arguments.take::<i64>("a").unwrap(), 3);
        assert_eq!(arguments.take::<Value>("b").unwrap(), json!(3.0));
        assert!(arguments.take::<i64>("c").is_err());
        assert_eq!(arguments.take::<Point>("p").unwrap().x, -2);
        assert!((arguments.take::<f64>("d").unwrap() - 3.0).abs() < f64::EPSILON);
        assert!(arguments.take::<i64>("e").is_err());
    }

    #[test]
    fn a_missing_argument_takes_its_default() {
        let mut arguments = arguments(json!({"a": null}));
        assert_eq!(arguments.take_or("a", || Some(1)).unwrap(), None);
        assert_eq!(arguments.take_or("b", || Some(1)).unwrap(), Some(1));
    }
}
