//! The arguments of a call, and reading them from its request.

use std::ops::Range;
use std::sync::Arc;

use dasf_protocol::problem::{Problem, list_problems};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Failure;
use crate::read::{SchemaOfValue, Source};
use crate::spare;

/// The arguments of one call. They match their schema, but they are still JSON. So numbers keep all
/// their digits.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    pub(super) function: &'static str,
    pub(super) request: Utf8Bytes,
    /// The range of each argument's value in the request.
    pub(super) values: Vec<(&'static str, Range<usize>)>,
    /// The schema of the arguments; `None` if there are none.
    pub(super) schema: Option<Arc<Value>>,
}

impl Arguments {
    fn source<'a>(&'a self, name: &'a str) -> Option<Source<'a>> {
        let (_, range) = self.values.iter().find(|(argument, _)| *argument == name)?;
        let json = self.request.get(range.clone())?;
        Some(Source {
            json,
            document: self.schema.as_deref()?,
            schema: SchemaOfValue::OfArgument(name),
        })
    }

    /// Reads a required argument.
    ///
    /// # Errors
    /// Returns a [`Failure`] if it is missing, or if its type cannot hold a value that its schema
    /// accepts.
    pub fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Source<'_>) -> Result<T, Problem>,
    ) -> Result<T, Failure> {
        let taken = match self.source(name) {
            Some(value) => read(value).map_err(|problem| self.failure(name, problem)),
            None => Err(Failure::validation(format!(
                "{}: {name}: is required",
                self.function
            ))),
        };
        self.forget(name);
        taken
    }

    /// Reads an argument that has a default.
    ///
    /// # Errors
    /// Returns a [`Failure`] if its type cannot hold a value that its schema accepts.
    pub fn take_or<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Source<'_>) -> Result<T, Problem>,
        default: impl FnOnce() -> T,
    ) -> Result<T, Failure> {
        let taken = match self.source(name) {
            Some(value) => read(value).map_err(|problem| self.failure(name, problem)),
            None => Ok(default()),
        };
        self.forget(name);
        taken
    }

    /// Removes an argument. The request of the last one is not needed any more.
    fn forget(&mut self, name: &str) {
        self.values.retain(|(argument, _)| *argument != name);
        if self.values.is_empty() {
            let request = std::mem::take(&mut self.request);
            if request.len() >= spare::LARGE {
                spare::keep(request);
            }
        }
    }

    #[cold]
    fn failure(&self, name: &str, problem: Problem) -> Failure {
        Failure::validation(list_problems(self.function, &[problem.below(name)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::contract::places;
    use crate::module::request::Object;
    use crate::read::read;
    use serde::Deserialize;

    fn arguments_of(request: &Utf8Bytes, object: &Object<'_>) -> Arguments {
        let names = ["a", "b", "bc", "p", "points"].into_iter();
        Arguments {
            function: "f",
            request: request.clone(),
            values: places(names, request, object),
            schema: Some(Arc::default()),
        }
    }

    fn arguments(request: &str) -> Arguments {
        let request = Utf8Bytes::from(request);
        arguments_of(&request, &Object::split(&request).unwrap())
    }

    #[derive(Debug, Deserialize)]
    struct Point {
        x: i64,
    }

    #[test]
    fn an_error_names_function_and_path() {
        let mut arguments =
            arguments(r#"{"points": [{"x": 1}, {"x": "a"}], "b": 1, "p": {"x": 2.0}}"#);
        assert_eq!(arguments.take("p", read::<Point>).unwrap().x, 2);
        let error = arguments.take("points", read::<Vec<Point>>).unwrap_err();
        assert_eq!(
            error.message(),
            r#"f: points[1].x: invalid type: string "a", expected i64"#
        );
        let error = arguments.take("a", read::<i64>).unwrap_err();
        assert_eq!(error.message(), "f: a: is required");
        let error = arguments.take("b", read::<String>).unwrap_err();
        assert_eq!(
            error.message(),
            "f: b: invalid type: integer `1`, expected a string"
        );
    }

    #[test]
    fn a_missing_argument_takes_its_default() {
        let mut arguments = arguments(r#"{"a": null}"#);
        assert_eq!(arguments.take_or("a", read, || Some(1)).unwrap(), None);
        assert_eq!(arguments.take_or("b", read, || Some(1)).unwrap(), Some(1));
    }

    #[test]
    fn arguments_are_found_in_a_part_of_the_request() {
        let request = Utf8Bytes::from(r#"{"a": 1, "function": {"bc": "ü", "b": [2]}}"#);
        let part = Object::split(&request).unwrap().get("function").unwrap();
        let mut arguments = arguments_of(&request, &Object::split(part).unwrap());
        assert_eq!(arguments.take("bc", read::<String>).unwrap(), "ü");
        assert_eq!(arguments.take("b", read::<Vec<u8>>).unwrap(), [2]);
        assert!(arguments.take("a", read::<i64>).is_err());
    }

    #[test]
    fn of_an_argument_that_comes_twice_the_last_counts() {
        let mut arguments = arguments(r#"{"a": 1, "a": 2}"#);
        assert_eq!(arguments.take("a", read::<i64>).unwrap(), 2);
    }
}
