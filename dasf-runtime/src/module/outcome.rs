//! How a call ends: with a result's JSON, or a failure's text.

use std::any::Any;
use std::fmt;

use dasf_protocol::payload;
use serde::Serialize;

/// How a call ended.
pub type Outcome = Result<Output, Failure>;

/// A result as JSON, in ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output(pub(crate) Vec<u8>);

impl Output {
    /// The result as JSON text.
    pub fn as_json(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Which of the protocol's sentences begins the text of an error answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The request is not one of the module's: `error validating request`.
    Validation,
    /// The function itself failed: `error executing request`.
    Execution,
    /// The module could not finish the call: `error processing request`.
    Processing,
    /// The module has too much to do: `request rejected due to queue overflow, try again later`.
    Overflow,
}

impl FailureKind {
    /// The beginning of the answer's text.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Validation => "error validating request",
            Self::Execution => "error executing request",
            Self::Processing => "error processing request",
            Self::Overflow => "request rejected due to queue overflow, try again later",
        }
    }

    /// Splits the text of an error answer into its kind and the rest; no kind where it begins
    /// otherwise.
    pub(crate) fn parse(text: &str) -> (Option<Self>, &str) {
        let kinds = [
            Self::Validation,
            Self::Execution,
            Self::Processing,
            Self::Overflow,
        ];
        for kind in kinds {
            if let Some(rest) = text.strip_prefix(kind.prefix()) {
                return (Some(kind), rest.strip_prefix(": ").unwrap_or(rest));
            }
        }
        (None, text)
    }
}

/// Why a call failed. Its text, prefix included, is what the caller receives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    kind: FailureKind,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.prefix())?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl Failure {
    /// The request is not one of the module's.
    pub fn validation(message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Validation,
            message: message.into(),
        }
    }

    /// The function itself failed.
    pub fn execution(message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Execution,
            message: message.into(),
        }
    }

    /// The module could not finish the call.
    pub fn processing(message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Processing,
            message: message.into(),
        }
    }

    /// The module has too much to do.
    pub(crate) fn overflow() -> Self {
        Self {
            kind: FailureKind::Overflow,
            message: String::new(),
        }
    }

    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => "no message",
        };
        Self::execution(format!("the function panicked: {message}"))
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// What went wrong, without the kind's prefix.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Encodes the result of a function.
///
/// # Errors
/// [`Failure`] when the result has no JSON, for instance a map whose keys are no texts.
pub fn encode_result<T: Serialize>(result: &T) -> Outcome {
    payload::to_json(result).map(Output).map_err(|error| {
        Failure::processing(format!("the result cannot be written as JSON: {error}"))
    })
}

/// Encodes the result of a function that may fail.
///
/// # Errors
/// [`Failure`] with the function's own error, or as [`encode_result`].
pub fn encode_fallible<T: Serialize, E: fmt::Display>(result: Result<T, E>) -> Outcome {
    match result {
        Ok(value) => encode_result(&value),
        Err(error) => Err(Failure::execution(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_failure_reads_back_by_its_prefix() {
        for failure in [
            Failure::validation("a: is required"),
            Failure::execution("boom"),
            Failure::processing("x"),
            Failure::overflow(),
        ] {
            let text = failure.to_string();
            assert_eq!(
                FailureKind::parse(&text),
                (Some(failure.kind()), failure.message())
            );
        }
        assert_eq!(
            FailureKind::parse("something else"),
            (None, "something else")
        );
    }

    #[test]
    fn a_result_without_json_is_a_failure() {
        let map = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(
            encode_result(&map).unwrap_err().kind(),
            FailureKind::Processing
        );
        assert_eq!(encode_result(&"ä").unwrap().as_json(), r#""\u00e4""#);
        let failed: Result<(), &str> = Err("boom");
        assert_eq!(
            encode_fallible(failed).unwrap_err(),
            Failure::execution("boom")
        );
    }
}
