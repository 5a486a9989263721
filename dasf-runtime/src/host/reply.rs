//! Where the response to a request goes.

use std::sync::Arc;

use dasf_protocol::properties::key;
use dasf_protocol::{Properties, Topic};

/// The response topic and the context of a call.
pub(super) type CallId = (Topic, Arc<str>);

/// The address of the response to one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reply {
    pub(super) response_topic: Topic,
    pub(super) context: Arc<str>,
    /// Whether the caller answers pings on that topic.
    pub(super) answers_pings: bool,
}

impl Reply {
    /// Returns the address in the properties of a message; `None` if there is none.
    pub(super) fn to(properties: &Properties) -> Option<Self> {
        Some(Self {
            response_topic: properties.response_topic()?,
            context: properties.request_context()?.into(),
            answers_pings: properties.get(key::ANSWERS_PINGS).is_some(),
        })
    }

    /// Returns the identity of the call, which is the same for all of its messages.
    pub(super) fn call(&self) -> CallId {
        (self.response_topic.clone(), Arc::clone(&self.context))
    }
}
