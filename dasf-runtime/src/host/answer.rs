//! The response to a request.

use bytes::Bytes;
use dasf_protocol::{MessageType, Properties, Status};

use crate::module::{Failure, Outcome};

/// The response to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) properties: Properties,
    pub(super) payload: Bytes,
}

impl Answer {
    pub(super) fn success(payload: impl Into<Bytes>) -> Self {
        Self {
            properties: response().with_status(Status::Success),
            payload: payload.into(),
        }
    }

    pub(super) fn failure(failure: &Failure) -> Self {
        let properties = response().with_status(Status::Error);
        let properties = match failure.info() {
            Some(info) => info.add_to(properties),
            None => properties,
        };
        Self {
            properties,
            payload: failure.wire_text().into(),
        }
    }

    /// The largest response that is remembered, in bytes.
    const SMALL: usize = 1 << 20;

    /// Returns whether the response is remembered for a redelivery of its request.
    pub(super) fn is_small(&self) -> bool {
        self.size() <= Self::SMALL
    }

    /// Returns the size in bytes.
    pub(super) fn size(&self) -> usize {
        self.payload.len()
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Ok(output) => Self::success(output.0),
            Err(failure) => Self::failure(&failure),
        }
    }
}

/// Returns the properties of every response.
pub(super) fn response() -> Properties {
    Properties::new().with_message_type(MessageType::Response)
}
