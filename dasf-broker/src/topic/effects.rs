//! What a change of a topic causes outside of the topic.

use std::task::Waker;

use super::name::TopicName;
use crate::message::Message;

/// The consequences of a change. The caller carries them out when it holds no lock.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Tasks to wake.
    pub(crate) wakers: Vec<Waker>,
    /// Messages to publish to another topic.
    pub(crate) dead_letters: Vec<DeadLetter>,
}

/// A message after the last redelivery that its consumer allows. Its subscription has removed it.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) message: Message,
    /// The dead-letter topic.
    pub(crate) topic: TopicName,
}
