//! What a consumer chooses for itself and its subscription.

use std::time::Duration;

use dasf_protocol::Subscription;

use super::consumer::RunId;
use super::name::TopicName;
use crate::limits::Limits;

/// How the consumers of a subscription share its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubscriptionType {
    /// One consumer gets all messages.
    Exclusive,
    /// Each message goes to one of the consumers.
    Shared,
}

/// What happens with a subscription when its last consumer closes its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnClose {
    /// It waits for a consumer, like after a lost connection.
    Keep,
    /// It ends, and its messages wait for others.
    HandOver,
    /// It ends with its messages.
    Discard,
}

/// What a consumer asks of the messages that its topic holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum HoldOption {
    /// Nothing.
    #[default]
    None,
    /// To get them first.
    Read,
    /// The same, and that the topic holds its messages for this time after the last use.
    Keep(Duration),
    /// That the topic no longer holds them.
    End,
}

/// The options of a consumer in the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerOptions {
    pub(crate) kind: SubscriptionType,
    /// Whether the subscription stays without a consumer.
    pub(crate) durable: bool,
    pub(crate) on_close: OnClose,
    /// How long the subscription stays without a consumer. `None` if the broker decides.
    pub(crate) retention: Option<Duration>,
    pub(crate) receiver_queue_size: Option<usize>,
    /// The time before a negatively acknowledged message is delivered again.
    pub(crate) redelivery_delay: Duration,
    pub(crate) dead_letters: Option<DeadLetterPolicy>,
    /// How many consumers may end while they work on a message, before it is put aside.
    pub(crate) max_deaths: Option<u32>,
    /// The run of a consumer that reports which redelivered messages it begins. Then only these count.
    pub(crate) run: Option<RunId>,
    pub(crate) hold: HoldOption,
}

/// When a message becomes a dead letter, and its topic then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetterPolicy {
    /// The largest number of redeliveries that count.
    pub(crate) max_redeliveries: u32,
    pub(crate) topic: TopicName,
}

/// When the messages of a consumer are given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RedeliveryLimit {
    /// The largest number of redeliveries that count.
    pub(super) max: u32,
    pub(super) fate: Fate,
}

/// What happens to a message that is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its caller learns it, and the broker keeps the message for those who look at it.
    PutAside { is_kept: bool },
    /// It goes to this topic.
    DeadLetter(TopicName),
    /// It is dropped.
    Dropped,
}

impl RedeliveryLimit {
    /// Returns what holds for a consumer of this subscription: the smaller number of its own and that of
    /// the topic.
    pub(super) fn of(
        options: &ConsumerOptions,
        limits: &Limits,
        topic: &TopicName,
        subscription: &Subscription,
    ) -> Option<Self> {
        let asked = options.dead_letters.as_ref();
        let of_consumer = match options.max_deaths {
            // The last of these deaths is one too many.
            Some(deaths) => Some(deaths.saturating_sub(1)),
            None => asked.map(|asked| asked.max_redeliveries),
        };
        let numbers = [of_consumer, limits.topic.max_redeliveries];
        let max = numbers.into_iter().flatten().min()?;
        let is_kept = limits.topic.has_dead_letters;
        let fate = match asked {
            _ if options.max_deaths.is_some() => Fate::PutAside { is_kept },
            _ if !is_kept => Fate::Dropped,
            Some(asked) => Fate::DeadLetter(asked.topic.clone()),
            // Two names of a good length may be too long together.
            None => {
                let topic = topic.dead_letters_of(subscription);
                topic.map_or(Fate::Dropped, Fate::DeadLetter)
            }
        };
        Some(Self { max, fate })
    }
}
