//! Refusals, with their HTTP statuses.

use std::fmt::Display;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::access::Denied;
use crate::account::OverLimit;
use crate::route::RouteError;
use crate::topic::AttachError;

/// The refusal of a handshake, or of a topic on a link.
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    /// What a caller lacks, if that is the reason.
    pub(crate) denied: Option<Box<Denied>>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: impl Display) -> Self {
        Self {
            status,
            reason: reason.to_string(),
            denied: None,
        }
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        let status = match error {
            RouteError::Unknown => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error)
    }
}

impl From<OverLimit> for Refusal {
    fn from(error: OverLimit) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error)
    }
}

impl From<AttachError> for Refusal {
    fn from(error: AttachError) -> Self {
        let status = match error {
            AttachError::Denied(denied) => return denied.into(),
            AttachError::OverLimit(over) => return over.into(),
            AttachError::NoHold { .. } => StatusCode::FORBIDDEN,
            AttachError::Taken { .. } | AttachError::Conflict { .. } => StatusCode::CONFLICT,
            AttachError::TooManySubscriptions { .. }
            | AttachError::TooManyTopics { .. }
            | AttachError::BrokerFull { .. } => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = self.reason + "\n";
        if self.status == StatusCode::UNAUTHORIZED {
            (self.status, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response()
        } else {
            (self.status, body).into_response()
        }
    }
}
