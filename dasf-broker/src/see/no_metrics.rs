//! The replacement of the metrics in programs without the feature `metrics`.

use axum::http::StatusCode;
use axum::response::Response;

use crate::hub::Hub;
use crate::refusal::Refusal;

pub(super) fn page(_hub: &Hub, _connections: usize) -> Result<Response, Refusal> {
    let reason = "this broker is built without the feature \"metrics\"";
    Err(Refusal::new(StatusCode::NOT_FOUND, reason))
}
