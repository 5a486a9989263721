//! Problems: the errors of the gateway, as RFC 9457 writes them.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dasf_protocol::text::printable;
use dasf_runtime::client::{CallError, ClientError, ModuleFailure, Whereabouts};
use dasf_runtime::{ConnectError, FailureKind};
use serde_json::{Map, Value, json};

/// How long a caller should wait before it tries again, in seconds.
const RETRY_AFTER: u64 = 1;

/// The kind of a problem. It decides the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    BadRequest,
    InvalidArguments,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// A query cannot hold the arguments.
    NeedsPost,
    NotAcceptable,
    RequestTimeout,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    Rejected,
    TooMany,
    HeadersTooLarge,
    Internal,
    NotOffered,
    Failed,
    Unavailable,
    Timeout,
}

impl Kind {
    /// All kinds, in the order of their statuses.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 20] = [
        Self::BadRequest,
        Self::InvalidArguments,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NeedsPost,
        Self::NotAcceptable,
        Self::RequestTimeout,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Rejected,
        Self::TooMany,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::NotOffered,
        Self::Failed,
        Self::Unavailable,
        Self::Timeout,
    ];

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::InvalidArguments => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed | Self::NeedsPost => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotOffered => StatusCode::NOT_IMPLEMENTED,
            Self::Failed => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Returns the last part of the `type` of the problem, and its title.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", "The request cannot be read"),
            Self::InvalidArguments => ("invalid-arguments", "The arguments are not valid"),
            Self::Unauthorized => ("unauthorized", "The broker needs a valid token"),
            Self::Forbidden => ("forbidden", "The request is not allowed"),
            Self::NotFound => ("not-found", "There is nothing of this name"),
            Self::MethodNotAllowed => ("method-not-allowed", "The method does not fit the path"),
            Self::NeedsPost => ("needs-post", "The arguments need the method POST"),
            Self::NotAcceptable => ("not-acceptable", "The result has no form that is accepted"),
            Self::RequestTimeout => ("request-timeout", "The request did not arrive in time"),
            Self::Conflict => ("conflict", "The job is in another state"),
            Self::TooLarge => ("too-large", "The request is too large"),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", "The body has an unknown form")
            }
            Self::Rejected => ("rejected", "The module rejects the arguments"),
            Self::TooMany => ("too-many", "There are too many requests"),
            Self::HeadersTooLarge => ("headers-too-large", "The headers are too large"),
            Self::Internal => ("internal", "The gateway failed"),
            Self::NotOffered => ("not-offered", "The broker does not offer this"),
            Self::Failed => ("failed", "The module failed"),
            Self::Unavailable => ("unavailable", "Nobody answers"),
            Self::Timeout => ("timeout", "The module did not answer in time"),
        }
    }
}

/// A value in a request that is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offending {
    /// The place of the value, as a JSON pointer.
    pub(crate) path: String,
    pub(crate) detail: String,
}

/// The reason why a request has no result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug, Clone, PartialEq)]
struct Parts {
    kind: Kind,
    detail: String,
    errors: Vec<Offending>,
    /// Further members of the document.
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            more: Map::new(),
        }))
    }

    /// Returns the problem of arguments that are not valid.
    pub(crate) fn invalid(detail: impl Into<String>, errors: Vec<Offending>) -> Self {
        let mut problem = Self::new(Kind::InvalidArguments, detail);
        problem.0.errors = errors;
        problem
    }

    #[cfg(test)]
    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Returns the problem of a call that had no answer within a time.
    pub(crate) fn timeout(after: Duration, detail: &str) -> Self {
        Self::new(
            Kind::Timeout,
            format!("no answer within {} s: {detail}", after.as_secs_f64()),
        )
    }

    /// Returns the document.
    pub(crate) fn document(&self) -> Value {
        let (name, title) = self.0.kind.words();
        let mut document = Map::new();
        document.insert("type".to_owned(), format!("urn:dasf:problem:{name}").into());
        document.insert("title".to_owned(), title.into());
        document.insert("status".to_owned(), self.0.kind.status().as_u16().into());
        document.insert("detail".to_owned(), self.0.detail.as_str().into());
        if !self.0.errors.is_empty() {
            let errors = self.0.errors.iter();
            let errors = errors.map(|it| json!({"path": it.path, "detail": it.detail}));
            document.insert("errors".to_owned(), errors.collect());
        }
        document.extend(self.0.more.clone());
        Value::Object(document)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document().to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.0.kind.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self.0.kind {
            Kind::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Kind::NeedsPost => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            Kind::TooMany | Kind::Unavailable => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER.into());
            }
            _ => {}
        }
        response
    }
}

impl From<ModuleFailure> for Problem {
    fn from(failure: ModuleFailure) -> Self {
        let kind = match failure.kind() {
            Some(FailureKind::Validation) => Kind::Rejected,
            Some(FailureKind::NotAllowed) => Kind::Forbidden,
            Some(FailureKind::Overflow) => Kind::TooMany,
            _ => Kind::Failed,
        };
        let mut problem = Self::new(kind, failure.to_string());
        let more = &mut problem.0.more;
        if let Some(kind) = failure.kind() {
            more.insert("kind".to_owned(), kind.label().into());
        }
        more.insert("message".to_owned(), failure.message().into());
        if let Some(code) = failure.code() {
            more.insert("code".to_owned(), code.into());
        }
        if let Some(details) = failure.details() {
            more.insert("details".to_owned(), details.clone());
        }
        problem
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        let kind = match error {
            CallError::Module(failure) => return failure.into(),
            CallError::Disconnected { reason, .. } | CallError::Connect(reason) => {
                return reason.into();
            }
            CallError::Refused { reason, .. } => of_refusal(&reason),
            CallError::Timeout {
                known: Whereabouts::Unanswered,
                ..
            }
            | CallError::NobodyListens { .. }
            | CallError::NotSent { .. }
            | CallError::Closed => Kind::Unavailable,
            CallError::Timeout { .. } | CallError::NotDone { .. } => Kind::Timeout,
            CallError::Invalid { .. } | CallError::Encode { .. } => Kind::InvalidArguments,
            CallError::Decode { .. }
            | CallError::Payload(_)
            | CallError::Fragments(_)
            | CallError::ResponseTooLarge { .. } => Kind::Failed,
            CallError::RequestTooLarge { .. } => Kind::TooLarge,
            CallError::NoJob { .. } | CallError::Topic(_) => Kind::NotFound,
            CallError::Cancelled { .. } => Kind::Conflict,
            CallError::OtherTopic { .. } => Kind::BadRequest,
            _ => Kind::Internal,
        };
        Self::new(kind, text)
    }
}

/// Returns the kind of a message that the broker does not take. It tells the reason only in words.
fn of_refusal(reason: &str) -> Kind {
    if reason.contains(" is full") {
        Kind::Unavailable
    } else if reason.contains("the limit ") {
        Kind::TooMany
    } else {
        Kind::Forbidden
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        let kind = match &error {
            ConnectError::Refused { status, .. } => match status {
                401 => Kind::Unauthorized,
                403 => Kind::Forbidden,
                404 => Kind::NotFound,
                409 => Kind::Conflict,
                429 => Kind::TooMany,
                _ => Kind::Unavailable,
            },
            // The reason codes of MQTT: a wrong login, and one that is not allowed to do this.
            ConnectError::Rejected { code: 0x86, .. } => Kind::Unauthorized,
            ConnectError::Rejected { code: 0x87, .. } => Kind::Forbidden,
            ConnectError::Unsupported { .. } => Kind::NotOffered,
            _ => Kind::Unavailable,
        };
        let detail = match &error {
            // The address of the broker is not the matter of the callers of the gateway.
            ConnectError::Refused { reason, .. } | ConnectError::Rejected { reason, .. } => {
                format!("the broker refuses: {}", printable(reason))
            }
            ConnectError::Unsupported {
                feature, reason, ..
            } => {
                format!("the broker does not offer {feature}: {}", printable(reason))
            }
            error => {
                tracing::warn!(%error, "the gateway cannot reach the broker");
                "the gateway cannot reach the broker; its log has the reason".to_owned()
            }
        };
        Self::new(kind, detail)
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Connect(error) => error.into(),
            ClientError::Topic(error) => Self::new(Kind::NotFound, error.to_string()),
            // The address is that of the gateway with the token of the caller.
            ClientError::Address(error) => Self::new(Kind::BadRequest, error.to_string()),
            error => Self::new(Kind::Internal, error.to_string()),
        }
    }
}

/// Returns the JSON pointer of a place such as `points[1].x`.
pub(crate) fn pointer(path: &str) -> String {
    let mut pointer = String::with_capacity(path.len() + 1);
    let mut is_new = true;
    for letter in path.chars() {
        match letter {
            '.' | '[' => {
                is_new = true;
                continue;
            }
            ']' => continue,
            _ => {}
        }
        if is_new {
            pointer.push('/');
            is_new = false;
        }
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            letter => pointer.push(letter),
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_a_pointer() {
        for (path, expected) in [
            ("", ""),
            ("a", "/a"),
            ("points[1].x", "/points/1/x"),
            ("[0][2]", "/0/2"),
            ("a/b~c", "/a~1b~0c"),
        ] {
            assert_eq!(pointer(path), expected, "{path}");
        }
    }

    #[test]
    fn every_kind_has_its_own_type() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.words().0).collect();
        names.dedup();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
        let statuses = Kind::ALL.map(|kind| kind.status().as_u16());
        assert!(statuses.is_sorted(), "{statuses:?}");
    }

    #[test]
    fn a_document_has_what_the_standard_names() {
        let errors = vec![Offending {
            path: "/a".to_owned(),
            detail: "is required".to_owned(),
        }];
        let problem = Problem::invalid("add: a: is required", errors);
        assert_eq!(
            problem.document(),
            json!({
                "type": "urn:dasf:problem:invalid-arguments",
                "title": "The arguments are not valid",
                "status": 400,
                "detail": "add: a: is required",
                "errors": [{"path": "/a", "detail": "is required"}],
            })
        );
    }

    #[test]
    fn refusals_of_a_broker_are_told_apart() {
        for (reason, kind) in [
            (
                "User is not allowed to publish to this topic",
                Kind::Forbidden,
            ),
            (
                "user 'ada' lacks the right 'call' for topic 'a'",
                Kind::Forbidden,
            ),
            (
                "topic 'a' is full (max_backlog_messages = 1) and has no consumer",
                Kind::Unavailable,
            ),
            (
                "the user may have at most 1 x, the limit max_connections of user ada",
                Kind::TooMany,
            ),
        ] {
            let error = CallError::Refused {
                topic: "a".parse().unwrap(),
                reason: reason.to_owned(),
            };
            assert_eq!(Problem::from(error).kind(), kind, "{reason}");
        }
    }
}
