//! The message broker of DASF, in one process and in memory: for a laptop, a lab, a test.
//!
//! Modules and clients reach it as they reach a Django broker or Apache Pulsar, over WebSockets. As
//! a program it is `dasf-broker --bind 127.0.0.1:8080`; as a library it runs inside a test or an
//! application:
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use tokio_tungstenite::{connect_async, tungstenite::Message};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = dasf_broker::Broker::builder().bind(([127, 0, 0, 1], 0).into()).start().await?;
//!
//! let (mut consumer, _) = connect_async(format!("{}/greetings/my-name", broker.url())).await?;
//! let (mut producer, _) = connect_async(format!("{}/greetings", broker.url())).await?;
//! producer.send(Message::text(r#"{"payload": "SGk=", "context": "1", "properties": {}}"#)).await?;
//!
//! let receipt = producer.next().await.ok_or("closed")??.into_text()?;
//! assert!(receipt.ends_with(r#""context":"1","result":"ok"}"#));
//! let delivery = consumer.next().await.ok_or("closed")??.into_text()?;
//! assert!(delivery.ends_with(r#""payload": "SGk=", "context": "1", "properties": {}}"#));
//! broker.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Addresses
//!
//! | style | publish | consume |
//! |---|---|---|
//! | DASF | `/ws/{topic}` | `/ws/{topic}/{subscription}` |
//! | Pulsar | `/ws/v2/producer/{persistence}/{tenant}/{namespace}/{topic}` | `/ws/v2/consumer/…/{topic}/{subscription}` |
//!
//! Both are served on one port, and peers of both meet: a DASF path means the tenant `public` and
//! the namespace `default`, and since everything is kept in memory, `persistent` and
//! `non-persistent` name the same topic. Empty segments do not count, so that a base URL may end in
//! a slash. `GET /health` answers `ok`.
//!
//! A consumer may add these parameters of Pulsar to its address; others are ignored:
//!
//! | parameter | default | |
//! |---|---|---|
//! | `subscriptionType` | by the style | `Exclusive` or `Shared` |
//! | `subscriptionMode` | `Durable` | or `NonDurable` |
//! | `receiverQueueSize` | [`receiver_queue_size`](Builder::receiver_queue_size) | how many unacknowledged messages it has at most |
//! | `negativeAckRedeliveryDelay` | 0 | for how many milliseconds a message waits that it gives back, an hour at most |
//! | `maxRedeliverCount` | none | after how many redeliveries a message that it gives back or leaves behind is a dead letter, from 1 on |
//! | `deadLetterTopic` | `{topic}-{subscription}-DLQ` (`.` and `:` become `-`) | where its dead letters go |
//!
//! With [`Builder::token`], every handshake needs the header `authorization: Token …` or
//! `Bearer …`, or `?token=…`.
//!
//! A handshake is answered with 400 for a bad name or value, 401 for a missing or wrong token, 404
//! for another path, 409 for a subscription that is taken, 503 where a limit is reached; the body
//! says what to do. Once it is answered with 101, the consumer misses nothing that is published.
//!
//! The answer 101 carries the header `dasf-features`: a list, separated by commas, of what this
//! broker can and another one behind the same addresses may not. It is `shared-subscriptions`:
//! consumers of one subscription divide its messages, where a Django broker gives each of them all.
//!
//! # Messages
//!
//! A producer sends JSON objects. The broker reads their `context`, adds `messageId` (a UUID),
//! `publishTime` and, where it delivers again, `redeliveryCount` (a frame must not have these
//! itself), and hands everything else on byte for byte. Each frame gets a receipt,
//! `{"messageId", "context", "result": "ok"}`; a frame that is not taken gets one whose `result` is
//! the reason (in Pulsar's style `send-error:3` or `send-error:8` with the reason in `errorMsg`),
//! and the connection goes on. A binary frame closes it with code 1003, one above
//! [`Builder::max_frame_size`] with 1009.
//!
//! A producer may read its receipts late: up to 16,384 of them, or 4 MiB, wait for it. Then the
//! broker stops reading from it until it reads.
//!
//! # Subscriptions
//!
//! Each subscription of a topic gets a copy of each message that is published while the
//! subscription exists. Its consumers divide these:
//!
//! - **Exclusive** (the default in Pulsar's style): there is one consumer; a second one is refused.
//! - **Shared** (the default in the DASF style): each message goes to the consumer with the fewest
//!   unacknowledged ones. It is the default because modules in Python name their subscription by
//!   the second in which they start: two of the same second must not shut each other out.
//!
//! A consumer acknowledges with `{"messageId": …}` what it is done with. It has
//! [`receiver_queue_size`](Builder::receiver_queue_size) unacknowledged messages at most; the rest
//! waits. What it did not acknowledge when its socket closes, or gives back with `{"type":
//! "negativeAcknowledge", "messageId": …}`, is delivered again: before all younger messages, with
//! the same `messageId`, and with `"redeliveryCount": N`, which tells how often it was delivered in
//! vain (there is none in a first delivery). `{"type": "unsubscribe"}` gives the subscription up
//! with what it holds.
//!
//! A message that is given back goes to another consumer if one has room, else to the same one. With
//! `negativeAckRedeliveryDelay` it waits that long before, unless the socket closes earlier.
//! Meanwhile it still belongs to the subscription and its limits, but no longer to what the consumer
//! has unacknowledged: younger messages may overtake it.
//!
//! With `maxRedeliverCount=N`, a message that comes back from this consumer after N redeliveries is
//! not delivered again. Its subscription holds it no more, and it is published in the dead letter
//! topic of the same tenant and namespace: as a message of its own, with a new `messageId` and
//! without `redeliveryCount`, and everything else as the producer sent it. It waits there for a
//! consumer as other messages do; where a limit keeps it out, it is dropped. The number counts what
//! the socket of any consumer took, worked on or not, so a consumer that may die should keep
//! `receiverQueueSize` near to what it works on at a time.
//!
//! A subscription outlives its consumers by [`Builder::subscription_retention`], unless it is
//! `NonDurable`, and a consumer of the same name finds in it what came meanwhile. A topic without
//! subscriptions keeps its messages for the same time. (An empty subscription that is the only one
//! of its topic ends with its last consumer: the topic keeps what comes for the next one, and the
//! response topics of past callers do not pile up.)
//!
//! # Modules that restart
//!
//! Modules name their subscription by their start time, so one that restarts comes under a new name
//! and would never see what was sent while it was away. Therefore a consumer with a **new** name,
//! on a topic that **nobody else** consumes, takes over all that waits there: the messages of the
//! topic, and those of its subscriptions without a consumer, each message once and in the order of
//! publishing. Those subscriptions end with that. While another subscription has a consumer, a new
//! name begins with the next message.
//!
//! # When a backlog is full
//!
//! A subscription holds [`max_backlog_messages`](Builder::max_backlog_messages) and
//! [`max_backlog_bytes`](Builder::max_backlog_bytes) at most. A message that would exceed that is
//! refused, with a receipt that names the subscription and the limit. One exception: while somebody
//! consumes a topic, its subscriptions without a consumer do not stop the publishing; a full one
//! drops its oldest message.
//!
//! Whatever is refused, dropped, expired or moved to a dead letter topic is logged with its topic and
//! message id, and counted in [`Broker::statistics`].
//!
//! # Connections
//!
//! Each peer is pinged every [`ping_interval`](Builder::ping_interval), and disconnected when it
//! has answered neither of two pings by the time of the third. A connection that has not become a
//! WebSocket within 10 seconds is closed.

mod builder;
mod connection;
mod error;
mod hub;
mod limits;
mod listener;
mod message;
mod receipt;
mod route;
mod server;
mod statistics;
mod topic;

pub use builder::{Broker, Builder};
pub use error::StartError;
pub use statistics::Statistics;
