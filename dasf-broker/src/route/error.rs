//! The errors of a path and of a query.

use dasf_protocol::TopicError;

/// The error of a path or query that belongs to no producer or consumer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(
        "the broker does not know this path; its paths are\n\
         /ws/{{topic}} (publish) and /ws/{{topic}}/{{subscription}} (consume), and in the Pulsar style\n\
         /ws/v2/producer/{{persistence}}/{{tenant}}/{{namespace}}/{{topic}} and\n\
         /ws/v2/consumer/{{persistence}}/{{tenant}}/{{namespace}}/{{topic}}/{{subscription}};\n\
         pages are /health, /metrics, /api/topics, /api/topics/{{topic}}, /api/dead, /api/dead/{{id}},\n\
         /{{topic}}/status/ and /{{topic}}/ping/"
    )]
    Unknown,
    #[error(transparent)]
    Name(#[from] TopicError),
    #[error("{text:?} is not percent-encoded UTF-8")]
    Encoding { text: String },
    #[error("the persistence is {persistence:?}; use \"persistent\" or \"non-persistent\"")]
    Persistence { persistence: String },
    #[error("the {kind} is {name:?}; use 1 to 255 letters, digits, '-', '_', '.', ':' and '='")]
    Scope { kind: &'static str, name: String },
    #[error("the subscription type is {value:?}; use Exclusive or Shared")]
    SubscriptionType { value: String },
    #[error("the subscription mode is {value:?}; use Durable or NonDurable")]
    SubscriptionMode { value: String },
    #[error("onClose is {value:?}; use Keep, HandOver or Discard")]
    OnClose { value: String },
    #[error(
        "subscriptionRetention is {value:?}; use an integer of at least 1, the number of seconds, or leave it out"
    )]
    Retention { value: String },
    #[error("hold is {value:?}; use an integer, the number of seconds, or 0 to end the hold")]
    Hold { value: String },
    #[error("subscriptionInitialPosition is {value:?}; use Latest or Earliest")]
    InitialPosition { value: String },
    #[error("nobodyListens is {value:?}; use Wait or Refuse")]
    NobodyListens { value: String },
    #[error("receiverQueueSize is {value:?}; use an integer of at least 1")]
    ReceiverQueueSize { value: String },
    #[error("negativeAckRedeliveryDelay is {value:?}; use an integer, the number of milliseconds")]
    RedeliveryDelay { value: String },
    #[error(
        "begunBy is {value:?}; use an integer of at most 64 bits that no other program uses, or leave it out"
    )]
    BegunBy { value: String },
    #[error("maxDeaths is {value:?}; use an integer of at least 1, or leave it out")]
    MaxDeaths { value: String },
    #[error(
        "maxDeaths needs begunBy, because the broker counts what consumers report; add it, or leave both out"
    )]
    MaxDeathsAlone,
    #[error("maxRedeliverCount is {value:?}; use an integer of at least 1, or leave it out")]
    MaxRedeliverCount { value: String },
    #[error("limit is {value:?}; use an integer of at least 1")]
    Limit { value: String },
    #[error("{name} is {value:?}; use true or false")]
    Flag { name: &'static str, value: String },
    #[error(
        "deadLetterTopic needs maxRedeliverCount; add it, such as maxRedeliverCount=3, or leave \
         both out"
    )]
    DeadLetterTopicAlone,
    #[error(
        "the name of the dead-letter topic is not valid: {0}; set another name with \
         deadLetterTopic=NAME, without tenant and namespace"
    )]
    DeadLetterTopic(#[source] TopicError),
    #[error("deadLetterTopic is {value:?}, the consumer's own topic; use another topic")]
    DeadLetterCircle { value: String },
}
