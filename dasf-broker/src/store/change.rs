//! The changes that a broker makes to its store.

use dasf_protocol::Subscription as SubscriptionName;

use crate::access::Tenure;
use crate::message::Message;
use crate::topic::{OnClose, SubscriptionType, TopicName};

/// A place where messages wait: a subscription, or a topic that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct QueueId(pub(crate) u64);

/// A queue as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueRecord {
    pub(crate) id: QueueId,
    pub(crate) topic: TopicName,
    /// The meaning of the topic, if it is known.
    pub(crate) tenure: Option<Tenure>,
    /// `None` for the messages of a topic that no subscription has.
    pub(crate) subscription: Option<SubscriptionRecord>,
}

/// A subscription as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubscriptionRecord {
    pub(crate) name: SubscriptionName,
    pub(crate) kind: SubscriptionType,
    pub(crate) on_close: OnClose,
    /// See [`Subscription::since`](crate::topic).
    pub(crate) since: u64,
}

/// A change of the store.
#[derive(Debug)]
pub(crate) enum Change {
    /// A queue is new, or has changed.
    Queue(QueueRecord),
    /// A queue is gone.
    QueueEnded(QueueId),
    /// A queue has got a message.
    Held { message: Message, queue: QueueId },
    /// A queue no longer has a message. Another one has it.
    Released { message: Message, queue: QueueId },
    /// No queue has the message any more.
    Removed { message: Message },
}

impl Change {
    /// Returns whether the change has an effect on the disk. A message that has come and gone since the
    /// last commit has none.
    pub(super) fn is_needed(&self) -> bool {
        match self {
            Self::Queue(_) | Self::QueueEnded(_) => true,
            Self::Held { message, .. } => message.is_held() || message.is_stored(),
            Self::Released { message, .. } | Self::Removed { message } => message.is_stored(),
        }
    }

    /// Records that the change is on the disk.
    pub(super) fn written(&self) {
        if let Self::Held { message, .. } = self {
            message.set_stored();
        }
    }

    /// Records that the change could not be written. Returns it if it must be written later.
    pub(super) fn failed(self) -> Option<Self> {
        match self {
            Self::Held { message, .. } if !message.is_stored() => {
                message.refuse();
                None
            }
            change => Some(change),
        }
    }
}
