//! Taking the arguments of a call out of its request.

use serde_json::{Map, Value};

use super::Failure;
use super::read::Problem;

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

    /// Reads a required argument.
    ///
    /// # Errors
    /// [`Failure`] when it is missing, or its type does not take it although its schema does.
    pub fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value) -> Result<T, Problem>,
    ) -> Result<T, Failure> {
        match self.values.remove(name) {
            Some(value) => read(value).map_err(|problem| self.failure(name, &problem)),
            None => Err(Failure::validation(format!(
                "{}: {name}: is required",
                self.function
            ))),
        }
    }

    /// Reads an argument that has a default.
    ///
    /// # Errors
    /// [`Failure`] when its type does not take it although its schema does.
    pub fn take_or<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value) -> Result<T, Problem>,
        default: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        match self.values.remove(name) {
            Some(value) => read(value).map_err(|problem| self.failure(name, &problem)),
            None => Ok(default()),
        }
    }

    #[cold]
    fn failure(&self, name: &str, problem: &Problem) -> Failure {
        Failure::validation(format!("{}: {}", self.function, problem.of_argument(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::read::read;
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
        let error = arguments.take("points", read::<Vec<Point>>).unwrap_err();
        assert!(
            error.message().starts_with("f: points[1].x: invalid type"),
            "{error}"
        );
        let error = arguments.take("a", read::<i64>).unwrap_err();
        assert_eq!(error.message(), "f: a: is required");
        let error = arguments.take("b", read::<String>).unwrap_err();
        assert!(error.message().starts_with("f: b: invalid type"), "{error}");
    }

    #[test]
    fn a_whole_float_is_an_integer_where_one_is_wanted() {
        let mut arguments = arguments(
            json!({"a": 3.0, "b": 3.0, "c": 3.5, "p": {"x": -2.0}, "d": 3.0, "e": 1e300}),
        );
        assert_eq!(arguments.take("a", read::<i64>).unwrap(), 3);
        assert_eq!(arguments.take("b", read::<Value>).unwrap(), json!(3.0));
        assert!(arguments.take("c", read::<i64>).is_err());
        assert_eq!(arguments.take("p", read::<Point>).unwrap().x, -2);
        assert!((arguments.take("d", read::<f64>).unwrap() - 3.0).abs() < f64::EPSILON);
        assert!(arguments.take("e", read::<i64>).is_err());
    }

    #[test]
    fn a_missing_argument_takes_its_default() {
        let mut arguments = arguments(json!({"a": null}));
        assert_eq!(arguments.take_or("a", read, || Some(1)).unwrap(), None);
        assert_eq!(arguments.take_or("b", read, || Some(1)).unwrap(), Some(1));
    }
}
