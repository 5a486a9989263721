//! The path and the query of a handshake.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use dasf_protocol::{Subscription, Topic};

use crate::error::RouteError;

/// The conventions of a socket for its path, its defaults and its receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Dasf,
    Pulsar,
}

/// The full name of a topic. It does not contain the persistence, because the broker keeps all
/// messages in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TopicName {
    tenant: Cow<'static, str>,
    namespace: Cow<'static, str>,
    topic: Topic,
}

const DEFAULT_TENANT: &str = "public";
const DEFAULT_NAMESPACE: &str = "default";

impl From<Topic> for TopicName {
    /// Returns the topic of a DASF path, with the default tenant and namespace of Pulsar.
    fn from(topic: Topic) -> Self {
        Self {
            tenant: DEFAULT_TENANT.into(),
            namespace: DEFAULT_NAMESPACE.into(),
            topic,
        }
    }
}

impl TopicName {
    /// Returns a topic of the same tenant and namespace.
    fn sibling(&self, topic: Topic) -> Self {
        Self {
            topic,
            ..self.clone()
        }
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tenant,
            namespace,
            topic,
        } = self;
        if tenant == DEFAULT_TENANT && namespace == DEFAULT_NAMESPACE {
            write!(f, "{topic}")
        } else {
            write!(f, "{tenant}/{namespace}/{topic}")
        }
    }
}

/// How the consumers of a subscription share its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubscriptionType {
    /// One consumer gets all messages.
    Exclusive,
    /// Each message goes to one of the consumers.
    Shared,
}

/// The options of a consumer in the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerOptions {
    pub(crate) kind: SubscriptionType,
    /// Whether the subscription stays without a consumer.
    pub(crate) durable: bool,
    pub(crate) receiver_queue_size: Option<usize>,
    /// The time before a negatively acknowledged message is delivered again.
    pub(crate) redelivery_delay: Duration,
    pub(crate) dead_letters: Option<DeadLetterPolicy>,
}

/// When a message becomes a dead letter, and its topic then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetterPolicy {
    /// The largest number of redeliveries.
    pub(crate) max_redeliveries: u32,
    pub(crate) topic: TopicName,
}

/// The longest delay of a redelivery. It has a limit because the message stays in the backlog.
pub(crate) const MAX_REDELIVERY_DELAY: Duration = Duration::from_secs(3600);

/// The meaning of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    Producer {
        style: Style,
        topic: TopicName,
    },
    Consumer {
        style: Style,
        topic: TopicName,
        subscription: Subscription,
    },
}

impl Route {
    /// Reads the path of a request line. It ignores empty segments, so base URLs may end in `/`. The
    /// number of segments decides the style: `/ws/v2/x` is the DASF topic `v2`.
    pub(crate) fn parse(path: &str) -> Result<Self, RouteError> {
        let segments: Vec<_> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        match *segments.as_slice() {
            ["health"] => Ok(Self::Health),
            ["ws", topic] => Ok(Self::Producer {
                style: Style::Dasf,
                topic: decode(topic)?.parse::<Topic>()?.into(),
            }),
            ["ws", topic, subscription] => Ok(Self::Consumer {
                style: Style::Dasf,
                topic: decode(topic)?.parse::<Topic>()?.into(),
                subscription: decode(subscription)?.parse()?,
            }),
            [
                "ws",
                "v2",
                "producer",
                persistence,
                tenant,
                namespace,
                topic,
            ] => Ok(Self::Producer {
                style: Style::Pulsar,
                topic: pulsar_topic(persistence, tenant, namespace, topic)?,
            }),
            [
                "ws",
                "v2",
                "consumer",
                persistence,
                tenant,
                namespace,
                topic,
                subscription,
            ] => Ok(Self::Consumer {
                style: Style::Pulsar,
                topic: pulsar_topic(persistence, tenant, namespace, topic)?,
                subscription: decode(subscription)?.parse()?,
            }),
            _ => Err(RouteError::Unknown),
        }
    }
}

fn pulsar_topic(
    persistence: &str,
    tenant: &str,
    namespace: &str,
    topic: &str,
) -> Result<TopicName, RouteError> {
    let persistence = decode(persistence)?;
    if !matches!(&*persistence, "persistent" | "non-persistent") {
        return Err(RouteError::Persistence {
            persistence: persistence.into_owned(),
        });
    }
    Ok(TopicName {
        tenant: scope("tenant", tenant)?,
        namespace: scope("namespace", namespace)?,
        topic: decode(topic)?.parse()?,
    })
}

/// Reads a tenant or namespace. It may have the characters that Pulsar allows.
fn scope(kind: &'static str, segment: &str) -> Result<Cow<'static, str>, RouteError> {
    let name = decode(segment)?.into_owned();
    let accepts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '=');
    if name.len() <= 255 && name.chars().all(accepts) {
        Ok(name.into())
    } else {
        Err(RouteError::Scope { kind, name })
    }
}

/// The query parameters of a handshake.
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) fn new(query: Option<&'a str>) -> Self {
        Self(query.unwrap_or_default())
    }

    /// Returns the first value of a parameter. A `+` stays a `+`: tokens contain it, and no value
    /// contains a space.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Cow<'a, str>>, RouteError> {
        self.0
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| decode(value))
            .transpose()
    }

    /// Returns the options of a consumer. Other parameters of Pulsar, such as names, are ignored: the
    /// consumer works without them.
    pub(crate) fn consumer_options(
        &self,
        style: Style,
        topic: &TopicName,
        subscription: &Subscription,
    ) -> Result<ConsumerOptions, RouteError> {
        let kind = match self.get("subscriptionType")?.as_deref() {
            Some("Exclusive") => SubscriptionType::Exclusive,
            Some("Shared") => SubscriptionType::Shared,
            Some(other) => {
                return Err(RouteError::SubscriptionType {
                    value: other.to_owned(),
                });
            }
            None => match style {
                // Modules in Python name their subscription by the second in which they start. Two
                // that start in the same second must not exclude each other.
                Style::Dasf => SubscriptionType::Shared,
                Style::Pulsar => SubscriptionType::Exclusive,
            },
        };
        let durable = match self.get("subscriptionMode")?.as_deref() {
            None | Some("Durable") => true,
            Some("NonDurable") => false,
            Some(other) => {
                return Err(RouteError::SubscriptionMode {
                    value: other.to_owned(),
                });
            }
        };
        let receiver_queue_size = match self.get("receiverQueueSize")? {
            None => None,
            Some(value) => match value.parse() {
                Ok(size) => Some(size),
                Err(_) => {
                    return Err(RouteError::ReceiverQueueSize {
                        value: value.into_owned(),
                    });
                }
            },
        };
        let redelivery_delay = match self.get("negativeAckRedeliveryDelay")? {
            None => Duration::ZERO,
            Some(value) => match value.parse() {
                Ok(delay) => Duration::from_millis(delay).min(MAX_REDELIVERY_DELAY),
                Err(_) => {
                    return Err(RouteError::RedeliveryDelay {
                        value: value.into_owned(),
                    });
                }
            },
        };
        Ok(ConsumerOptions {
            kind,
            durable,
            receiver_queue_size,
            redelivery_delay,
            dead_letters: self.dead_letters(topic, subscription)?,
        })
    }

    fn dead_letters(
        &self,
        topic: &TopicName,
        subscription: &Subscription,
    ) -> Result<Option<DeadLetterPolicy>, RouteError> {
        let name = self.get("deadLetterTopic")?;
        let Some(max) = self.get("maxRedeliverCount")? else {
            return match name {
                None => Ok(None),
                Some(_) => Err(RouteError::DeadLetterTopicAlone),
            };
        };
        let max_redeliveries = match max.parse::<NonZeroU32>() {
            Ok(max) => max.get(),
            Err(_) => {
                return Err(RouteError::MaxRedeliverCount {
                    value: max.into_owned(),
                });
            }
        };
        let name = match name {
            Some(name) => name,
            // The default of Pulsar, but a topic cannot contain `.` and `:`.
            None => format!("{}-{subscription}-DLQ", topic.topic)
                .replace(['.', ':'], "-")
                .into(),
        };
        let dead_letter_topic = topic.sibling(name.parse().map_err(RouteError::DeadLetterTopic)?);
        if dead_letter_topic == *topic {
            return Err(RouteError::DeadLetterCircle {
                value: name.into_owned(),
            });
        }
        Ok(Some(DeadLetterPolicy {
            max_redeliveries,
            topic: dead_letter_topic,
        }))
    }
}

/// Decodes percent-encoding.
fn decode(text: &str) -> Result<Cow<'_, str>, RouteError> {
    if !text.contains('%') {
        return Ok(text.into());
    }
    let wrong = || RouteError::Encoding {
        text: text.to_owned(),
    };
    let digit = |byte: Option<u8>| {
        byte.and_then(|byte| char::from(byte).to_digit(16))
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(wrong)
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next())? * 16 + digit(bytes.next())?,
            other => other,
        });
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn producer(style: Style, topic: &str) -> Result<Route, RouteError> {
        let topic = topic.parse::<Topic>().unwrap().into();
        Ok(Route::Producer { style, topic })
    }

    fn consumer(style: Style, topic: &str, subscription: &str) -> Result<Route, RouteError> {
        let topic = topic.parse::<Topic>().unwrap().into();
        Ok(Route::Consumer {
            style,
            topic,
            subscription: subscription.parse().unwrap(),
        })
    }

    #[test]
    fn both_styles_name_the_same_topic() {
        assert_eq!(Route::parse("/ws/demo"), producer(Style::Dasf, "demo"));
        assert_eq!(
            Route::parse("/ws/demo/a:b.c"),
            consumer(Style::Dasf, "demo", "a:b.c")
        );
        for persistence in ["persistent", "non-persistent"] {
            let path = format!("/ws/v2/producer/{persistence}/public/default/demo");
            assert_eq!(Route::parse(&path), producer(Style::Pulsar, "demo"));
            let path = format!("/ws/v2/consumer/{persistence}/public/default/demo/s");
            assert_eq!(Route::parse(&path), consumer(Style::Pulsar, "demo", "s"));
        }
    }

    #[test]
    fn another_tenant_or_namespace_is_another_topic() {
        for path in [
            "/ws/v2/producer/persistent/lab/default/demo",
            "/ws/v2/producer/persistent/public/lab/demo",
        ] {
            assert_ne!(Route::parse(path), producer(Style::Pulsar, "demo"));
        }
        let Ok(Route::Producer { topic, .. }) =
            Route::parse("/ws/v2/producer/persistent/lab/x.y/demo")
        else {
            panic!("a good path")
        };
        assert_eq!(topic.to_string(), "lab/x.y/demo");
    }

    #[test]
    fn slashes_do_not_count() {
        assert_eq!(Route::parse("//ws///demo/"), producer(Style::Dasf, "demo"));
        assert_eq!(
            Route::parse("/ws//demo//s"),
            consumer(Style::Dasf, "demo", "s")
        );
        assert_eq!(
            Route::parse("/ws//v2/consumer//persistent/public/default//demo/s/"),
            consumer(Style::Pulsar, "demo", "s")
        );
        assert_eq!(Route::parse("/health/"), Ok(Route::Health));
    }

    #[test]
    fn the_number_of_segments_decides() {
        assert_eq!(Route::parse("/ws/v2"), producer(Style::Dasf, "v2"));
        assert_eq!(
            Route::parse("/ws/v2/producer"),
            consumer(Style::Dasf, "v2", "producer")
        );
        for path in [
            "/",
            "/ws",
            "/demo",
            "/ws/v2/consumer/persistent/public/default/demo",
            "/ws/v2/producer/persistent/public/default/demo/s",
            "/ws/v2/reader/persistent/public/default/demo",
        ] {
            assert_eq!(Route::parse(path), Err(RouteError::Unknown), "{path}");
        }
    }

    #[test]
    fn invalid_names_are_errors() {
        let told = |path: &str| Route::parse(path).unwrap_err().to_string();
        assert!(told("/ws/a%20b").contains("the topic \"a b\" contains a space"));
        assert!(told("/ws/demo/a%2Fb").contains("the subscription \"a/b\" contains '/'"));
        assert!(told("/ws/a%2").contains("percent"));
        assert!(told("/ws/%FF").contains("percent"));
        assert!(told("/ws/v2/producer/volatile/public/default/demo").contains("volatile"));
        assert!(told("/ws/v2/producer/persistent/a%20b/default/demo").contains("tenant"));
        assert_eq!(
            Route::parse("/ws/demo/a%3Ab"),
            consumer(Style::Dasf, "demo", "a:b")
        );
    }

    fn consumer_options(
        query: Option<&str>,
        style: Style,
        topic: &str,
        subscription: &str,
    ) -> Result<ConsumerOptions, RouteError> {
        let topic = topic.parse::<Topic>().unwrap().into();
        Query::new(query).consumer_options(style, &topic, &subscription.parse().unwrap())
    }

    #[test]
    fn dead_letters_have_a_topic() {
        let policy = |query: &str, subscription: &str| {
            consumer_options(Some(query), Style::Dasf, "demo", subscription)
                .map(|options| options.dead_letters)
        };
        let found = |max_redeliveries, topic: &str| {
            let topic = topic.parse::<Topic>().unwrap().into();
            Ok(Some(DeadLetterPolicy {
                max_redeliveries,
                topic,
            }))
        };
        assert_eq!(policy("maxRedeliverCount=3", "s"), found(3, "demo-s-DLQ"));
        assert_eq!(
            policy("maxRedeliverCount=1", "a:b.c_d"),
            found(1, "demo-a-b-c_d-DLQ")
        );
        assert_eq!(
            policy("deadLetterTopic=lost&maxRedeliverCount=1", "s"),
            found(1, "lost")
        );
        let told =
            |query: &str, subscription: &str| policy(query, subscription).unwrap_err().to_string();
        let long = told("maxRedeliverCount=1", &"s".repeat(250));
        assert!(long.contains("259 characters") && long.contains("deadLetterTopic"));
        assert!(told("deadLetterTopic=x", "s").contains("maxRedeliverCount"));
        assert!(
            told(
                "maxRedeliverCount=1&deadLetterTopic=persistent://public/default/x",
                "s"
            )
            .contains("':'")
        );

        // It has the tenant and the namespace of the topic.
        let route = Route::parse("/ws/v2/consumer/persistent/lab/x.y/demo/s").unwrap();
        let Route::Consumer {
            style,
            topic,
            subscription,
        } = route
        else {
            panic!("a good path")
        };
        let options = Query::new(Some("maxRedeliverCount=1"))
            .consumer_options(style, &topic, &subscription)
            .unwrap();
        assert_eq!(
            options.dead_letters.unwrap().topic.to_string(),
            "lab/x.y/demo-s-DLQ"
        );
    }

    #[test]
    fn the_query_sets_the_options_of_a_consumer() {
        let options = |query, style| consumer_options(query, style, "demo", "s");
        assert_eq!(
            options(None, Style::Dasf),
            Ok(ConsumerOptions {
                kind: SubscriptionType::Shared,
                durable: true,
                receiver_queue_size: None,
                redelivery_delay: Duration::ZERO,
                dead_letters: None
            })
        );
        assert_eq!(
            options(None, Style::Pulsar).map(|options| options.kind),
            Ok(SubscriptionType::Exclusive)
        );
        assert_eq!(
            options(
                Some(
                    "token=a&subscriptionType=Shared&receiverQueueSize=4&subscriptionMode=NonDurable\
                     &negativeAckRedeliveryDelay=2500"
                ),
                Style::Pulsar
            ),
            Ok(ConsumerOptions {
                kind: SubscriptionType::Shared,
                durable: false,
                receiver_queue_size: Some(4),
                redelivery_delay: Duration::from_millis(2500),
                dead_letters: None
            })
        );
        let longest = format!("negativeAckRedeliveryDelay={}", u64::MAX);
        assert_eq!(
            options(Some(&longest), Style::Pulsar).map(|options| options.redelivery_delay),
            Ok(MAX_REDELIVERY_DELAY)
        );
        for bad in [
            "subscriptionType=Failover",
            "subscriptionMode=x",
            "receiverQueueSize=-1",
            "negativeAckRedeliveryDelay=",
            "negativeAckRedeliveryDelay=-1",
            "negativeAckRedeliveryDelay=1.5",
            "negativeAckRedeliveryDelay=1m",
            "maxRedeliverCount=",
            "maxRedeliverCount=0",
            "maxRedeliverCount=-1",
            "maxRedeliverCount=4294967296",
            "deadLetterTopic=x",
            "maxRedeliverCount=1&deadLetterTopic=",
            "maxRedeliverCount=1&deadLetterTopic=a.b",
            "maxRedeliverCount=1&deadLetterTopic=demo",
        ] {
            assert!(options(Some(bad), Style::Dasf).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_parameter_is_decoded() {
        let query = Query::new(Some("x&token=a%2Bb+c%3D&token=second"));
        assert_eq!(query.get("token").unwrap().as_deref(), Some("a+b+c="));
        assert_eq!(query.get("x").unwrap().as_deref(), Some(""));
        assert_eq!(query.get("y").unwrap(), None);
    }

    proptest! {
        #[test]
        fn no_path_panics(path in ".*", query in ".*") {
            let _ = Route::parse(&path);
            let _ = consumer_options(Some(&query), Style::Dasf, "demo", "s");
        }

        #[test]
        fn names_survive_encoding_and_slashes(topic in "[-_0-9A-Za-z]{1,40}", name in "[-._:0-9A-Za-z]{1,40}", slashes in "/{1,3}") {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let path = format!("{slashes}ws{slashes}{topic}{slashes}{encoded}{slashes}");
            prop_assert_eq!(Route::parse(&path), consumer(Style::Dasf, &topic, &name));
        }
    }
}
