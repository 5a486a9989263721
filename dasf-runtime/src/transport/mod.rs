//! Sends messages to a broker and receives them, the same way for every kind of broker.
//!
//! A [`Transport`] opens [`Publisher`]s and [`Subscriber`]s. Both are handles to a task that owns
//! one connection: their own one, or a [`Link`] for all topics. The task keeps the connection alive, and
//! reconnects as long as one of its handles lives. The code above this module does not depend on the
//! kind of broker.

pub(crate) mod base_url;
mod broker_clock;
mod cause;
pub(crate) mod dasf;
pub(crate) mod features;
mod json;
mod json_kept;
mod kept;
#[cfg(feature = "mqtt")]
pub(crate) mod mqtt;
mod publisher;
pub(crate) mod pulsar;
mod queued;
mod send_window;
mod subscriber;
mod websocket;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::text::printable;
use dasf_protocol::{Properties, Subscription, Topic};
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::http::HeaderMap;

use crate::activity::TopicActivity;
use crate::host_name;
use base_url::encoded;
pub(crate) use send_window::{SendWindow, Turn};
pub(crate) use websocket::{DeadLetter, DeadLetterTopic};
pub(crate) use websocket::{
    Link, LinkPool, Trust, lacks_activity, lacks_dead_requests, lacks_list, route,
};

pub(crate) use broker_clock::BrokerClock;
pub use cause::Cause;
pub(crate) use json::date;
pub(crate) use kept::{Hold, Keeping, KeptEvent, KeptMessages, Parts};
pub(crate) use publisher::{Publisher, PublisherEnds};
pub(crate) use queued::{Backlog, Calls, Outgoing, PublishError, Queued, drop_superseded_reports};
pub(crate) use subscriber::{
    Acknowledgement, Acknowledger, Deliveries, Receive, Received, Subscriber, SubscriberEnds,
    Transit,
};

/// Opens connections to one broker.
pub(crate) trait Transport: fmt::Debug + Send + Sync {
    /// Returns a handle that sends messages to a topic. It connects in the background.
    fn publisher(&self, topic: &Topic, options: PublisherOptions) -> Publisher;

    /// Returns a handle that reads a topic. It connects in the background.
    fn subscribe(&self, topic: &Topic, reading: &Reading) -> Subscriber;

    /// Returns the runtime of the connections' tasks.
    fn runtime(&self) -> &Handle;

    /// Returns whether no two messages have the same id.
    fn has_unique_message_ids(&self) -> bool {
        true
    }

    /// Returns the largest payload that this broker accepts in one message, in bytes before base64;
    /// `None` until the broker has announced it.
    fn max_payload_size(&self) -> Option<usize> {
        None
    }

    /// Returns the largest payload that this broker delivers at full speed, in bytes before base64.
    /// Larger payloads should be cut into fragments. `None` if the size makes no difference.
    fn best_payload_size(&self) -> Option<usize> {
        None
    }

    /// Returns the size at which fragments reach their reader in the shortest time, in bytes before
    /// base64. `None` if the largest ones do.
    fn fastest_fragment_size(&self) -> Option<usize> {
        None
    }

    /// Returns the size of fragments, in bytes before base64, of payloads that are cut because they have
    /// more than `limit` bytes.
    fn fragment_size(&self, limit: usize) -> usize {
        let best = self.fastest_fragment_size().unwrap_or(usize::MAX);
        // Modules in Python cut the base64 text, into pieces of as many characters.
        (limit / 4 * 3).min(best)
    }

    /// Returns how many fragments may be sent before the reader must confirm that it has read the
    /// earlier ones. `None` if the broker does not drop messages for a slow reader.
    fn max_unread(&self) -> Option<usize> {
        None
    }

    /// Returns how many calls of a client run at a time, if its builder does not say. `None` if the broker
    /// does not drop messages for a slow reader.
    fn max_in_flight(&self) -> Option<usize> {
        None
    }

    /// Returns the link on which all topics share one connection; `None` if each topic has its own.
    fn link(&self) -> Option<Link> {
        None
    }

    /// Waits until it is known whether there is a link, if a subscriber connects now.
    fn knows_link(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Opens a connection for sending to a topic, closes it, and returns the headers of the broker's answer to
    /// the handshake.
    fn greet<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<HeaderMap, ConnectError>>;

    /// Makes the broker keep the messages of a topic for this time after their last use, also while nobody
    /// reads it. The broker may grant less.
    fn keep<'t>(
        &'t self,
        topic: &'t Topic,
        time: Duration,
    ) -> BoxFuture<'t, Result<Keeping, ConnectError>>;

    /// Reads the messages that the broker keeps on a topic.
    fn kept<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<KeptMessages, ConnectError>>;

    /// Makes the broker keep the messages of a topic no longer. They may stay for a while: see
    /// [`removes_late`](Self::removes_late).
    fn forget<'t>(&'t self, topic: &'t Topic) -> BoxFuture<'t, Result<(), ConnectError>>;

    /// Returns whether the broker still delivers messages for a while that it need not keep any more.
    fn removes_late(&self) -> bool {
        false
    }

    /// Returns whether the broker delivers the request of a job that was cancelled while it waited there. A note
    /// on the topic of the answer tells of it.
    fn delivers_cancelled_jobs(&self) -> bool {
        false
    }

    /// Passes the properties of all messages to `take` that tell a module what it must know of a job before it runs
    /// the job. All of them have come when this returns without an error. After an error, some of them may have come.
    fn read_job<'t>(
        &'t self,
        topic: &'t Topic,
        take: &'t mut (dyn FnMut(&Properties) + Send),
    ) -> BoxFuture<'t, Result<(), ConnectError>> {
        Box::pin(async move {
            let mut messages = self.kept(topic).await?;
            loop {
                match messages.next().await {
                    Some(KeptEvent::Message(delivery)) => take(&delivery.properties),
                    Some(KeptEvent::CaughtUp) => return Ok(()),
                    Some(KeptEvent::Unreadable(error)) => return Err(error),
                    None => return Err(ConnectError::Ended),
                }
            }
        })
    }

    /// Returns whether [`read_job`](Self::read_job) does not read the answers to a job. Then modules publish a note
    /// when the broker has an answer.
    fn keeps_answers_from_modules(&self) -> bool {
        false
    }

    /// Returns whether the broker retains the fragments of the answer to a job beside the response topic. They carry
    /// [`PARTS`](dasf_protocol::properties::key::PARTS), and a last message tells of them: see [`Parts`].
    fn retains_parts(&self) -> bool {
        false
    }

    /// Returns whether the broker keeps only the latest report of a job. Other brokers keep all of them.
    fn keeps_latest_report(&self) -> bool {
        false
    }

    /// Returns what the readers know of the broker's clock; `None` if the broker tells in another way how
    /// long a message has waited.
    fn clock(&self) -> Option<&BrokerClock> {
        None
    }

    /// Returns the announcements of the modules that listen; `None` if the broker keeps no list.
    fn announcements(&self) -> Option<BoxFuture<'_, Result<Vec<DiscoveredModule>, ConnectError>>> {
        None
    }

    /// Returns what happens on the topics; `None` if the broker does not tell.
    fn activity(&self) -> Option<BoxFuture<'_, Result<Vec<TopicActivity>, ConnectError>>> {
        None
    }

    /// Returns where the broker moves the requests that the modules of a group have returned too often;
    /// `None` if it does not.
    fn dead_letters(&self, _topic: &Topic, _group: &Subscription) -> Option<DeadLetterTopic> {
        None
    }

    /// Asks the broker about the requests that are put aside; `None` if it puts none aside.
    fn dead_requests(
        &self,
        _path: String,
    ) -> Option<BoxFuture<'_, Result<Vec<serde_json::Value>, ConnectError>>> {
        None
    }
}

/// The default of the largest payload in one message, in bytes before base64.
pub(crate) const DEFAULT_MAX_PAYLOAD_SIZE: usize = 700 * 1024;

/// How many readers a message may end, if the user has set no number.
pub(crate) const DEFAULT_MAX_DEATHS: u32 = 3;

/// The status with which a DASF broker refuses a request on a topic that nobody reads.
pub(crate) const NOBODY_LISTENS: u16 = 404;

/// How long to wait for a reader's answer before asking again how far it has read. A broker that
/// drops messages may have dropped the question.
pub(crate) const PING_AGAIN: Duration = Duration::from_millis(250);

/// The announcement of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiscoveredModule {
    /// The topic on which the module listens.
    pub(crate) topic: Topic,
    /// The content, as JSON.
    pub(crate) text: String,
}

/// The kind of reader of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A caller, on a topic that only it reads. Nobody needs messages that come after it is gone.
    Caller,
    /// A module that gets every message, even if other modules listen.
    Alone,
    /// One of the modules that share the messages of a subscription.
    Group,
}

/// A module, as it introduces itself to its broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Introduction {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Introduction {
    /// Returns the parameters that introduce the module, with its machine and its process.
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("module", encoded(&self.name)),
            ("version", encoded(&self.version)),
            ("process", std::process::id().to_string()),
        ];
        let host = host_name::of_this_machine();
        parameters.extend(host.map(|host| ("host", encoded(&host))));
        parameters
    }
}

/// How a topic is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) reader: Reader,
    /// The name of the reader or of its group.
    pub(crate) subscription: Subscription,
    /// How many messages the broker delivers before they are acknowledged; `None` means that the
    /// broker decides.
    pub(crate) prefetch: Option<usize>,
    /// Whether the broker must redeliver unacknowledged messages when the reader dies.
    pub(crate) at_least_once: bool,
    /// How many readers a message may end; `None` means that the user has set no number.
    pub(crate) max_deaths: Option<u32>,
    /// The announcement of the module for its broker's list, as JSON.
    pub(crate) announcement: Option<String>,
    /// The module, for a broker that shows who listens.
    pub(crate) introduction: Option<Introduction>,
    /// Processes the messages, and the connection acknowledges them. Without it, they wait in the
    /// queue of the handle.
    pub(crate) receiver: Option<Arc<dyn Receive>>,
}

/// The time after which a message that was negatively acknowledged goes to another reader. Brokers
/// may offer it to the same reader again, but this reader may be gone by then.
const REDELIVERY_DELAY: Duration = Duration::from_secs(1);

impl Reading {
    /// Returns whether the broker must be able to redeliver messages.
    fn redelivers(&self) -> bool {
        self.at_least_once || self.max_deaths.is_some()
    }

    /// Returns the query parameters of a shared subscription. Pulsar defines their names, and the
    /// embedded broker uses the same.
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
            max_deaths: None,
            announcement: None,
            introduction: None,
            receiver: None,
        }
    }

    /// Reads the responses to a caller.
    pub(crate) fn caller(subscription: Subscription) -> Self {
        Self::by(Reader::Caller, subscription)
    }

    /// Reads the requests of a module without a group.
    pub(crate) fn alone(subscription: Subscription) -> Self {
        Self::by(Reader::Alone, subscription)
    }

    /// Reads the requests of a module in a group.
    pub(crate) fn group(subscription: Subscription) -> Self {
        Self::by(Reader::Group, subscription)
    }
}

/// The times after which a publisher ends, without messages or without a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PublisherOptions {
    /// Closes the connection after this time without a message; `None` keeps it open.
    pub(crate) keep_alive: Option<Duration>,
    /// Gives up and drops the queue after this time without a connection; `None` keeps trying.
    pub(crate) connection_timeout: Option<Duration>,
    pub(crate) reader_patience: ReaderPatience,
}

impl PublisherOptions {
    /// Returns the options for a broker that remembers who has read a topic.
    fn with_memory(self) -> Self {
        let reader_patience = match self.reader_patience {
            ReaderPatience::EachMessage => ReaderPatience::Remembered,
            other => other,
        };
        Self {
            reader_patience,
            ..self
        }
    }
}

/// How long messages are sent again to a topic that nobody reads, as the broker reports. The reader may
/// connect again just now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ReaderPatience {
    /// Each message is sent again for 1.5 s, so that a mistake in a topic is known within 2 s.
    #[default]
    EachMessage,
    /// Messages are sent again for 5 s since the topic was last read. Later ones fail at once, so that a
    /// reader that is gone does not hold up others.
    Topic,
    /// Each message is sent again for 0.7 s. The broker remembers for minutes who has read a topic, unless it
    /// has started again. Then messages are sent again for 10 s, in which the reader connects again, too.
    Remembered,
}

impl ReaderPatience {
    /// Returns when a message fails that nobody has read since this time, on a topic that nobody has read
    /// since the other time. `reconnected` is the time at which a lost connection came back.
    pub(crate) fn end(
        self,
        message: Instant,
        topic: Instant,
        reconnected: Option<Instant>,
    ) -> Instant {
        match self {
            Self::EachMessage => message + Duration::from_millis(1500),
            Self::Topic => topic + Duration::from_secs(5),
            Self::Remembered => {
                let soon = message + Duration::from_millis(700);
                reconnected.map_or(soon, |at| soon.max(at + Duration::from_secs(10)))
            }
        }
    }
}

/// The reason why there is no connection to a broker. Its [`source`](std::error::Error::source) is the
/// error of the operating system, of TLS or of the WebSocket library, if one of them reported it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No program answers at the address.
    #[error("cannot reach a broker at {url}: {}", printable(.reason))]
    #[non_exhaustive]
    Unreachable {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// The error of the operating system or of TLS, in words.
        reason: String,
        /// The error itself, usually a [`std::io::Error`]. `None` if no other library reported it, or
        /// an open connection broke.
        source: Option<Cause>,
    },
    /// A program answers at the address, but TLS with it fails.
    #[error("TLS with {url} fails: {}", printable(.reason))]
    #[non_exhaustive]
    Tls {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// The kind of the fault.
        fault: TlsFault,
        /// The fault in words.
        reason: String,
        /// The error of TLS, a `rustls::Error`, or a [`std::io::Error`] if the server closed the
        /// connection.
        source: Option<Cause>,
    },
    /// The proxy that the environment names refuses, does not answer, or is invalid.
    #[error("cannot reach a broker at {url}: {}", printable(.reason))]
    #[non_exhaustive]
    Proxy {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// The HTTP status of a refusal: 407 if the login is missing or wrong.
        status: Option<u16>,
        /// The proxy and its error.
        reason: String,
        /// The [`std::io::Error`] of the connection to the proxy. `None` if the proxy answered.
        source: Option<Cause>,
    },
    /// A server answers and redirects to another address.
    #[error("the server at {url} redirects to another address with status {status}")]
    #[non_exhaustive]
    Redirected {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The address to use instead, without the topic and the query. Its scheme is `ws://` or
        /// `wss://` in place of `http://` or `https://`.
        location: String,
    },
    /// A server answers and refuses the connection.
    #[error("the broker at {url} refuses the connection with status {status}: {}", printable(.reason))]
    #[non_exhaustive]
    Refused {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// The HTTP status: 401 or 403 for a missing or insufficient login, 404 for an unknown
        /// topic or path, 409 for a subscription that another consumer has. The chapter
        /// *Brokers* of the guide lists them.
        status: u16,
        /// The broker's explanation, or the name of the status.
        reason: String,
        /// Whether the program sent a login: a token, or a header for it.
        has_login: bool,
    },
    /// An MQTT broker answers and rejects the login, the subscription or a message.
    #[error("the broker at {url} refuses with reason code {code:#04x}: {}", printable(.reason))]
    #[non_exhaustive]
    Rejected {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// The reason code of MQTT: 0x86 for a wrong login, 0x87 for a login that is not allowed to
        /// connect, publish or subscribe.
        code: u8,
        /// The broker's explanation, or the code in words.
        reason: String,
    },
    /// The broker lacks a feature that the options need.
    #[error("the broker at {url} does not offer {feature}: {}", printable(.reason))]
    #[non_exhaustive]
    Unsupported {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// The missing feature.
        feature: Feature,
        /// Why the broker does not offer it.
        reason: String,
    },
    /// A server answers, but not like a WebSocket broker. An address for MQTT has this error in
    /// three more cases: the server closes the connection before it answers, sends data that is not
    /// MQTT, or does not acknowledge messages.
    #[error("{url} does not answer as a WebSocket broker: {}", printable(.reason))]
    #[non_exhaustive]
    Protocol {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// The fault in the answer or the connection.
        reason: String,
        /// The error of the WebSocket library, if it found the fault.
        source: Option<Cause>,
    },
    /// The broker did not answer in time.
    #[error("the broker at {url} did not accept the connection within {} s", .after.as_secs())]
    #[non_exhaustive]
    Timeout {
        /// The address of the broker, without the path of a topic and without the query.
        url: String,
        /// How long the program waited.
        after: Duration,
    },
    /// The connection's task ended, for example because its runtime ended.
    #[error("the task of the connection ended before it connected")]
    Ended,
}

impl ConnectError {
    /// Returns whether the broker will refuse this connection every time.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            // After a timeout, a conflict or too many requests, a later attempt can succeed.
            Self::Refused { status, .. } => {
                (400..500).contains(status) && !matches!(status, 408 | 409 | 429)
            }
            Self::Rejected { .. } | Self::Unsupported { .. } => true,
            _ => false,
        }
    }

    /// Returns what the user of a command line can do about the error, as the end of a sentence.
    /// `None` if the error contains it or nothing helps. Options have the names of the command line.
    /// In code they are methods of [`Address`](crate::Address) and
    /// [`HostOptions`](crate::HostOptions).
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Redirected { location, .. } => {
                return Some(format!("use that address: {location}").into());
            }
            Self::Refused {
                status: 401,
                has_login: true,
                ..
            } => "check the login, which the broker does not accept: it may be wrong or expired".into(),
            Self::Refused { status, .. } => return status_advice(*status).map(Cow::from),
            Self::Rejected { code, .. } => return reason_code_advice(*code).map(Cow::from),
            Self::Proxy { status: Some(407), .. } => "put the user name and the password into the URL of the proxy: http://USER:PASSWORD@HOST:PORT".into(),
            Self::Proxy { .. } => "check the proxy in the environment, or add the broker's host to NO_PROXY to connect without a proxy".into(),
            Self::Tls { fault, .. } => Cow::from(match fault {
                TlsFault::UnknownAuthority => {
                    "give the authority's certificate or the broker's own with --ca-file FILE"
                }
                TlsFault::OtherName => "use a host name that is in the certificate",
                TlsFault::Outdated => {
                    "renew the broker's certificate, or correct the clock of this machine"
                }
                TlsFault::NotTls => {
                    "use the broker's port for TLS, or connect without TLS (ws://, no --tls)"
                }
                TlsFault::Other => "ask the broker's administrator which TLS versions it offers",
            }),
            Self::Protocol { .. } => {
                "check the address; if the broker uses TLS, use wss://, or --tls for a Pulsar".into()
            }
            Self::Timeout { .. } => {
                "check whether the broker is overloaded, and whether the server at this address is a broker".into()
            }
            Self::Unsupported { feature, .. } => return feature.advice().map(Cow::from),
            Self::Unreachable { .. } | Self::Ended => return None,
        })
    }
}

/// A feature that some brokers lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// The modules of a group share the requests of a topic.
    Groups,
    /// The requests that a module did not finish are delivered again.
    Redelivery,
    /// The requests that a module without a group did not finish are delivered to another module.
    RedeliveryWithoutGroup,
    /// A request is redelivered only so many times.
    RedeliveryLimit,
    /// Messages are acknowledged.
    Acknowledgement,
    /// The broker keeps the last message of a topic for later readers.
    RetainedMessages,
    /// The broker lists the modules that listen.
    ModuleList,
    /// The broker tells what happens on its topics.
    TopicActivity,
    /// The broker keeps the answers to jobs.
    Jobs,
    /// The broker puts requests aside that ended the modules that ran them.
    DeadRequests,
    /// The broker moves requests to a dead-letter topic that the modules of a group have returned too often.
    DeadLetters,
}

impl Feature {
    /// Returns how the user of a command line can do without the feature.
    fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Groups => "start one module without --group",
            Self::Redelivery => {
                "start the modules without --ack completed and --max-deaths; at a Pulsar, use --persistent persistent"
            }
            Self::RedeliveryWithoutGroup => "name a group with --group NAME",
            Self::RedeliveryLimit => "remove --max-deaths",
            Self::ModuleList => "name the topics to look at: `list TOPIC`",
            Self::Jobs => "call without `submit`; at a Pulsar, use --persistent persistent",
            Self::Acknowledgement
            | Self::RetainedMessages
            | Self::TopicActivity
            | Self::DeadLetters => return None,
            Self::DeadRequests => {
                "at a Pulsar, name the topic and the group with --topic and --group"
            }
        })
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Groups => "a group",
            Self::Redelivery => "redelivery of unfinished requests",
            Self::RedeliveryWithoutGroup => "redelivery to another module without a group",
            Self::RedeliveryLimit => "a limit of redeliveries",
            Self::Acknowledgement => "acknowledgement of messages",
            Self::RetainedMessages => "retained messages",
            Self::ModuleList => "a list of modules",
            Self::TopicActivity => "what happens on its topics",
            Self::Jobs => "jobs",
            Self::DeadRequests => "requests that are put aside",
            Self::DeadLetters => "a dead-letter topic",
        })
    }
}

/// Returns what to do about a refusal with an HTTP status.
fn status_advice(status: u16) -> Option<&'static str> {
    Some(match status {
        300..=399 => "use the address to which the server redirects, for example one with wss://",
        400 => "check the topic, tenant, namespace and limits; the broker rejects one of them",
        401 => "log in with --token TOKEN; the broker must be able to verify the token",
        403 => {
            "ask the broker's administrator for access to this topic; at a Pulsar, the token's role needs the rights \
             to produce and consume in the namespace"
        }
        404 => "check the URL; at a Pulsar, check the tenant and the namespace, or create them",
        409 => {
            "another consumer has this subscription, or the topic has reached its limit of producers or consumers; \
             modules share a subscription with --group NAME"
        }
        429 => "start fewer programs at once, or try again later",
        500 => "see the log of the broker; try again if it is starting or moving the topic",
        502 | 504 => {
            "check that the broker behind the proxy and the storage of its topics run, and try again"
        }
        503 => {
            "the broker is full or starting; try again later; at a Pulsar, check the backlog quota of the namespace and \
             whether the topic was terminated"
        }
        _ => return None,
    })
}

/// Returns what to do about a refusal with an MQTT reason code.
fn reason_code_advice(code: u8) -> Option<&'static str> {
    Some(match code {
        0x84 => "use a broker that speaks MQTT 5",
        0x86 | 0x8c => {
            "log in with --mqtt-user NAME and --token PASSWORD; the broker does not accept the login without them, or \
             this one"
        }
        0x87 => {
            "log in with --mqtt-user NAME and --token PASSWORD, or ask for the right to publish and subscribe to topics below dasf/"
        }
        0x88 | 0x89 => "try again in a moment",
        0x97 | 0x9f => "start fewer programs at once, or try again later",
        0x9c | 0x9d => "use the address of the broker's other server",
        _ => return None,
    })
}

/// The kind of a TLS fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The broker's certificate is from an authority that is not trusted here.
    UnknownAuthority,
    /// The certificate is for another host name.
    OtherName,
    /// The certificate has expired or is not valid yet.
    Outdated,
    /// The server does not speak TLS.
    NotTls,
    /// Another fault.
    Other,
}

/// The state of a handle's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    /// The first attempt is under way.
    Connecting,
    /// There is a connection.
    Connected {
        /// Whether the broker names the users who send the messages.
        names_users: bool,
        /// What the broker tells about the messages that the topic holds.
        hold: Option<Hold>,
    },
    /// There is no connection; the task tries again.
    Disconnected(ConnectError),
}

impl ConnectionState {
    /// Returns why there is no connection; `None` if there is one or the first attempt is under
    /// way.
    pub(crate) fn failure(&self) -> Option<&ConnectError> {
        match self {
            Self::Disconnected(error) => Some(error),
            Self::Connecting | Self::Connected { .. } => None,
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
        Ok(ConnectionState::Connected { .. } | ConnectionState::Connecting) => Ok(()),
        Err(_) => Err(ConnectError::Ended),
    }
}
