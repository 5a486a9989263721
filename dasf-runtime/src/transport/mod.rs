//! How messages reach a broker and come from it, whichever broker it is.
//!
//! A [`Transport`] opens [`Publisher`]s and [`Subscriber`]s. Both are handles to a task that owns
//! one connection, keeps it alive, and makes it anew for as long as the handle lives. Everything
//! above this module is the same for every broker.

pub(crate) mod dasf;
mod json;
pub(crate) mod mqtt;
mod pace;
mod publisher;
pub(crate) mod pulsar;
mod socket;
mod subscriber;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use dasf_protocol::{Subscription, Topic};
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;

pub(crate) use pace::Pace;
pub(crate) use socket::Trust;

pub(crate) use publisher::{Outgoing, PublishError, Publisher, PublisherEnds, Queued};
pub(crate) use subscriber::{Received, Subscriber, SubscriberEnds, Verdict, Verdicts};

/// Opens connections to one broker.
pub(crate) trait Transport: fmt::Debug + Send + Sync {
    /// A handle that sends messages to a topic. The connection is made in the background.
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher;

    /// A handle that reads a topic. The connection is made in the background.
    fn subscribe(&self, topic: &Topic, reading: &Reading) -> Subscriber;

    /// Where the connections' tasks run.
    fn runtime(&self) -> &Handle;

    /// Whether the id of a message names that message only.
    fn has_unique_message_ids(&self) -> bool {
        true
    }

    /// The largest payload, in bytes before base64, that this broker takes in one message; `None` as
    /// long as it has not said.
    fn max_payload_size(&self) -> Option<usize> {
        None
    }

    /// The largest payload, in bytes before base64, that this broker hands on as fast as it can;
    /// `None` where that makes no difference. What is larger is better cut.
    fn best_payload_size(&self) -> Option<usize> {
        None
    }

    /// How many fragments may be sent to a reader that is not known to have read those before; `None`
    /// where the broker does not drop what a reader is slow to read.
    fn max_unread(&self) -> Option<usize> {
        None
    }

    /// What the modules that listen say of themselves; `None` where a broker keeps no such list.
    fn announcements(&self) -> Option<BoxFuture<'_, Result<Vec<Announcement>, ConnectError>>> {
        None
    }
}

/// After how long a reader that was asked how far it has read is asked again: a broker that drops
/// messages may have dropped that one.
pub(crate) const PING_AGAIN: Duration = Duration::from_millis(250);

/// What a module says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// Where it listens.
    pub(crate) topic: Topic,
    /// A JSON text.
    pub(crate) text: String,
}

/// Who reads a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A caller, on a topic that only it ever reads: what comes when it is gone is of no use.
    Caller,
    /// A module that gets every message, whoever else listens.
    Alone,
    /// One of the modules that share the messages of a subscription.
    Group,
}

/// How a topic is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) reader: Reader,
    /// The name of the reader, or of its group.
    pub(crate) subscription: Subscription,
    /// How many messages the broker hands out before it sees acknowledgements of them; `None`
    /// leaves that to the broker.
    pub(crate) prefetch: Option<usize>,
    /// Whether messages that are not acknowledged when the reader dies must come again.
    pub(crate) at_least_once: bool,
    /// How often a message comes again before it is put aside; `None` is for ever.
    pub(crate) max_redeliveries: Option<u32>,
    /// The JSON text in which a module presents itself to those who look for modules.
    pub(crate) announcement: Option<String>,
}

/// After how long a message that was given back goes to another reader. Brokers offer it to the one
/// that gave it back as well, which may be gone by then.
const REDELIVERY_DELAY: Duration = Duration::from_secs(1);

impl Reading {
    /// Whether the broker must be able to deliver messages again.
    fn redelivers(&self) -> bool {
        self.at_least_once || self.max_redeliveries.is_some()
    }

    /// The parameters of a shared subscription, as Pulsar named them and the embedded broker knows
    /// them.
    fn shared_parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("subscriptionType", "Shared".to_owned()),
            (
                "negativeAckRedeliveryDelay",
                REDELIVERY_DELAY.as_millis().to_string(),
            ),
        ];
        if let Some(prefetch) = self.prefetch {
            parameters.push(("receiverQueueSize", prefetch.to_string()));
        }
        if let Some(max_redeliveries) = self.max_redeliveries {
            parameters.push(("maxRedeliverCount", max_redeliveries.to_string()));
        }
        parameters
    }
}

impl Reading {
    fn by(reader: Reader, subscription: Subscription) -> Self {
        Self {
            reader,
            subscription,
            prefetch: None,
            at_least_once: false,
            max_redeliveries: None,
            announcement: None,
        }
    }

    /// As a caller reads its answers.
    pub(crate) fn caller(subscription: Subscription) -> Self {
        Self::by(Reader::Caller, subscription)
    }

    /// As a module alone reads its requests.
    pub(crate) fn alone(subscription: Subscription) -> Self {
        Self::by(Reader::Alone, subscription)
    }

    /// As a module reads the requests of its group.
    pub(crate) fn group(subscription: Subscription) -> Self {
        Self::by(Reader::Group, subscription)
    }
}

/// How long a publisher lives without success or without work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PublisherOptions {
    /// Close the connection after this long without a message; `None` keeps it.
    pub(crate) keep_alive: Option<Duration>,
    /// Give up, and drop what is queued, after this long without a connection; `None` tries for
    /// ever.
    pub(crate) connection_timeout: Option<Duration>,
}

/// Why there is no connection to a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing answers at the address.
    #[error("cannot reach a broker at {url}: {reason}")]
    Unreachable {
        /// The URL, without its query.
        url: String,
        /// What the operating system, or TLS, said.
        reason: String,
    },
    /// Something answers there, and TLS with it fails.
    #[error("no TLS with {url}: {reason}")]
    Tls {
        /// The URL, without its query.
        url: String,
        /// What is wrong.
        fault: TlsFault,
        /// The same in words.
        reason: String,
    },
    /// The proxy in the environment refuses, does not answer, or is not valid.
    #[error("cannot reach a broker at {url}: {reason}")]
    Proxy {
        /// The URL, without its query.
        url: String,
        /// The HTTP status with which the proxy refuses: 407 for a login that is missing or wrong.
        status: Option<u16>,
        /// The proxy, and what is wrong with it.
        reason: String,
    },
    /// A server answers there, and redirects to another address.
    #[error("the broker redirects {url}, with status {status}")]
    Redirected {
        /// The URL, without its query.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The address to use instead, without the topic and the query, and with `ws://` or
        /// `wss://` for `http://` or `https://`.
        location: String,
    },
    /// Something answers there, and refuses the connection.
    #[error("the broker refuses {url} with status {status}: {reason}")]
    Refused {
        /// The URL, without its query.
        url: String,
        /// The HTTP status: 401 or 403 for a login that is missing or not enough, 404 for an
        /// unknown topic or path, 409 for a subscription that another consumer has. [The
        /// guide](https://docs.rs/dasf/latest/dasf/guide/brokers) has a table of them.
        status: u16,
        /// The broker's explanation, or the status in words.
        reason: String,
    },
    /// An MQTT broker answers there, and refuses the login, the subscription or a publication.
    #[error("the broker refuses {url} with reason code {code:#04x}: {reason}")]
    Rejected {
        /// The URL, without its query.
        url: String,
        /// MQTT's reason code: 0x86 for a login that is wrong, 0x87 for one that is not enough,
        /// also to publish or to subscribe there.
        code: u8,
        /// The broker's explanation, or the code in words.
        reason: String,
    },
    /// The broker cannot do what the options ask for.
    #[error("the broker at {url} does not offer {feature}: {reason}")]
    Unsupported {
        /// The URL, without its query.
        url: String,
        /// What it does not offer, such as `a group`.
        feature: &'static str,
        /// Why that is needed, and what to do.
        reason: String,
    },
    /// Something answers there, and not as such a broker does: it does not speak WebSocket; or it
    /// is to be an MQTT broker, and closes the connection before it has answered, sends what is no
    /// MQTT, or does not acknowledge messages.
    #[error("{url} does not answer as a WebSocket broker: {reason}")]
    Protocol {
        /// The URL, without its query.
        url: String,
        /// What was wrong with the answer, or the connection.
        reason: String,
    },
    /// No answer came in time.
    #[error("the broker at {url} did not accept the connection within {} s", .after.as_secs())]
    Timeout {
        /// The URL, without its query.
        url: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The task that makes the connection ended, as it does when its runtime ends.
    #[error("the connection's task ended before there was a connection")]
    Ended,
}

impl ConnectError {
    /// Whether the broker has said that it will not have this connection, whatever comes.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            // Too many requests, and too slow ones, are for another time.
            Self::Refused { status, .. } => {
                (400..500).contains(status) && !matches!(status, 408 | 409 | 429)
            }
            Self::Rejected { .. } | Self::Unsupported { .. } => true,
            _ => false,
        }
    }

    /// What to do about it, in words for the end of a sentence; `None` where the error itself says
    /// so, or nothing helps. Options are named as every command line of DASF has them; in code they
    /// are methods of [`Address`](crate::Address) and fields of [`HostOptions`](crate::HostOptions).
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Redirected { location, .. } => {
                return Some(format!("use the address to which it redirects, {location}").into());
            }
            Self::Refused { status, .. } => return status_advice(*status).map(Cow::from),
            Self::Rejected { code, .. } => return reason_code_advice(*code).map(Cow::from),
            Self::Proxy { status: Some(407), .. } => "put user and password into the URL of the proxy, as http://USER:PASSWORD@HOST:PORT".into(),
            Self::Proxy { .. } => "check the proxy that the environment names, or list the broker's host in NO_PROXY to do without one".into(),
            Self::Tls { fault, .. } => Cow::from(match fault {
                TlsFault::UnknownAuthority => {
                    "give the certificate of the authority, or its own, with --ca-file FILE"
                }
                TlsFault::OtherName => "use the host's name that is in the certificate",
                TlsFault::Outdated => {
                    "have the broker's certificate renewed, or set the clock of this machine"
                }
                TlsFault::NotTls => {
                    "use the port on which the broker speaks TLS, or do without it (ws://, no --tls)"
                }
                TlsFault::Other => "ask whoever runs the broker which TLS it offers",
            }),
            Self::Protocol { .. } => {
                "check the address; where the broker speaks TLS, use wss://, or --tls for a Pulsar".into()
            }
            Self::Timeout { .. } => {
                "see whether the broker is overloaded, or what answers there is none".into()
            }
            Self::Unreachable { .. } | Self::Unsupported { .. } | Self::Ended => return None,
        })
    }
}

/// What to do where a broker refuses with an HTTP status.
fn status_advice(status: u16) -> Option<&'static str> {
    Some(match status {
        300..=399 => "use the address to which it redirects, such as one with wss://",
        400 => {
            "the broker does not take a part of the URL or an option: check the topic, tenant, namespace and limits"
        }
        401 => "log in with --token TOKEN, which the broker must be able to verify",
        403 => {
            "ask for the right to use this topic; at a Pulsar, have the token's role granted produce and consume in \
             the namespace"
        }
        404 => "check the URL; at a Pulsar, check tenant and namespace, or create them",
        409 => {
            "another consumer has this subscription (modules share one with --group NAME), or the topic has all the \
             producers and consumers that it may have"
        }
        429 => "start fewer programs at a time, or try again later",
        500 => {
            "the log of the broker says more; while it starts or moves the topic, trying again helps"
        }
        502 | 504 => {
            "the broker behind the proxy, or what keeps its topics, does not answer: see whether it runs, and try again"
        }
        503 => {
            "the broker is full or starting: try again later; at a Pulsar, see the backlog quota of the namespace, and \
             whether the topic was terminated"
        }
        _ => return None,
    })
}

/// What to do where an MQTT broker refuses with a reason code.
fn reason_code_advice(code: u8) -> Option<&'static str> {
    Some(match code {
        0x84 => "use a broker that speaks MQTT 5",
        0x86 | 0x8c => "log in with --mqtt-user NAME and --token PASSWORD",
        0x87 => {
            "log in with --mqtt-user NAME and --token PASSWORD, or ask for the right to publish and subscribe below dasf/"
        }
        0x88 | 0x89 => "try again in a moment",
        0x97 | 0x9f => "start fewer programs at a time, or try again later",
        0x9c | 0x9d => "use the address of the broker's other server",
        _ => return None,
    })
}

/// What is wrong with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The broker's certificate is from an authority that is not trusted here.
    UnknownAuthority,
    /// The certificate is for a host of another name.
    OtherName,
    /// The certificate is not valid any more, or not yet.
    Outdated,
    /// What answers does not speak TLS.
    NotTls,
    /// Anything else.
    Other,
}

/// Where the connection of a handle stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// The first attempt is under way.
    Connecting,
    /// There is a connection.
    Connected,
    /// There is none; it will be tried again.
    Disconnected(ConnectError),
}

impl ConnectionState {
    /// Why there is no connection, if so.
    pub(crate) fn failure(&self) -> Option<&ConnectError> {
        match self {
            Self::Disconnected(error) => Some(error),
            Self::Connecting | Self::Connected => None,
        }
    }
}

/// Waits until the first attempt to connect has succeeded or failed.
///
/// # Cancel safety
/// Cancel safe: nothing is consumed.
async fn first_attempt(state: &mut watch::Receiver<ConnectionState>) -> Result<(), ConnectError> {
    let decided = state
        .wait_for(|state| *state != ConnectionState::Connecting)
        .await;
    match decided.as_deref() {
        Ok(ConnectionState::Disconnected(error)) => Err(error.clone()),
        Ok(ConnectionState::Connected | ConnectionState::Connecting) => Ok(()),
        Err(_) => Err(ConnectError::Ended),
    }
}
