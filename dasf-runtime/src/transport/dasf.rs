//! DASF brokers: the Django broker and the embedded broker.

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::Topic;
use dasf_protocol::link::EXTRA_CANCELLATIONS;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::http::HeaderMap;

use super::base_url::BaseUrl;
use super::features::{self, has};
use super::json::{Frame, Json, Lack};
use super::json_kept::{JsonTopic, Otherwise};
use super::websocket::{self, Connection, Endpoint, Link, LinkBroker, Links, Opened, Subscribing};
use super::{
    BrokerClock, ConnectError, DEFAULT_MAX_DEATHS, DiscoveredModule, Feature, Keeping,
    KeptMessages, Publisher, PublisherOptions, Reader, Reading, Subscriber, Transport, Trust,
};
use crate::activity::TopicActivity;
use crate::random;

/// A DASF broker, whose topics are paths below a URL.
#[derive(Debug, Clone)]
pub(crate) struct Dasf {
    pub(crate) producer: BaseUrl,
    pub(crate) consumer: BaseUrl,
    pub(crate) headers: HeaderMap,
    pub(crate) trust: Trust,
    pub(crate) runtime: Handle,
    pub(crate) links: Arc<Links>,
    pub(crate) clock: Arc<BrokerClock>,
}

/// How many messages a broker delivers on a link before they are acknowledged.
const LINK_PREFETCH: usize = 256;

/// The size of fragments on a link. While one process reads a fragment, others process the next ones.
const LINK_FRAGMENT_SIZE: usize = 192 << 10;

impl Transport for Dasf {
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher {
        match self.links.link() {
            Some(link) => Publisher::on_link(link, topic, options),
            None => {
                let mut endpoint = self.producer(topic);
                endpoint.refuse_unread();
                let options = options.with_memory();
                websocket::publisher(&self.runtime, Json::default(), endpoint, topic, options)
            }
        }
    }

    fn subscribe(&self, topic: &Topic, reading: &Reading) -> Subscriber {
        let prefetch = reading.prefetch.unwrap_or(LINK_PREFETCH);
        let reading = Reading {
            prefetch: Some(prefetch),
            ..reading.clone()
        };
        let capacity = prefetch.saturating_add(EXTRA_CANCELLATIONS);
        let (handle, ends) = Subscriber::with_capacity(&reading, capacity);
        let is_shared = reading.reader == Reader::Group;
        let on_close = match reading.reader {
            Reader::Group => None,
            // Its name is that of one run of the module, which does not come back.
            Reader::Alone => Some("HandOver"),
            Reader::Caller => Some("Discard"),
        };
        let mut parameters = match is_shared {
            true => reading.shared_parameters(),
            false => vec![("receiverQueueSize", prefetch.to_string())],
        };
        parameters.extend(on_close.map(|on_close| ("onClose", on_close.to_owned())));
        if let Some(introduction) = &reading.introduction {
            parameters.extend(introduction.parameters());
        }
        if reading.reader != Reader::Caller {
            let max_deaths = reading.max_deaths.unwrap_or(DEFAULT_MAX_DEATHS);
            parameters.push(("maxDeaths", max_deaths.to_string()));
            // The number stays the same when the reader connects again.
            parameters.push(("begunBy", (random::bits() as u64).to_string()));
        }
        let subscribing = Subscribing {
            topic: topic.clone(),
            parameters,
            subscription: reading.subscription,
            is_shared,
            limits_deaths: !is_shared && reading.max_deaths.is_some(),
        };
        let asks = self.links.reserve();
        let links = Arc::clone(&self.links);
        self.runtime
            .spawn(links.subscribe(self.clone(), subscribing, ends, asks));
        handle.with_clock(&self.clock)
    }

    fn greet<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<HeaderMap, ConnectError>> {
        Box::pin(async move { websocket::greet(&self.producer(topic)).await })
    }

    fn keep<'t>(
        &'t self,
        topic: &'t Topic,
        time: Duration,
    ) -> BoxFuture<'t, Result<Keeping, ConnectError>> {
        Box::pin(async move { self.kept_topic(topic).keep(time).await })
    }

    fn kept<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<KeptMessages, ConnectError>> {
        Box::pin(async move { self.kept_topic(topic).kept().await })
    }

    fn forget<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<(), ConnectError>> {
        Box::pin(async move { self.kept_topic(topic).forget().await })
    }

    fn announcements(&self) -> Option<BoxFuture<'_, Result<Vec<DiscoveredModule>, ConnectError>>> {
        let (headers, trust) = (self.headers.clone(), self.trust.clone());
        Some(Box::pin(websocket::read_listing(
            &self.producer,
            headers,
            trust,
        )))
    }

    fn activity(&self) -> Option<BoxFuture<'_, Result<Vec<TopicActivity>, ConnectError>>> {
        let (headers, trust) = (self.headers.clone(), self.trust.clone());
        Some(Box::pin(websocket::read_activity(
            &self.producer,
            headers,
            trust,
        )))
    }

    fn dead_requests(
        &self,
        path: String,
    ) -> Option<BoxFuture<'_, Result<Vec<serde_json::Value>, ConnectError>>> {
        let (headers, trust) = (self.headers.clone(), self.trust.clone());
        Some(Box::pin(async move {
            websocket::read_dead(&self.producer, &path, headers, trust).await
        }))
    }

    fn runtime(&self) -> &Handle {
        &self.runtime
    }

    fn fastest_fragment_size(&self) -> Option<usize> {
        self.links.link().map(|_| LINK_FRAGMENT_SIZE)
    }

    fn link(&self) -> Option<Link> {
        self.links.link()
    }

    /// The embedded broker has links, and the Django broker has none.
    fn keeps_latest_report(&self) -> bool {
        self.links.link().is_some()
    }

    fn clock(&self) -> Option<&BrokerClock> {
        // On a link, the broker tells how long a message has waited.
        self.link().is_none().then_some(&*self.clock)
    }

    fn knows_link(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.links.known())
    }
}

impl Dasf {
    fn kept_topic<'t>(&'t self, topic: &'t Topic) -> JsonTopic<'t> {
        JsonTopic {
            consumer: &self.consumer,
            headers: &self.headers,
            trust: &self.trust,
            runtime: &self.runtime,
            topic,
            otherwise: Otherwise::Unacknowledged,
        }
    }
}

impl LinkBroker for Dasf {
    type Consumer = Json;

    fn producer(&self, topic: &Topic) -> Endpoint {
        Endpoint {
            url: self.producer.join(topic.as_str(), &[]),
            below: topic.to_string(),
            headers: self.headers.clone(),
            trust: self.trust.clone(),
        }
    }

    fn consumer(&self, subscribing: &Subscribing) -> Endpoint {
        let path = format!("{}/{}", subscribing.topic, subscribing.subscription);
        Endpoint {
            url: self.consumer.join(&path, &subscribing.parameters),
            below: path,
            headers: self.headers.clone(),
            trust: self.trust.clone(),
        }
    }

    fn dialect(&self, subscribing: &Subscribing) -> Json {
        match subscribing.is_shared {
            false => Json {
                lacks: subscribing.limits_deaths.then_some(lacks_begun_count),
                clock: Some(Arc::clone(&self.clock)),
                ..Json::default()
            },
            true => Json {
                gives_back: true,
                lacks: Some(lacks_groups),
                clock: Some(Arc::clone(&self.clock)),
                ..Json::default()
            },
        }
    }

    fn ordinary(
        dialect: &Json,
        opened: Opened,
        endpoint: &Endpoint,
    ) -> Result<Connection<Json, Frame>, ConnectError> {
        dialect.clone().connection(opened, endpoint)
    }

    fn publisher(&self, topic: &Topic) -> Publisher {
        Transport::publisher(self, topic, PublisherOptions::default())
    }
}

/// Returns the missing feature of a broker without groups. The Django broker lists no features and
/// ignores the name of a subscription.
fn lacks_groups(headers: &HeaderMap) -> Option<Lack> {
    let lack = Lack {
        feature: Feature::Groups,
        reason: "it sends every message to every module that listens, as dasf-broker-django does, so the whole group \
                 would run each request; dasf-broker, Apache Pulsar and MQTT brokers offer groups",
    };
    (!has(headers, features::SHARED_SUBSCRIPTIONS)).then_some(lack)
}

/// Returns the missing feature of a broker that does not count redeliveries.
fn lacks_begun_count(headers: &HeaderMap) -> Option<Lack> {
    let lack = Lack {
        feature: Feature::RedeliveryLimit,
        reason: "it does not count how often a module begins a request, as dasf-broker does",
    };
    (!has(headers, features::BEGUN_COUNT)).then_some(lack)
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::http::HeaderValue;

    use super::*;
    use crate::transport::features::HEADER;

    fn dasf(url: &str) -> Dasf {
        let url = BaseUrl::parse(url).unwrap();
        Dasf {
            producer: url.clone(),
            consumer: url,
            headers: HeaderMap::new(),
            trust: Trust::default(),
            runtime: Handle::current(),
            links: Arc::default(),
            clock: Arc::default(),
        }
    }

    fn subscribing(subscription: &str) -> Subscribing {
        Subscribing {
            topic: "demo".parse().unwrap(),
            subscription: subscription.parse().unwrap(),
            parameters: Vec::new(),
            is_shared: false,
            limits_deaths: false,
        }
    }

    #[tokio::test]
    async fn a_topic_is_a_path_below_the_base() {
        for base in ["ws://localhost:8080/ws", "ws://localhost:8080/ws/"] {
            let topic = "demo".parse().unwrap();
            let endpoint = dasf(base).producer(&topic);
            assert_eq!(endpoint.url, "ws://localhost:8080/ws/demo");
            let endpoint = dasf(base).consumer(&subscribing("reader-1"));
            assert_eq!(endpoint.url, "ws://localhost:8080/ws/demo/reader-1");
        }
    }

    #[tokio::test]
    async fn a_query_stays_behind_the_path_and_out_of_sight() {
        let broker = dasf("ws://h/ws?token=secret");
        let endpoint = broker.consumer(&subscribing("r"));
        assert_eq!(endpoint.url, "ws://h/ws/demo/r?token=secret");
        assert_eq!(endpoint.without_query(), "ws://h/ws/demo/r");
        assert_eq!(endpoint.to_string(), "ws://h/ws");
        let endpoint = broker.consumer(&Subscribing {
            parameters: Reading::group("workers".parse().unwrap()).shared_parameters(),
            is_shared: true,
            ..subscribing("workers")
        });
        let shared = "subscriptionType=Shared&negativeAckRedeliveryDelay=1000";
        let expected = format!("ws://h/ws/demo/workers?token=secret&{shared}");
        assert_eq!(endpoint.url, expected);
    }

    #[test]
    fn a_broker_that_does_not_name_shared_subscriptions_lacks_groups() {
        let mut headers = HeaderMap::new();
        assert!(lacks_groups(&headers).is_some());
        headers.insert(HEADER, HeaderValue::from_static("other"));
        assert!(lacks_groups(&headers).is_some());
        headers.insert(
            HEADER,
            HeaderValue::from_static("other, shared-subscriptions"),
        );
        assert!(lacks_groups(&headers).is_none());
        assert!(lacks_begun_count(&headers).is_some());
        headers.append(HEADER, HeaderValue::from_static("begun-count"));
        assert!(lacks_begun_count(&headers).is_none());
    }
}
