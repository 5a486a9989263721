//! The outcome of a call: the JSON of a result, or a failure.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dasf_protocol::text::printable;
use dasf_protocol::{ErrorInfo, payload, put_aside};
use serde::Serialize;
use serde_json::Value;

use crate::spare;
use crate::types::IntoError;

/// The outcome of a call.
pub type Outcome = Result<Output, Failure>;

/// A result as JSON, in ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output(pub(crate) Vec<u8>);

impl Output {
    /// Returns the JSON of the result.
    pub fn as_json(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The kind of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The module rejected the request, because it does not match the schema of a function or
    /// method.
    Validation,
    /// The caller may not call the function, which is for the users of some groups only.
    NotAllowed,
    /// The function returned an error or panicked.
    Execution,
    /// The module could not finish the call.
    Processing,
    /// The module has too many requests, or holds too much memory for them.
    Overflow,
    /// The request ended the modules that ran it, so the broker does not deliver it again.
    PutAside,
}

/// The whole text of an overflow, on the wire and for people.
const OVERFLOW: &str = "request rejected due to queue overflow, try again later";

/// The code of the error of a call that is not allowed.
const NOT_ALLOWED: &str = "not_allowed";

impl FailureKind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Validation,
        Self::NotAllowed,
        Self::Execution,
        Self::Processing,
        Self::Overflow,
        Self::PutAside,
    ];

    /// Returns the words with which the protocol begins the text of a failure of this kind, for
    /// example `error validating request`. For people, [`name`](Self::name) is shorter.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Validation => "error validating request",
            Self::NotAllowed => "request not allowed",
            Self::Execution => "error executing request",
            Self::Processing => "error processing request",
            Self::Overflow => OVERFLOW,
            Self::PutAside => put_aside::PREFIX,
        }
    }

    /// Returns the words with which the `Display` text of a failure of this kind begins:
    /// `validating`, `not allowed`, `executing`, `processing` or `put aside`. For an overflow it is the whole text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validation => "validating",
            Self::NotAllowed => "not allowed",
            Self::Execution => "executing",
            Self::Processing => "processing",
            Self::Overflow => OVERFLOW,
            Self::PutAside => "put aside",
        }
    }

    /// Returns the kind as one word for programs, such as `validation` or `not_allowed`: in the numbers of a module,
    /// and in the documents of a gateway.
    pub fn label(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::NotAllowed => NOT_ALLOWED,
            Self::Execution => "execution",
            Self::Processing => "processing",
            Self::Overflow => "overflow",
            Self::PutAside => put_aside::CODE,
        }
    }

    /// Splits the text of an error response into its kind and its message. The kind is `None` if
    /// the text has none of the known prefixes.
    pub(crate) fn parse(text: &str) -> (Option<Self>, &str) {
        for kind in Self::ALL {
            if let Some(rest) = text.strip_prefix(kind.prefix()) {
                return (Some(kind), rest.strip_prefix(": ").unwrap_or(rest));
            }
        }
        (None, text)
    }
}

/// The reason why a call failed.
///
/// Its `Display` text names the kind once: `validating: add: a: is required`. Callers receive the
/// [text of the protocol](Self::wire_text).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    kind: FailureKind,
    message: String,
    /// The causes of the function's error, nearest first.
    causes: Vec<String>,
    /// Whether the message contains the causes.
    shows_causes: bool,
    /// The code and the details of the function's error.
    info: Option<Box<ErrorInfo>>,
    /// The function that was refused or whose arguments were, for the log.
    function: Option<Box<str>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.text(self.kind.name())))
    }
}

impl Failure {
    fn new(kind: FailureKind, message: String) -> Self {
        Self {
            kind,
            message,
            causes: Vec::new(),
            shows_causes: false,
            info: None,
            function: None,
        }
    }

    /// Creates a failure for a request that the module rejects.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Validation, message.into())
    }

    /// Creates a failure for a call that its sender may not make. Its code is `not_allowed`.
    pub(crate) fn not_allowed(message: String, details: Value) -> Self {
        Self {
            info: Some(Box::new(ErrorInfo::new(NOT_ALLOWED, details))),
            ..Self::new(FailureKind::NotAllowed, message)
        }
    }

    /// Creates a failure for a function that returned an error or panicked.
    pub fn execution(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Execution, message.into())
    }

    /// Creates a failure for a call that the module could not finish.
    pub fn processing(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Processing, message.into())
    }

    /// Creates a failure for a request that found the queue of the module full.
    pub(crate) fn overflow() -> Self {
        Self::new(FailureKind::Overflow, String::new())
    }

    /// Replaces the message.
    pub(crate) fn because(self, message: String) -> Self {
        Self { message, ..self }
    }

    /// Returns the text that a caller receives, as the protocol defines it: `error validating
    /// request: add: a: is required`.
    pub fn wire_text(&self) -> String {
        self.text(self.kind.prefix())
    }

    fn text(&self, kind: &str) -> String {
        match self.kind {
            FailureKind::Overflow if self.message.is_empty() => kind.to_owned(),
            // Python writes the colon even if the message is empty.
            _ => format!("{kind}: {}", self.message),
        }
    }

    /// Adds the code and the details of a function's error.
    pub(crate) fn with_parts_of(mut self, error: &impl IntoError) -> Self {
        self.info = Some(Box::new(ErrorInfo::new(error.code(), error.details())));
        self
    }

    /// Adds the causes of the failure, nearest first. The log always shows them. The message for
    /// the caller shows them if `is_shown` is true.
    #[must_use]
    pub fn caused_by(mut self, causes: Vec<String>, is_shown: bool) -> Self {
        self.causes = causes;
        self.shows_causes = is_shown;
        if is_shown {
            self.message = with_causes(&self.message, &self.causes);
        }
        self
    }

    /// Returns the `Display` text with all causes, for the log.
    pub(crate) fn in_full(&self) -> String {
        let text = if self.shows_causes {
            self.to_string()
        } else {
            with_causes(&self.to_string(), &self.causes)
        };
        // Arguments of the caller may be in it.
        printable(&text)
    }

    pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Self {
        let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => "no message",
        };
        let failure = Self::execution(format!("the function panicked: {message}"));
        // The drop of a value with which a function panics may panic, too. The value of that second
        // panic is not dropped.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            std::mem::forget(second);
        }
        failure
    }

    /// Names the function that was refused or whose arguments were.
    pub(crate) fn of_function(mut self, name: &str) -> Self {
        self.function = Some(name.into());
        self
    }

    /// Returns the function that was refused or whose arguments were.
    pub(crate) fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Returns the message without the kind.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the causes of the function's error, nearest first: the text of its
    /// [`source`](std::error::Error::source), then the text of that error's source, and so on.
    ///
    /// The module logs them. The [message](Self::message) for callers contains them if the
    /// attribute of the module has `errors = "chain"`.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Returns the code of the function's error, if the error is an [`IntoError`]. A call that is not
    /// allowed has the code `not_allowed`.
    pub fn code(&self) -> Option<&str> {
        self.info.as_ref().map(|info| info.code.as_str())
    }

    /// Returns the details of the function's error, if the error is an [`IntoError`] with details.
    pub fn details(&self) -> Option<&Value> {
        self.info()
            .map(|info| &info.details)
            .filter(|details| !details.is_null())
    }

    pub(crate) fn info(&self) -> Option<&ErrorInfo> {
        self.info.as_deref()
    }
}

/// Appends causes to a text. Skips a cause if the text already ends with it.
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

/// Encodes the result of a function as JSON.
///
/// # Errors
/// Returns a [`Failure`] when JSON cannot represent the result, for example a map whose keys are
/// not strings.
pub fn encode_result<T: Serialize + ?Sized>(result: &T) -> Outcome {
    let mut json = spare::buffer();
    payload::append_json(&mut json, result).map_err(|error| {
        Failure::processing(format!("the result cannot be written as JSON: {error}"))
    })?;
    // The memory of a large request would stay as long as a small result waits to be sent.
    if json.capacity() / 2 > json.len().max(SMALL) {
        json.shrink_to_fit();
    }
    Ok(Output(json))
}

/// The size of a result whose memory does not matter.
const SMALL: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_small_result_does_not_keep_the_memory_of_a_large_request() {
        let (small, large) = spare::keep_during(|| {
            spare::keep(vec![b'x'; 4 << 20]);
            let small = encode_result("small").unwrap().0.capacity();
            spare::keep(vec![b'x'; 4 << 20]);
            let large = encode_result(&"x".repeat(3 << 20)).unwrap().0.capacity();
            (small, large)
        });
        assert!(small < SMALL, "{small}");
        assert_eq!(large, 4 << 20);
    }

    #[test]
    fn a_failure_reads_back_by_its_prefix() {
        for failure in [
            Failure::validation("a: is required"),
            Failure::not_allowed("f: no".to_owned(), Value::Null),
            Failure::execution("boom"),
            Failure::processing("x"),
            Failure::overflow(),
        ] {
            let text = failure.wire_text();
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
    fn the_log_knows_the_causes_and_the_caller_where_it_is_shown() {
        let causes = || vec!["no such file".to_owned(), "os error 2".to_owned()];
        let failure = Failure::execution("no data").caused_by(causes(), false);
        let whole = "executing: no data: no such file: os error 2";
        assert_eq!(failure.to_string(), "executing: no data");
        assert_eq!(failure.in_full(), whole);
        let shown = Failure::execution("no data").caused_by(causes(), true);
        assert_eq!(
            (shown.to_string(), shown.in_full()),
            (whole.into(), whole.into())
        );
        assert_eq!((shown.causes(), failure.causes()), (&*causes(), &*causes()));
        // The text of the first error ends with its cause. The text of the second one equals its
        // cause.
        let shown = Failure::execution("no data: no such file").caused_by(causes(), true);
        assert_eq!(shown.to_string(), whole);
        let shown = Failure::execution("no such file").caused_by(causes(), true);
        assert_eq!(shown.message(), "no such file: os error 2");
        let shown = Failure::execution("is off").caused_by(vec!["off".to_owned()], true);
        assert_eq!(shown.message(), "is off: off");
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
