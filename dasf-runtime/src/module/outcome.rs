//! How a call ends: with a result's JSON, or a failure's text.

use std::any::Any;
use std::fmt;

use dasf_protocol::{ErrorInfo, payload};
use serde::Serialize;
use serde_json::Value;

use crate::types::IntoError;

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
    /// The causes of the function's error, nearest first.
    causes: Vec<String>,
    /// Whether the message names the causes.
    tells_causes: bool,
    /// What a program can make use of, where the function's error has it.
    info: Option<Box<ErrorInfo>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.prefix())?;
        match self.kind {
            FailureKind::Overflow => Ok(()),
            // Python writes the colon even where nothing follows.
            _ => write!(f, ": {}", self.message),
        }
    }
}

impl Failure {
    fn new(kind: FailureKind, message: String) -> Self {
        Self {
            kind,
            message,
            causes: Vec::new(),
            tells_causes: false,
            info: None,
        }
    }

    /// The request is not one of the module's.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Validation, message.into())
    }

    /// The function itself failed.
    pub fn execution(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Execution, message.into())
    }

    /// The module could not finish the call.
    pub fn processing(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Processing, message.into())
    }

    /// The module has too much to do.
    pub(crate) fn overflow() -> Self {
        Self::new(FailureKind::Overflow, String::new())
    }

    /// The failure with the code and the details of a function's error.
    pub(crate) fn with_parts_of(mut self, error: &impl IntoError) -> Self {
        self.info = Some(Box::new(ErrorInfo {
            code: error.code().into_owned(),
            details: error.details(),
        }));
        self
    }

    /// Adds the causes of the failure, nearest first. The log always shows them; the caller sees
    /// them if the module says so.
    #[must_use]
    pub fn caused_by(mut self, causes: Vec<String>, is_told: bool) -> Self {
        self.causes = causes;
        self.tells_causes = is_told;
        if is_told {
            self.message = with_causes(&self.message, &self.causes);
        }
        self
    }

    /// The failure's text with all causes, for the log.
    pub(crate) fn in_full(&self) -> String {
        if self.tells_causes {
            self.to_string()
        } else {
            with_causes(&self.to_string(), &self.causes)
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

    /// The causes of the function's error, nearest first: the text of its
    /// [`source`](std::error::Error::source), of the source of that, and so on. The module logs
    /// them. Callers get them in the [message](Self::message) if the attribute of the module says
    /// `errors = "chain"`.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// The code of the function's error, where that is an [`IntoError`].
    pub fn code(&self) -> Option<&str> {
        self.info.as_ref().map(|info| info.code.as_str())
    }

    /// The details of the function's error, where that is an [`IntoError`] and has any.
    pub fn details(&self) -> Option<&Value> {
        self.info()
            .map(|info| &info.details)
            .filter(|details| !details.is_null())
    }

    pub(crate) fn info(&self) -> Option<&ErrorInfo> {
        self.info.as_deref()
    }
}

/// A text and its causes. A cause that the text already ends with is not repeated.
fn with_causes(text: &str, causes: &[String]) -> String {
    let mut whole = text.to_owned();
    for cause in causes {
        let before = whole.strip_suffix(cause.as_str());
        let is_named = before.is_some_and(|before| before.is_empty() || before.ends_with(": "));
        if !is_named {
            whole.push_str(": ");
            whole.push_str(cause);
        }
    }
    whole
}

/// Encodes the result of a function.
///
/// # Errors
/// [`Failure`] when the result has no JSON, for instance a map whose keys are no texts.
pub fn encode_result<T: Serialize + ?Sized>(result: &T) -> Outcome {
    payload::to_json(result).map(Output).map_err(|error| {
        Failure::processing(format!("the result cannot be written as JSON: {error}"))
    })
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
    fn the_log_knows_the_causes_and_the_caller_where_it_is_told() {
        let causes = || vec!["no such file".to_owned(), "os error 2".to_owned()];
        let failure = Failure::execution("no data").caused_by(causes(), false);
        let whole = "error executing request: no data: no such file: os error 2";
        assert_eq!(failure.to_string(), "error executing request: no data");
        assert_eq!(failure.in_full(), whole);
        let told = Failure::execution("no data").caused_by(causes(), true);
        assert_eq!(
            (told.to_string(), told.in_full()),
            (whole.into(), whole.into())
        );
        assert_eq!((told.causes(), failure.causes()), (&*causes(), &*causes()));
        // An error that names its cause itself, and one that is its cause.
        let told = Failure::execution("no data: no such file").caused_by(causes(), true);
        assert_eq!(told.to_string(), whole);
        let told = Failure::execution("no such file").caused_by(causes(), true);
        assert_eq!(told.message(), "no such file: os error 2");
        let told = Failure::execution("is off").caused_by(vec!["off".to_owned()], true);
        assert_eq!(told.message(), "is off: off");
    }

    #[test]
    fn a_result_without_json_is_a_failure() {
        let map = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(
            encode_result(&map).unwrap_err().kind(),
            FailureKind::Processing
        );
        assert_eq!(encode_result(&"ä").unwrap().as_json(), r#""\u00e4""#);
    }
}
