//! Keeping the messages of a topic at brokers whose messages are JSON.
//!
//! The embedded broker holds them, and says so in its answer to a handshake. A Pulsar keeps on a persistent
//! topic what a durable subscription has not acknowledged. The Django broker keeps on each topic what has not
//! been acknowledged, if it is so configured.

use std::time::Duration;

use dasf_protocol::{Topic, hold};
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderMap;

use super::json::{self, Json};
use super::websocket::{self, Endpoint, Trust, close};
use super::{
    ConnectError, Feature, Hold, Keeping, KeptMessages, PublisherOptions, Reading, Transport,
};
use crate::random;
use crate::transport::base_url::BaseUrl;

/// The durable subscription that keeps the messages of a topic at a Pulsar.
const KEEPER: &str = "dasf-job";

/// How long to wait until a broker has closed a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The frame that ends a subscription.
pub(super) const UNSUBSCRIBE: &str = r#"{"type":"unsubscribe"}"#;

/// A broker whose messages are JSON, and one of its topics.
pub(super) struct JsonTopic<'t> {
    pub(super) consumer: &'t BaseUrl,
    pub(super) headers: &'t HeaderMap,
    pub(super) trust: &'t Trust,
    pub(super) runtime: &'t Handle,
    pub(super) topic: &'t Topic,
    pub(super) otherwise: Otherwise<'t>,
}

/// How a broker keeps messages if it does not hold them.
#[derive(Clone, Copy)]
pub(super) enum Otherwise<'t> {
    /// What is not acknowledged.
    Unacknowledged,
    /// What the subscription [`KEEPER`] has not acknowledged, on topics that keep messages.
    Subscription {
        is_persistent: bool,
        /// Sends notes to the topic.
        broker: &'t dyn Transport,
    },
}

impl JsonTopic<'_> {
    fn endpoint(&self, subscription: &str, parameters: &[(&str, String)]) -> Endpoint {
        let path = format!("{}/{subscription}", self.topic);
        Endpoint {
            url: self.consumer.join(&path, parameters),
            below: path,
            headers: self.headers.clone(),
            trust: self.trust.clone(),
        }
    }

    /// Returns the place of a reader that needs not acknowledge what it reads.
    fn reader(&self, hold: Option<u64>) -> Endpoint {
        let mut parameters = vec![
            ("subscriptionMode", "NonDurable".to_owned()),
            ("subscriptionInitialPosition", "Earliest".to_owned()),
        ];
        parameters.extend(hold.map(|seconds| (hold::PARAMETER, seconds.to_string())));
        self.endpoint(&format!("reader-{}", random::name()), &parameters)
    }

    fn keeper(&self) -> Endpoint {
        let parameters = [
            ("subscriptionType", "Shared".to_owned()),
            ("subscriptionInitialPosition", "Earliest".to_owned()),
            ("receiverQueueSize", "1".to_owned()),
        ];
        self.endpoint(KEEPER, &parameters)
    }

    /// Opens a connection, and closes it after a last frame. Returns what the broker tells of the hold.
    async fn visit(
        &self,
        endpoint: &Endpoint,
        last: Option<&'static str>,
    ) -> Result<Option<Hold>, ConnectError> {
        let opened = websocket::connect(endpoint).await?;
        let hold = json::hold(&opened.headers);
        // The broker has done its part, whether or not it says good-bye in time.
        let closing = close(opened.socket, last.map(Message::text));
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
        Ok(hold)
    }

    pub(super) async fn keep(&self, time: Duration) -> Result<Keeping, ConnectError> {
        // Zero would end the hold.
        let seconds = time.as_secs().max(1);
        let hold = self.visit(&self.reader(Some(seconds)), None).await?;
        if let Some(hold) = hold {
            return Ok(Keeping {
                retention: Some(hold.retention),
                takes_notes: true,
            });
        }
        match self.otherwise {
            Otherwise::Unacknowledged => Ok(Keeping {
                retention: None,
                takes_notes: false,
            }),
            Otherwise::Subscription { is_persistent, .. } => {
                self.check_persistence(is_persistent)?;
                self.visit(&self.keeper(), None).await?;
                Ok(Keeping {
                    retention: None,
                    takes_notes: true,
                })
            }
        }
    }

    fn check_persistence(&self, is_persistent: bool) -> Result<(), ConnectError> {
        if is_persistent {
            return Ok(());
        }
        Err(ConnectError::Unsupported {
            url: self.consumer.to_string(),
            feature: Feature::Jobs,
            reason: "non-persistent topics do not keep answers; only persistent topics do"
                .to_owned(),
        })
    }

    pub(super) async fn kept(&self) -> Result<KeptMessages, ConnectError> {
        let reading = Reading::caller(random::reader());
        let endpoint = self.reader(None);
        let subscriber = websocket::subscriber(
            self.runtime,
            Json::default(),
            endpoint,
            self.topic,
            &reading,
        );
        match self.otherwise {
            Otherwise::Unacknowledged => KeptMessages::held_or_unacknowledged(subscriber).await,
            Otherwise::Subscription { broker, .. } => {
                let publisher = || broker.publisher(self.topic, PublisherOptions::default());
                KeptMessages::held_or_until_note(subscriber, publisher).await
            }
        }
    }

    pub(super) async fn forget(&self) -> Result<(), ConnectError> {
        let hold = self.visit(&self.reader(Some(0)), None).await?;
        match self.otherwise {
            _ if hold.is_some() => Ok(()),
            Otherwise::Unacknowledged => {
                self.kept().await?.acknowledge_all().await;
                Ok(())
            }
            Otherwise::Subscription { .. } => self
                .visit(&self.keeper(), Some(UNSUBSCRIBE))
                .await
                .map(drop),
        }
    }
}
