//! DASF brokers: the Django broker and the embedded broker.

use dasf_protocol::Topic;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::http::HeaderMap;

use super::base_url::BaseUrl;
use super::json::{Json, Lack};
use super::websocket::{self, Endpoint};
use super::{Publisher, PublisherOptions, Reader, Reading, Subscriber, Transport, Trust};

/// The header in which a broker lists its features beyond the protocol.
const FEATURES: &str = "dasf-features";
/// The feature of brokers where several readers can share the messages of a subscription.
const SHARED_SUBSCRIPTIONS: &str = "shared-subscriptions";

/// A DASF broker, whose topics are paths below a URL.
#[derive(Debug, Clone)]
pub(crate) struct Dasf {
    pub(crate) producer: BaseUrl,
    pub(crate) consumer: BaseUrl,
    pub(crate) headers: HeaderMap,
    pub(crate) trust: Trust,
    pub(crate) runtime: Handle,
}

impl Dasf {
    fn producer(&self, topic: &Topic) -> Endpoint {
        Endpoint {
            url: self.producer.join(topic.as_str(), &[]),
            below: topic.to_string(),
            headers: self.headers.clone(),
            trust: self.trust.clone(),
        }
    }

    /// Returns the URL to read from, with the parameters of a group for the embedded broker.
    fn consumer(&self, topic: &Topic, reading: &Reading) -> Endpoint {
        let path = format!("{topic}/{}", reading.subscription);
        let parameters = match reading.reader {
            Reader::Caller | Reader::Alone => Vec::new(),
            Reader::Group => reading.shared_parameters(),
        };
        Endpoint {
            url: self.consumer.join(&path, &parameters),
            below: path,
            headers: self.headers.clone(),
            trust: self.trust.clone(),
        }
    }
}

impl Transport for Dasf {
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher {
        let endpoint = self.producer(topic);
        websocket::publisher(&self.runtime, Json::default(), endpoint, topic, options)
    }

    fn subscribe(&self, topic: &Topic, reading: &Reading) -> Subscriber {
        let dialect = match reading.reader {
            Reader::Caller | Reader::Alone => Json::default(),
            Reader::Group => Json {
                gives_back: true,
                lacks: Some(lacks_groups),
                ..Json::default()
            },
        };
        websocket::subscriber(&self.runtime, dialect, self.consumer(topic, reading), topic)
    }

    fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Returns the missing feature of a broker without groups. The Django broker lists no features and
/// ignores the name of a subscription.
fn lacks_groups(headers: &HeaderMap) -> Option<Lack> {
    let named = headers.get_all(FEATURES).into_iter();
    let mut features = named
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let lack = Lack {
        feature: "a group",
        reason: "it sends every message to every module that listens, as dasf-broker-django does, so the whole group \
                 would run each request; start one module without a group, or use dasf-broker, Apache Pulsar or MQTT",
    };
    (!features.any(|feature| feature.trim() == SHARED_SUBSCRIPTIONS)).then_some(lack)
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::http::HeaderValue;

    use super::*;

    fn dasf(url: &str) -> Dasf {
        let url = BaseUrl::parse(url).unwrap();
        Dasf {
            producer: url.clone(),
            consumer: url,
            headers: HeaderMap::new(),
            trust: Trust::default(),
            runtime: Handle::current(),
        }
    }

    #[tokio::test]
    async fn a_topic_is_a_path_below_the_base() {
        for base in ["ws://localhost:8080/ws", "ws://localhost:8080/ws/"] {
            let topic = "demo".parse().unwrap();
            let endpoint = dasf(base).producer(&topic);
            assert_eq!(endpoint.url, "ws://localhost:8080/ws/demo");
            let endpoint =
                dasf(base).consumer(&topic, &Reading::alone("reader-1".parse().unwrap()));
            assert_eq!(endpoint.url, "ws://localhost:8080/ws/demo/reader-1");
        }
    }

    #[tokio::test]
    async fn a_query_stays_behind_the_path_and_out_of_sight() {
        let topic = "demo".parse().unwrap();
        let broker = dasf("ws://h/ws?token=secret");
        let endpoint = broker.consumer(&topic, &Reading::alone("r".parse().unwrap()));
        assert_eq!(endpoint.url, "ws://h/ws/demo/r?token=secret");
        assert_eq!(endpoint.without_query(), "ws://h/ws/demo/r");
        assert_eq!(endpoint.to_string(), "ws://h/ws");
        let endpoint = broker.consumer(&topic, &Reading::group("workers".parse().unwrap()));
        let shared = "subscriptionType=Shared&negativeAckRedeliveryDelay=1000";
        let expected = format!("ws://h/ws/demo/workers?token=secret&{shared}");
        assert_eq!(endpoint.url, expected);
    }

    #[test]
    fn a_broker_that_does_not_name_shared_subscriptions_lacks_groups() {
        let mut headers = HeaderMap::new();
        assert!(lacks_groups(&headers).is_some());
        headers.insert(FEATURES, HeaderValue::from_static("other"));
        assert!(lacks_groups(&headers).is_some());
        headers.insert(
            FEATURES,
            HeaderValue::from_static("other, shared-subscriptions"),
        );
        assert!(lacks_groups(&headers).is_none());
    }
}
