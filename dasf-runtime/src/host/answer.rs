//! The response to a request.

use bytes::Bytes;
use dasf_protocol::{ErrorInfo, MessageType, Properties, Status};

use crate::module::{Failure, Outcome};

/// How much memory beyond its own size a response may keep, in bytes.
const MAX_SPARE: usize = 128;

/// The response to a request.
#[derive(Debug)]
pub(super) struct Answer {
    status: Status,
    /// The code and the details of an error, if the function has told them.
    error: Option<Box<ErrorInfo>>,
    pub(super) payload: Bytes,
}

impl Answer {
    /// Returns the response with a result. It may be kept for a while, so it has little memory to spare.
    pub(super) fn success(mut result: Vec<u8>) -> Self {
        // The allocator may copy the result for this. For a few bytes, that is not worth it.
        if result.capacity() - result.len() > MAX_SPARE {
            result.shrink_to_fit();
        }
        Self {
            status: Status::Success,
            error: None,
            payload: result.into(),
        }
    }

    pub(super) fn failure(failure: &Failure) -> Self {
        Self {
            status: Status::Error,
            error: failure.info().cloned().map(Box::new),
            payload: failure.wire_text().into(),
        }
    }

    /// Returns the properties of each message of the response.
    pub(super) fn properties(&self) -> Properties {
        let properties = response().with_status(self.status);
        match &self.error {
            Some(error) => error.add_to(properties),
            None => properties,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_keeps_little_memory_beyond_its_size() {
        let kept = |capacity| {
            let mut result = Vec::with_capacity(capacity);
            result.push(b'1');
            Vec::from(Answer::success(result).payload).capacity()
        };
        assert_eq!(kept(1 + MAX_SPARE), 1 + MAX_SPARE);
        assert_eq!(kept(2 + MAX_SPARE), 1);
    }
}
