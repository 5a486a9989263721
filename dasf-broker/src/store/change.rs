//! The changes that a broker makes to its store.

use std::collections::HashSet;
use std::time::Duration;

use dasf_protocol::Subscription as SubscriptionName;

use crate::access::Tenure;
use crate::message::Message;
use crate::topic::{Attempt, OnClose, SubscriptionType, TopicName};

/// A place where messages wait: a subscription, a topic that has none, the hold of a topic, or what is put
/// aside.
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
    /// How long a topic holds the messages without a use; `None` if the queue is no hold.
    pub(crate) hold: Option<Duration>,
    /// What the broker knows of a request that is put aside, as JSON. `None` for all other queues.
    pub(crate) dead: Option<String>,
}

/// A subscription as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubscriptionRecord {
    pub(crate) name: SubscriptionName,
    pub(crate) kind: SubscriptionType,
    pub(crate) on_close: OnClose,
    /// How long it stays without a consumer, if a consumer has asked for a time.
    pub(crate) retention: Option<Duration>,
    /// See [`Subscription::since`](crate::topic).
    pub(crate) since: u64,
}

/// What happened to a message in a queue before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The number of deliveries without an acknowledgement.
    pub(crate) redeliveries: u32,
    /// How often a consumer that worked on the message returned it.
    pub(crate) returned: u32,
    /// The runs of the consumers that were lost while they worked on the message.
    pub(crate) lost: Vec<u64>,
    /// The deliveries that are described.
    pub(crate) attempts: Vec<Attempt>,
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
    /// A message has come back to its queue.
    History {
        message: Message,
        queue: QueueId,
        counts: Counts,
    },
    /// A queue no longer has a message. Another one has it.
    Released { message: Message, queue: QueueId },
    /// No queue has the message any more.
    Removed { message: Message },
}

/// What a change is about. The last change of a subject decides its state.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Subject {
    Queue(QueueId),
    Message(u64),
    Place(u64, QueueId),
    History(u64, QueueId),
}

impl Change {
    /// Returns whether the change has an effect on the disk. A message that has come and gone since the
    /// last commit has none.
    pub(super) fn is_needed(&self) -> bool {
        match self {
            Self::Queue(_) | Self::QueueEnded(_) => true,
            Self::Held { message, .. }
            | Self::History { message, .. }
            | Self::Released { message, .. } => {
                message.is_stored() || message.is_held() && !message.is_refused()
            }
            Self::Removed { message } => message.is_stored(),
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
            Self::History { message, .. } | Self::Released { message, .. }
                if !message.is_stored() =>
            {
                None
            }
            change => Some(change),
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Queue(QueueRecord { id, .. }) | Self::QueueEnded(id) => Subject::Queue(*id),
            Self::Removed { message } => Subject::Message(message.sequence),
            Self::History { message, queue, .. } => Subject::History(message.sequence, *queue),
            Self::Held { message, queue } | Self::Released { message, queue } => {
                Subject::Place(message.sequence, *queue)
            }
        }
    }

    /// Removes the changes after which others make the same state. What is left has a bound: the queues
    /// that exist or are on the disk, and the places of messages that are on the disk.
    pub(super) fn compact(changes: &mut Vec<Self>, on_disk: &HashSet<QueueId>) {
        let mut later = HashSet::new();
        let mut kept: Vec<_> = std::mem::take(changes)
            .into_iter()
            .rev()
            .filter(|change| {
                let subject = change.subject();
                let is_removed = match subject {
                    Subject::Queue(_) | Subject::Message(_) => false,
                    Subject::Place(message, _) | Subject::History(message, _) => {
                        later.contains(&Subject::Message(message))
                    }
                };
                !is_removed && later.insert(subject)
            })
            .filter(|change| match change {
                Self::QueueEnded(id) => on_disk.contains(id),
                _ => true,
            })
            .collect();
        kept.reverse();
        *changes = kept;
    }
}
