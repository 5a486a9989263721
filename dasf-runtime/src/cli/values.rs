//! Reading the arguments of a call from the command line.

use dasf_protocol::text;

use super::{Error, read_text};
use crate::module::validate::Fields;

/// An argument `NAME=VALUE`. The meaning of the value depends on the schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) text: String,
}

/// The sources of values that are not on the command line.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// Whether standard input was read. A program can read it only once.
    is_stdin_read: bool,
}

impl Sources {
    /// Reads arguments of the form `NAME=VALUE`, `NAME=@FILE` and `NAME=@-`.
    ///
    /// # Errors
    /// [`Error::Usage`] when an argument has no `=`, or a name is a duplicate. [`Error::Failed`]
    /// when a file cannot be read.
    pub(super) fn arguments(&mut self, arguments: &[String]) -> Result<Vec<Given>, Error> {
        let mut given: Vec<Given> = Vec::new();
        for argument in arguments {
            let Some((name, value)) = argument.split_once('=') else {
                return Err(Error::Usage(format!(
                    "the argument {argument:?} has no value; write NAME=VALUE"
                )));
            };
            if given.iter().any(|before| before.name == name) {
                return Err(Error::Usage(format!(
                    "the argument {name:?} is given twice"
                )));
            }
            let text = match value.strip_prefix('@') {
                Some(path) => self.read(path)?,
                None => text::without_mark(value).to_owned(),
            };
            let name = name.to_owned();
            given.push(Given { name, text });
        }
        Ok(given)
    }

    /// Reads all arguments at once: a JSON object, `@FILE` or `-`.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is not a JSON object, [`Error::Failed`] when a file cannot be read.
    pub(super) fn object(&mut self, json: &str) -> Result<Fields, Error> {
        let text = match json.strip_prefix('@') {
            Some(path) => self.read(path)?,
            None if json == "-" => self.read("-")?,
            None => text::without_mark(json).to_owned(),
        };
        let object = serde_json::from_str(&text);
        object.map_err(|error| Error::Usage(format!("--json must be a JSON object: {error}")))
    }

    /// Reads a file, or standard input as `-`.
    ///
    /// # Errors
    /// [`Error::Failed`] when the input cannot be read or is not UTF-8, [`Error::Usage`] when
    /// standard input was read before.
    fn read(&mut self, path: &str) -> Result<String, Error> {
        if path == "-" {
            if self.is_stdin_read {
                let problem = "standard input can be read for one value only";
                return Err(Error::usage(problem));
            }
            self.is_stdin_read = true;
        }
        read_text(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(arguments: &[&str]) -> Result<Vec<Given>, String> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let read = Sources::default().arguments(&arguments);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_equals_sign_separates_name_and_value() {
        let given = |name: &str, text: &str| Given {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(
            arguments(&["a=1", "b=", "c=x=y"]).unwrap(),
            [given("a", "1"), given("b", ""), given("c", "x=y")]
        );
    }

    #[test]
    fn mistakes_are_reported() {
        for (line, problem) in [
            (
                &["a"][..],
                "the argument \"a\" has no value; write NAME=VALUE",
            ),
            (&["a=1", "a=2"], "the argument \"a\" is given twice"),
            (&["a=@/no/such/file"], "/no/such/file cannot be read"),
        ] {
            let error = arguments(line).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
        for json in ["[1]", "5", "{\"a\":", "", "{\"a\": 1, \"a\": 2}"] {
            let error = Sources::default().object(json).unwrap_err().to_string();
            assert!(
                error.starts_with("--json must be a JSON object: "),
                "{error}"
            );
        }
    }
}
