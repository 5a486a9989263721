//! The path of a handshake.

use dasf_protocol::{Subscription, Topic};

use super::decode::decode;
use super::error::RouteError;
use crate::topic::TopicName;

/// The conventions of a socket for its path, its defaults and its receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Dasf,
    Pulsar,
}

/// The meaning of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Health,
    /// The broker reads its configuration again.
    Reload,
    /// What one may see of the broker.
    Seen(Seen),
    /// The requests that are put aside.
    Dead(Dead),
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

/// What one may see of a broker, with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// `/metrics`
    Metrics,
    /// `/api/topics`
    Topics,
    /// `/api/topics/{topic}`
    Topic(TopicName),
    /// `/{topic}/status/`, as at a Django broker
    Status(TopicName),
    /// `/{topic}/ping/`, as at a Django broker
    Ping(TopicName),
}

/// What a request about the requests that are put aside wants. A text is the id of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dead {
    /// `/api/dead`
    All,
    /// `/api/dead/{id}`
    One(String),
    /// `/api/dead/{id}/retry`
    Retry(String),
    /// `/api/dead/{id}/drop`
    Drop(String),
}

impl Route {
    /// Reads the path of a request line. It ignores empty segments, so base URLs may end in `/`. The
    /// number of segments decides the style: `/ws/v2/x` is the DASF topic `v2`. Below `/ws` there are only
    /// producers and consumers, so there is no status page of a topic `ws`.
    pub(crate) fn parse(path: &str) -> Result<Self, RouteError> {
        let segments: Vec<_> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        match *segments.as_slice() {
            ["health"] => Ok(Self::Health),
            ["api", "reload"] => Ok(Self::Reload),
            ["metrics"] => Ok(Self::Seen(Seen::Metrics)),
            ["api", "topics"] => Ok(Self::Seen(Seen::Topics)),
            ["api", "dead"] => Ok(Self::Dead(Dead::All)),
            ["api", "dead", id] => Ok(Self::Dead(Dead::One(decode(id)?.into_owned()))),
            ["api", "dead", id, "retry"] => Ok(Self::Dead(Dead::Retry(decode(id)?.into_owned()))),
            ["api", "dead", id, "drop"] => Ok(Self::Dead(Dead::Drop(decode(id)?.into_owned()))),
            ["api", "topics", topic] => {
                let topic = decode(topic)?.parse::<Topic>()?.into();
                Ok(Self::Seen(Seen::Topic(topic)))
            }
            ["api", "topics", tenant, namespace, topic] => {
                let topic = scoped_topic(tenant, namespace, topic)?;
                Ok(Self::Seen(Seen::Topic(topic)))
            }
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
            [topic, "status"] => {
                let topic = decode(topic)?.parse::<Topic>()?.into();
                Ok(Self::Seen(Seen::Status(topic)))
            }
            [topic, "ping"] => {
                let topic = decode(topic)?.parse::<Topic>()?.into();
                Ok(Self::Seen(Seen::Ping(topic)))
            }
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
    scoped_topic(tenant, namespace, topic)
}

fn scoped_topic(tenant: &str, namespace: &str, topic: &str) -> Result<TopicName, RouteError> {
    Ok(TopicName::new(
        scope("tenant", tenant)?,
        scope("namespace", namespace)?,
        decode(topic)?.parse()?,
    ))
}

/// Reads a tenant or namespace. It may have the characters that Pulsar allows.
fn scope(kind: &'static str, segment: &str) -> Result<String, RouteError> {
    let name = decode(segment)?.into_owned();
    let accepts = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '=');
    if name.len() <= 255 && name.chars().all(accepts) {
        Ok(name)
    } else {
        Err(RouteError::Scope { kind, name })
    }
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
        assert_eq!(Route::parse("/api/reload/"), Ok(Route::Reload));
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
    fn a_topic_may_have_the_name_of_a_page() {
        for topic in ["api", "metrics", "health", "status", "ping", "topics"] {
            let path = format!("/ws/{topic}");
            assert_eq!(Route::parse(&path), producer(Style::Dasf, topic));
            let path = format!("/ws/{topic}/s");
            assert_eq!(Route::parse(&path), consumer(Style::Dasf, topic, "s"));
            let name: TopicName = topic.parse::<Topic>().unwrap().into();
            for (path, seen) in [
                (format!("/{topic}/status/"), Seen::Status(name.clone())),
                (format!("/{topic}/ping/"), Seen::Ping(name.clone())),
                (format!("/api/topics/{topic}"), Seen::Topic(name.clone())),
                (
                    format!("/api/topics/public/default/{topic}"),
                    Seen::Topic(name),
                ),
            ] {
                assert_eq!(Route::parse(&path), Ok(Route::Seen(seen)), "{path}");
            }
        }
        let dead = |path| Route::parse(path).unwrap();
        assert_eq!(dead("/api/dead/"), Route::Dead(Dead::All));
        let id = || "a b".to_owned();
        assert_eq!(dead("/api/dead/a%20b"), Route::Dead(Dead::One(id())));
        let path = "/api/dead/a%20b/retry";
        assert_eq!(dead(path), Route::Dead(Dead::Retry(id())));
        assert_eq!(dead("/api/dead/a%20b/drop/"), Route::Dead(Dead::Drop(id())));
        assert_eq!(Route::parse("/metrics"), Ok(Route::Seen(Seen::Metrics)));
        assert_eq!(Route::parse("/api//topics/"), Ok(Route::Seen(Seen::Topics)));
        // Below /ws there are only producers and consumers.
        assert_eq!(Route::parse("/ws/status/"), producer(Style::Dasf, "status"));
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

    proptest! {
        #[test]
        fn no_path_panics(path in ".*") {
            let _ = Route::parse(&path);
        }

        #[test]
        fn names_survive_encoding_and_slashes(topic in "[-_0-9A-Za-z]{1,40}", name in "[-._:0-9A-Za-z]{1,40}", slashes in "/{1,3}") {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let path = format!("{slashes}ws{slashes}{topic}{slashes}{encoded}{slashes}");
            prop_assert_eq!(Route::parse(&path), consumer(Style::Dasf, &topic, &name));
        }
    }
}
