//! The query of a handshake.

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use dasf_protocol::Subscription;

use super::decode::decode;
use super::error::RouteError;
use super::path::Style;
use crate::topic::{
    ConsumerOptions, DeadLetterPolicy, HoldOption, Introduction, OnClose, RunId, SubscriptionType,
    TopicName, shortened,
};

/// The longest delay of a redelivery. It has a limit because the message stays in the backlog.
pub(crate) const MAX_REDELIVERY_DELAY: Duration = Duration::from_secs(3600);

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
        let hold = self.hold()?;
        let on_close = match self.get("onClose")?.as_deref() {
            None | Some("Keep") => OnClose::Keep,
            Some("HandOver") => OnClose::HandOver,
            Some("Discard") => OnClose::Discard,
            Some(other) => {
                return Err(RouteError::OnClose {
                    value: other.to_owned(),
                });
            }
        };
        let retention = match self.get("subscriptionRetention")? {
            None => None,
            Some(value) => match value.parse::<NonZeroU64>() {
                Ok(seconds) => Some(Duration::from_secs(seconds.get())),
                Err(_) => {
                    return Err(RouteError::Retention {
                        value: value.into_owned(),
                    });
                }
            },
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
        let run = match self.get("begunBy")? {
            None => None,
            Some(value) => match value.parse() {
                Ok(run) => Some(RunId(run)),
                Err(_) => {
                    return Err(RouteError::BegunBy {
                        value: value.into_owned(),
                    });
                }
            },
        };
        Ok(ConsumerOptions {
            kind,
            // A hold keeps the messages for its readers.
            durable: durable && hold == HoldOption::None,
            hold,
            on_close,
            retention,
            receiver_queue_size,
            redelivery_delay,
            max_deaths: self.max_deaths(run)?,
            run,
            dead_letters: self.dead_letters(topic, subscription)?,
        })
    }

    /// Returns what a consumer asks of the messages that its topic holds.
    fn hold(&self) -> Result<HoldOption, RouteError> {
        if let Some(value) = self.get("hold")? {
            return match value.parse() {
                Ok(0) => Ok(HoldOption::End),
                Ok(seconds) => Ok(HoldOption::Keep(Duration::from_secs(seconds))),
                Err(_) => Err(RouteError::Hold {
                    value: value.into_owned(),
                }),
            };
        }
        match self.get("subscriptionInitialPosition")?.as_deref() {
            Some("Earliest") => Ok(HoldOption::Read),
            None | Some("Latest") => Ok(HoldOption::None),
            Some(other) => Err(RouteError::InitialPosition {
                value: other.to_owned(),
            }),
        }
    }

    /// Returns how many consumers may end while they work on a message. The broker counts those that report
    /// what they begin.
    fn max_deaths(&self, run: Option<RunId>) -> Result<Option<u32>, RouteError> {
        let Some(value) = self.get("maxDeaths")? else {
            return Ok(None);
        };
        match value.parse::<NonZeroU32>() {
            Ok(_) if run.is_none() => Err(RouteError::MaxDeathsAlone),
            Ok(deaths) => Ok(Some(deaths.get())),
            Err(_) => Err(RouteError::MaxDeaths {
                value: value.into_owned(),
            }),
        }
    }

    /// Returns whether the peer wants to know at once that nobody reads a request. Otherwise it waits.
    pub(crate) fn refuses_unread(&self) -> Result<bool, RouteError> {
        match self.get("nobodyListens")?.as_deref() {
            None | Some("Wait") => Ok(false),
            Some("Refuse") => Ok(true),
            Some(other) => Err(RouteError::NobodyListens {
                value: other.to_owned(),
            }),
        }
    }

    /// Returns what a consumer tells of itself. Nothing depends on it, so a value that is none is left out.
    pub(crate) fn introduction(&self) -> Introduction {
        let text = |name| {
            let value = self.get(name).ok().flatten()?;
            Some(shortened(&value)).filter(|text| !text.is_empty())
        };
        Introduction {
            module: text("module"),
            version: text("version"),
            host: text("host"),
            process: text("process").and_then(|process| process.parse().ok()),
        }
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
        let dead_letter_topic = match name {
            Some(name) => name.parse().map(|name| topic.sibling(name)),
            None => topic.dead_letters_of(subscription),
        };
        let dead_letter_topic = dead_letter_topic.map_err(RouteError::DeadLetterTopic)?;
        if dead_letter_topic == *topic {
            return Err(RouteError::DeadLetterCircle {
                value: topic.topic().to_string(),
            });
        }
        Ok(Some(DeadLetterPolicy {
            max_redeliveries,
            topic: dead_letter_topic,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dasf_protocol::Topic;
    use proptest::prelude::*;

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
        let topic = TopicName::new("lab".to_owned(), "x.y".to_owned(), "demo".parse().unwrap());
        let options = Query::new(Some("maxRedeliverCount=1"))
            .consumer_options(Style::Pulsar, &topic, &"s".parse().unwrap())
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
                on_close: OnClose::Keep,
                retention: None,
                receiver_queue_size: None,
                redelivery_delay: Duration::ZERO,
                dead_letters: None,
                max_deaths: None,
                run: None,
                hold: HoldOption::None,
            })
        );
        assert_eq!(
            options(None, Style::Pulsar).map(|options| options.kind),
            Ok(SubscriptionType::Exclusive)
        );
        assert_eq!(
            options(
                Some(
                    "token=a&subscriptionType=Shared&receiverQueueSize=4&subscriptionMode=NonDurable&onClose=HandOver\
                     &subscriptionRetention=86400&negativeAckRedeliveryDelay=2500&begunBy=18446744073709551615&maxDeaths=2"
                ),
                Style::Pulsar
            ),
            Ok(ConsumerOptions {
                kind: SubscriptionType::Shared,
                durable: false,
                on_close: OnClose::HandOver,
                retention: Some(Duration::from_secs(86_400)),
                receiver_queue_size: Some(4),
                redelivery_delay: Duration::from_millis(2500),
                dead_letters: None,
                max_deaths: Some(2),
                run: Some(RunId(u64::MAX)),
                hold: HoldOption::None,
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
            "onClose=handover",
            "subscriptionRetention=",
            "subscriptionRetention=0",
            "subscriptionRetention=-1",
            "subscriptionRetention=7d",
            "receiverQueueSize=-1",
            "negativeAckRedeliveryDelay=",
            "negativeAckRedeliveryDelay=-1",
            "negativeAckRedeliveryDelay=1.5",
            "negativeAckRedeliveryDelay=1m",
            "begunBy=",
            "begunBy=-1",
            "begunBy=18446744073709551616",
            "maxDeaths=2",
            "begunBy=1&maxDeaths=0",
            "begunBy=1&maxDeaths=many",
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
        fn no_query_panics(query in ".*") {
            let _ = consumer_options(Some(&query), Style::Dasf, "demo", "s");
        }
    }
}
