//! Extracts the arguments of a call from its request.

use std::ops::Range;
use std::sync::Arc;

use dasf_protocol::problem::{Problem, list_problems};
use serde_json::Value;

use super::Failure;
use crate::read::{Entries, Source};

/// The arguments of one call. They match their schema, but they are still JSON. So numbers keep all
/// their digits.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    function: &'static str,
    request: Arc<str>,
    /// The range of each key's value in the request.
    values: Vec<(String, Range<usize>)>,
    schema: Arc<Value>,
}

impl Arguments {
    /// Returns the arguments in an object: the request, or its part in `range`.
    ///
    /// # Errors
    /// Fails if it is not a JSON object.
    pub(super) fn new(
        function: &'static str,
        request: &Arc<str>,
        range: Range<usize>,
        schema: &Arc<Value>,
    ) -> serde_json::Result<Self> {
        let object = request.get(range).unwrap_or_default();
        let Entries(entries) = serde_json::from_str(object)?;
        let values = entries.into_iter().map(|(name, value)| {
            // The value is a slice of the request.
            let start = value.get().as_ptr().addr() - request.as_ptr().addr();
            (name.into_owned(), start..start + value.get().len())
        });
        Ok(Self {
            function,
            request: Arc::clone(request),
            values: values.collect(),
            schema: Arc::clone(schema),
        })
    }

    /// Returns the range of a key's value in the request. If a key comes twice, the last one
    /// counts.
    pub(super) fn range(&self, name: &str) -> Option<Range<usize>> {
        let mut values = self.values.iter().rev();
        let (_, range) = values.find(|(key, _)| key == name)?;
        Some(range.clone())
    }

    fn source(&self, name: &str) -> Option<Source<'_>> {
        let json = self.request.get(self.range(name)?)?;
        Some(Source {
            json,
            document: &self.schema,
            schema: &self.schema["properties"][name],
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
        match self.source(name) {
            Some(value) => read(value).map_err(|problem| self.failure(name, problem)),
            None => Err(Failure::validation(format!(
                "{}: {name}: is required",
                self.function
            ))),
        }
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
        match self.source(name) {
            Some(value) => read(value).map_err(|problem| self.failure(name, problem)),
            None => Ok(default()),
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
    use crate::read::read;
    use serde::Deserialize;

    fn arguments(request: &str) -> Arguments {
        let request: Arc<str> = request.into();
        let whole = 0..request.len();
        Arguments::new("f", &request, whole, &Arc::default()).unwrap()
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
        let request: Arc<str> = r#"{"a": 1, "function": {"bc": "ü", "b": [2]}}"#.into();
        let whole = Arguments::new("f", &request, 0..request.len(), &Arc::default()).unwrap();
        let part = whole.range("function").unwrap();
        let mut arguments = Arguments::new("f", &request, part, &Arc::default()).unwrap();
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
