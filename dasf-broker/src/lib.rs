//! An embedded message broker for DASF modules and their clients: one process, in memory or on the disk.
//!
//! Modules and clients connect to it over WebSockets, as they connect to a Django broker or to
//! Apache Pulsar. As a program, it is `dasf-broker --bind 127.0.0.1:8080`. As a library, it runs
//! inside a test or an application:
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
//! A WebSocket is either a producer, which publishes messages to a topic, or a consumer, which
//! receives the messages of a subscription of a topic. The path decides:
//!
//! | style | producer | consumer |
//! |---|---|---|
//! | DASF | `/ws/{topic}` | `/ws/{topic}/{subscription}` |
//! | Pulsar | `/ws/v2/producer/{persistence}/{tenant}/{namespace}/{topic}` | `/ws/v2/consumer/…/{topic}/{subscription}` |
//!
//! The broker serves both styles on one port. A producer of one style reaches consumers of the
//! other:
//!
//! - A DASF path names a topic of the tenant `public` and the namespace `default`.
//! - `persistent` and `non-persistent` name the same topic.
//! - Empty segments of a path are ignored, so a base URL may end in a slash.
//!
//! Other paths show the broker to those who watch it:
//!
//! | path | answer |
//! |---|---|
//! | `/health` | `ok`, also without a token; status 503 if the store has failed until the broker is started again |
//! | `/metrics` | the numbers of the broker for Prometheus; needs the feature `metrics` |
//! | `/api/topics`, `/api/topics/{topic}` | who listens and how much waits, as JSON; with the handshake of a WebSocket, the list of topics comes in text frames |
//! | `/api/dead`, `/api/dead/{id}` | the requests that are [put aside](#what-is-put-aside), as JSON; with the handshake of a WebSocket, in text frames |
//! | `/{topic}/status/`, `/{topic}/ping/` | what a Django broker answers there |
//!
//! `POST /api/reload`, with the
//! [right](#users-and-rights) `admin` for `*`, does
//! what [`Broker::reload`] does.
//!
//! A consumer can set these parameters of Pulsar in the query of its URL. The broker ignores other
//! parameters.
//!
//! | parameter | default | meaning |
//! |---|---|---|
//! | `subscriptionType` | `Shared` in the DASF style, `Exclusive` in the Pulsar style | `Exclusive` or `Shared` |
//! | `subscriptionMode` | `Durable` | `Durable` or `NonDurable` |
//! | `onClose` | `Keep` | what happens when the last consumer of the subscription closes its connection: `Keep`, `HandOver` or `Discard` |
//! | `subscriptionRetention` | [`subscription_retention`](Builder::subscription_retention) | the seconds for which the subscription stays without a consumer; at most [`max_subscription_retention`](Builder::max_subscription_retention) |
//! | `receiverQueueSize` | [`receiver_queue_size`](Builder::receiver_queue_size) | the largest number of unacknowledged messages of the consumer |
//! | `negativeAckRedeliveryDelay` | 0 | the milliseconds before a negatively acknowledged message is delivered again; at most an hour |
//! | `begunBy` | none | the number of a run of a program, of at most 64 bits: see [below](#what-a-consumer-begins) |
//! | `maxDeaths` | no limit | how many consumers may begin a message and not finish it, before it is [put aside](#what-is-put-aside); at least 1, and only with `begunBy` |
//! | `module`, `version`, `host`, `process` | none | who the consumer is, for those who watch |
//! | `maxRedeliverCount` | no limit | the number of redeliveries after which a message becomes a dead letter; at least 1 |
//! | `deadLetterTopic` | `{topic}-{subscription}-DLQ`, with `-` for `.` and `:` | the topic of the dead letters |
//! | `hold` | none | the seconds for which the topic [holds its messages](#held-messages) after the last use, or 0 to end that; the consumer is then not durable |
//! | `subscriptionInitialPosition` | `Latest` | `Earliest`: the consumer gets the held messages first |
//!
//! A producer, or the handshake of a link, can set `nobodyListens=Refuse`: see [below](#when-nobody-listens).
//!
//! With [`Builder::token`] or [`Builder::config`], every handshake needs a token: in the header
//! `authorization: Token …` or `authorization: Bearer …`, in the query as `?token=…`, or as the WebSocket
//! subprotocol `dasf-token.` with the token in base64url. Pages cannot send headers: they offer the
//! subprotocols `dasf` and `dasf-token.…`, and the broker chooses `dasf`.
//!
//! The broker refuses web pages of other origins, because a browser lets every page connect to every port
//! that its machine reaches: a handshake with a header `Origin` needs the host and port of the header `Host`,
//! or an origin of [`Builder::allow_origin`]. Without a token, a handshake from the machine of the broker also
//! needs a `Host` that is an address, `localhost`, a name without a dot, or the host of an allowed origin.
//!
//! With [`Builder::tls`], the broker speaks TLS 1.2 and 1.3. It answers a request without TLS with status 400.
//! An address that other machines reach needs TLS and a token, or [`Builder::insecure`].
//!
//! The broker refuses a handshake with one of these statuses. The body of the response contains the
//! reason and advice.
//!
//! | status | cause |
//! |---|---|
//! | 400 | a bad name or a bad value of a parameter, or no TLS where the broker has a certificate |
//! | 401 | a missing, wrong or expired token |
//! | 403 | a missing [right](#users-and-rights); a web page of an origin that is not allowed; or a name of the broker that is not allowed without a token |
//! | 404 | another path |
//! | 409 | a subscription that accepts no other consumer, or no consumer of this type and mode |
//! | 429 | a [limit of the user](#limits-of-users) |
//! | 503 | a limit of the broker |
//!
//! A handshake that succeeds has status 101. From then on, the consumer gets every message that is
//! published.
//!
//! The response with status 101 has the header `dasf-features`. It lists, separated by commas, the
//! abilities of this broker that other brokers with the same paths may lack:
//!
//! - `shared-subscriptions`: the consumers of one subscription share its messages. A Django broker
//!   delivers every message to each of them.
//! - `begun-count`: the broker counts [what a consumer begins](#what-a-consumer-begins).
//! - `users`: the broker has [users](#users-and-rights), and tells who has sent a message.
//! - `link`: a handshake with the header `dasf-link: 1` opens a [link](dasf_protocol::link), on which a
//!   process publishes to any topic and reads all its topics.
//! - `version=0.1.0`: the version of the broker.
//!
//! The response to a consumer whose subscription stays has the header `dasf-retention`: the seconds for which
//! it stays without a consumer.
//!
//! # Users and rights
//!
//! With [`Builder::config`] or [`Builder::config_file`], the broker knows users. A [`Config`] is text in
//! TOML:
//!
//! ```toml
//! [roles.caller]                  # the topics of a role, by right
//! call = ["river", "climate-*"]
//! [groups.hydrology]              # a group may give roles to its users
//! roles = ["caller"]
//! [users.ada]
//! groups = ["hydrology"]
//! call = ["lab"]                  # rights may also stand at a user
//! tokens = [{ sha256 = "…", created = 2026-11-28, note = "notebook", expires = 2027-11-28 }]
//! [users.station-1]
//! serve = ["river"]
//! tokens = [{ sha256 = "…" }]
//! [anonymous]                     # only with this table, peers without a token may connect
//! call = ["demo"]
//! ```
//!
//! | right | allows |
//! |---|---|
//! | `call` | to send requests to the topic, and to read the answers |
//! | `serve` | to read the requests of the topic, and to answer its callers; to see, send again and drop those that are [put aside](#what-is-put-aside) |
//! | `watch` | to see who reads the topic, how much waits there, and what is put aside, without arguments |
//! | `admin`, for `*` | to make the broker read its configuration again; with `watch`, the same as `serve` with what is put aside |
//!
//! A pattern is the name of a topic, in which `*` stands for any characters. A topic of another tenant or
//! namespace than `public` and `default` has both in front: `lab/default/river`. Unknown keys, and roles and
//! groups that are not defined, are errors.
//!
//! **Issuers.** With the feature `jwt`, users may also come with the JSON Web Tokens of issuers:
//!
//! ```toml
//! [issuers.lab]
//! issuer = "https://lab.example.org"      # the claim `iss`
//! audience = "dasf"                       # the claim `aud` has this text, or one of a list
//! jwks = "lab.json"                       # the public keys, relative to the folder of this file
//! user_claim = "sub"                      # the default
//! user_prefix = "lab-"                    # in front of the name of the user; default: nothing
//! groups_claim = "groups"                 # the default
//! roles = ["caller"]                      # of all its users; default: none
//! local_users = false                     # the default: a token for a user of this file is refused
//! [issuers.lab.groups]                    # groups of this file, by the values of the claim
//! "urn:lab:group:H" = "hydrology"
//! ```
//!
//! The broker checks the signature with the key that the header `kid` names, and `iss`, `aud`, `exp` and `nbf`, with a
//! leeway of 30 seconds. The algorithms are RS256 to RS512, PS256 to PS512, ES256, ES384 and `EdDSA` with
//! Ed25519. The name of a user has the same characters as one of the file. A token has at most 16 KiB.
//!
//! **Response topics.** Callers read their answers on topics of their own, whose names are that of the
//! module's topic, `_`, and at least 8 letters and digits. Nobody configures them. The first reader with the
//! right `call` or `serve` for the module's topic owns such a topic. As long as it exists, and for
//! [`Builder::subscription_retention`] after it, nobody else reads it, and only those who may serve the
//! module's topic send to it. To a topic whose owner may serve the module's topic, callers send all messages
//! but answers, too. A topic that a pattern of a `call` or `serve` names, and that does not match the
//! module's topic as well, is no response topic. All peers without a token are one owner.
//!
//! **Who has sent a message.** The broker adds the properties `x_dasf_user` and `x_dasf_groups` (names with
//! commas between them) to every message, except answers to a caller's response topic and messages of peers
//! without a token. It refuses messages that come with one of these properties, also without users.
//!
//! **Changes.** [`Broker::reload`] and [`Broker::set_config`] replace the users, their rights, the keys of
//! issuers and the settings of topics while the broker runs. The broker closes the connections of peers whose
//! token or right is gone with code 1008. A link stays, and only ends to read the topic, with status 403. When a
//! token expires, its connections close.
//!
//! ## Limits of users
//!
//! The tables `[users.NAME.limits]`, `[roles.NAME.limits]`, `[limits]` for all users with a name, and
//! `[anonymous.limits]` for all peers without a token together may have these keys:
//!
//! | key | limits |
//! |---|---|
//! | `max_connections` | the WebSockets of the user |
//! | `max_topics` | the topics that the user has created, as long as they exist |
//! | `max_subscriptions` | the subscriptions that the user has created, as long as they exist |
//! | `max_memory` | the bytes in memory of the messages that the user has published: a number, or a text with a unit such as `"64 MiB"` |
//! | `max_messages_per_second` | the messages that the user publishes; those of one second may come at once |
//!
//! A limit at the user counts before those of its roles, of which the largest one counts, and these before
//! those of `[limits]`. Without any, only the limits of the broker hold. A user of an issuer has the limits of
//! the roles of the issuer and of the groups in its newest token, and those of `[limits]`.
//!
//! A refusal names the limit and the user: `the limit max_topics of user ada`. Handshakes, and topics on a
//! link, are refused with status 429, and messages in their receipts. Beyond `max_messages_per_second`, the
//! broker reads no further frames of the connection for a while, at most 10 s for each message, so that TCP
//! slows it down: receipts come in order, and a publisher that learns of a refusal would only send again. [`Broker::reload`] changes the
//! limits of users who are connected. What they have already stays.
//!
//! # Messages
//!
//! A producer sends JSON objects as text frames. The broker reads the field `context`, adds the
//! fields below, and delivers all other fields byte for byte as they came. A frame must not contain
//! these fields:
//!
//! - `messageId`, a UUID;
//! - `publishTime`;
//! - `redeliveryCount`, in a redelivery;
//! - `begunCount`, in a redelivery to a consumer with `begunBy`;
//! - `waitedMs`, in a delivery whose message has waited for 50 milliseconds or longer.
//!
//! Its properties must not contain `x_dasf_user` and `x_dasf_groups`.
//!
//! While messages wait for the consumers of a topic, the broker answers a message of the type `ping` with the
//! property `x_dasf_position_of` itself, and does not deliver it: it would wait behind the others. The answer is
//! a `pong` on the response topic of the ping. If the request with this `requestContext` waits, the pong has the
//! property `x_dasf_position`: how many requests wait before it.
//!
//! The broker answers each frame with a receipt, `{"messageId", "context", "result": "ok"}`. If it
//! refuses the frame, `result` is the reason. In the Pulsar style, `result` is then `send-error:3`
//! for a bad frame or `send-error:8` for a full backlog or a missing right, and `errorMsg` is the reason. The
//! connection stays open. Two kinds of frames close it: a binary frame, with code 1003, and a frame
//! above [`Builder::max_frame_size`], with code 1009.
//!
//! ## When nobody listens
//!
//! By default, a message waits until somebody reads its topic. With `nobodyListens=Refuse`, the broker refuses a
//! message with the property `response_topic` if the topic has no subscription and had no consumer for
//! [`Builder::subscription_retention`], unless it has the property `x_dasf_job`. The receipt has `"status": 404`.
//!
//! ## Receipts
//!
//! A producer may read its receipts late. The broker keeps up to 16,384 receipts or 4 MiB for it, and
//! only 64 KiB while what waits for all peers is more than a quarter of [`Builder::max_memory`]. Above
//! that, the broker reads no more frames of this producer until the producer reads.
//!
//! # Subscriptions
//!
//! Every subscription of a topic gets a copy of each message that is published while the
//! subscription exists. The consumers of a subscription have the same topic and the same
//! subscription name. They share its messages by the type of the subscription:
//!
//! - **Exclusive** (default in the Pulsar style): the subscription has one consumer. The broker
//!   refuses a second one.
//! - **Shared** (default in the DASF style): each message goes to the consumer with the fewest
//!   unacknowledged messages. Modules in Python name their subscription by the second in which they
//!   start. With an exclusive default, two modules that start in the same second would exclude each
//!   other.
//!
//! ## Acknowledgements and redelivery
//!
//! A consumer sends JSON objects:
//!
//! | frame | effect |
//! |---|---|
//! | `{"messageId": …}` | Acknowledges a message. The subscription then forgets it. |
//! | `{"type": "negativeAcknowledge", "messageId": …}` | Returns a message to the broker, which delivers it again. |
//! | `{"type": "begun", "messageId": …}` | Reports that the work on a redelivered message begins. |
//! | `{"type": "unsubscribe"}` | Removes the subscription with all its messages, if it has no other consumer, and closes the connection. |
//!
//! A consumer has at most [`receiver_queue_size`](Builder::receiver_queue_size) unacknowledged
//! messages. Further messages wait in the backlog of the subscription.
//!
//! The broker delivers a message again when its consumer acknowledges it negatively, or disconnects
//! without an acknowledgement. A redelivery comes before all younger messages. It has the same
//! `messageId` and the field `"redeliveryCount": N`, where N is the number of earlier deliveries. A
//! first delivery does not have this field.
//!
//! A negatively acknowledged message goes to another consumer that has room. If there is none, it
//! goes to the same consumer again. With `negativeAckRedeliveryDelay`, it first waits for that time,
//! or until its consumer disconnects. While it waits, it counts for the limits of the subscription,
//! but not for the unacknowledged messages of the consumer. Younger messages can overtake it.
//!
//! ## What a consumer begins
//!
//! A message may end every consumer that works on it, and the other messages of these consumers come
//! back with it. So a consumer can report when it begins to work on a redelivered message, with the frame
//! `begun`. It names a number that no other program uses, in `begunBy`, and gives the same number when it
//! connects again. Then each redelivery has the field `"begunCount": N`: a consumer has begun to work on
//! the message N times, and then returned it or was lost. A lost consumer that connects again still
//! works on the message, and does not count. First deliveries need no report, and do not count.
//!
//! ## Dead letters
//!
//! With `maxRedeliverCount=N`, a message that comes back from this consumer after N redeliveries is
//! not delivered again. [`TopicSettings::max_redeliveries`] sets a number for all consumers of a topic; the
//! smaller one counts. The broker removes it from the subscription and publishes it to the
//! dead-letter topic, which has the same tenant and namespace. The dead letter has a new `messageId`
//! and no `redeliveryCount`. All other fields are as the producer sent them. Like any message, it
//! waits for a consumer of that topic. If it would exceed a limit there, or if the topic has no dead letters
//! ([`TopicSettings::dead_letters`]), the broker drops it.
//!
//! If the consumer has `begunBy`, the number counts what consumers have begun, as `begunCount` does.
//! Otherwise it counts every delivery that the socket of a consumer accepted, even if the consumer did
//! not begin to work on the message. So such a consumer that may crash should set `receiverQueueSize` to
//! little more than the number of messages that it works on at a time.
//!
//! ## What is put aside
//!
//! With `maxDeaths=N`, a message that N consumers have begun and not finished is put aside: the broker removes it
//! from the subscription and delivers it no more. If the last consumer was lost, and did not return the message,
//! this happens six seconds later, unless the consumer connects again. If the message is a request, the broker
//! sends an error to its response topic. [`dasf_protocol::put_aside`] describes it.
//!
//! The broker keeps such requests with their history. `GET /api/dead` lists them, and `GET /api/dead/{id}` shows
//! one. `POST /api/dead/{id}/retry` sends one to its topic again, as if it had never come, and `POST
//! /api/dead/{id}/drop` drops it. To see them in the list needs the [right](#users-and-rights) `watch` or `serve`
//! for the topic; to read their arguments and to change them, `serve`, or `watch` and `admin` for `*`.
//! [`Builder::max_dead_requests`] and [`Builder::max_dead_bytes`] limit them. If the topic has no dead letters
//! ([`TopicSettings::dead_letters`]), the broker only tells the caller.
//!
//! ## How long a subscription exists
//!
//! A subscription continues to exist for [`Builder::subscription_retention`] after its last consumer
//! disconnects. A consumer that connects with the same name gets the messages of the meantime. It may ask
//! for another time with `subscriptionRetention`; of several consumers of a subscription, the longest time
//! counts. There are these exceptions:
//!
//! - A `NonDurable` subscription ends with its last consumer.
//! - An empty subscription that is the only one of its topic ends with its last consumer, unless a consumer
//!   has asked for a time. The topic keeps later messages for the next subscription. So the response topics
//!   of former callers do not pile up.
//! - A subscription with `onClose=HandOver` or `onClose=Discard` ends when its last consumer closes its
//!   connection. After a lost connection, it waits for one minute at most, if no consumer has asked for
//!   another time. With `Discard`, the messages
//!   of a subscription whose consumer has closed its connection end, too. Otherwise the messages that no
//!   other subscription has got go to the youngest subscription of the topic that has a consumer. If the
//!   topic has no subscription, they wait for the next one. Programs whose name of a subscription is
//!   that of one run should set this. Modules and clients in Rust do.
//! - When a topic has [`max_subscriptions`](Builder::max_subscriptions), the subscription whose consumer
//!   is away for the longest time ends for a new one.
//!
//! A topic without subscriptions keeps its messages for [`Builder::subscription_retention`].
//!
//! ## Modules that restart
//!
//! Modules name their subscription by their start time. So a module that restarts has a new name, and
//! would miss the messages that were sent while it was away. Therefore the broker treats a **new**
//! name on a topic **without any other consumer** in a special way: the new subscription takes over
//! all messages that wait there. These are the messages of the topic and of its subscriptions
//! without a consumer, each message once and in the order of publishing. Messages that a consumer of
//! any subscription has acknowledged are left out. The old subscriptions end.
//!
//! While another subscription of the topic has a consumer, a new subscription starts with the next
//! message.
//!
//! # Backlogs
//!
//! The backlog of a subscription contains all messages that no consumer has acknowledged: those that
//! wait, and those that a consumer has. A topic without subscriptions has its own backlog.
//!
//! ## When a backlog is full
//!
//! A backlog holds at most [`max_backlog_messages`](Builder::max_backlog_messages) messages and
//! [`max_backlog_bytes`](Builder::max_backlog_bytes) bytes. The broker refuses a message if no
//! subscription with a consumer has room for it. The receipt names a subscription and the limit.
//! So producers are no faster than the consumers. A topic without any consumer refuses messages when
//! one of its subscriptions is full.
//!
//! But no subscription holds back the publishers of others. While one subscription with a consumer has
//! room, a full one drops its oldest messages: first those that wait, then those that its consumers
//! have. The broker disconnects the consumers of a subscription that has dropped as many messages as
//! its backlog holds and has acknowledged none meanwhile: a WebSocket with code 1008, a topic of a link
//! with status 429. They may connect again.
//!
//! Consumers that share a subscription do not hold back each other, either. The broker disconnects one that
//! has most messages of a full subscription and acknowledges none for some publishes, while the others
//! have room. The others get its messages.
//!
//! ## Requests that nobody needs any more
//!
//! A message that has waited is not delivered if its caller no longer waits: if it has been in the broker
//! for longer than its property `x_dasf_timeout_ms` says. It counts as expired.
//!
//! It is not delivered, either, if its caller is gone: if the only reader of its `response_topic` has
//! closed its connection, or has lost it ten seconds ago, and its subscription ends with it
//! (`onClose=Discard` or `subscriptionMode=NonDurable`). It then counts as dropped. A reader whose
//! subscription stays gets its answers. A message with the property `x_dasf_job` outlives its caller.
//!
//! A message of the type `cancel` removes the request with the same `response_topic` and `requestContext` of
//! the same user where it waits, and counts it as dropped. If a consumer has the request, this consumer gets
//! the message, even if it has no permit. Otherwise every consumer gets it.
//!
//! ## Held messages
//!
//! A topic may hold its messages for readers that come later, such as the answers to a job. A consumer asks for it
//! with the parameter [`hold`](dasf_protocol::hold). From then on each reader with `hold` or
//! `subscriptionInitialPosition=Earliest` gets all messages since then, and an acknowledgement ends none of them.
//! Of the progress reports of a call, the topic holds only the latest one, and the latest one with a checkpoint.
//!
//! The hold ends with `hold=0`, or when nobody has used it for its time: no reader and no publisher. The broker
//! grants at most [`Builder::max_subscription_retention`], and says so in the header `dasf-hold`. The header
//! `dasf-held` has the number of messages that the reader gets first. It is missing if there was no hold.
//!
//! Held messages make no room for others: a topic or a broker without room refuses messages. Nor does the broker
//! remove a topic with a hold when there are too many topics. With users, only the owner of a response topic makes
//! it hold messages. A hold counts as one of its user's `max_subscriptions`.
//!
//! The message of a job waits longer than others while nobody reads its topic: for the seconds of its property
//! `x_dasf_keep_s`, at most [`Builder::max_subscription_retention`].
//!
//! ## Settings of topics
//!
//! [`Builder::topic_settings`] changes the limits of backlogs for the topics of a pattern, limits how long
//! messages wait and how often they are delivered again, and decides whether they are kept on the disk.
//!
//! ## When the memory is full
//!
//! All messages, subscriptions and topics together have at most [`max_memory`](Builder::max_memory)
//! bytes. Each message counts once, with its place in each subscription. When the memory is full,
//! messages that nobody reads make room first, those of the largest topic before others. Then the topic
//! with the most memory loses its oldest messages. The broker refuses messages for that topic itself.
//!
//! ## When there are too many topics
//!
//! The broker has at most [`max_topics`](Builder::max_topics) topics. For a further one, topics without
//! a consumer make room with their messages, those with the oldest messages first. A link that creates
//! more than [`max_topics_per_connection`](Builder::max_topics_per_connection) topics without a consumer
//! loses the oldest of them.
//!
//! ## What the broker reports
//!
//! Peers can cause lines of the log without end. So the broker writes the first ten lines of each kind in
//! ten seconds, and then how many there were more.
//!
//! The broker logs what it refuses, drops, lets expire or moves to a dead-letter topic, with topic and
//! message id. [`Broker::statistics`] counts the messages.
//!
//! # Keeping messages
//!
//! With [`Builder::data_dir`], the broker keeps messages and durable subscriptions in a database in this
//! directory. It needs the feature `store`.
//!
//! - A receipt means that the message is on the disk. A thread writes all messages that have come since its
//!   last commit in one transaction. The broker delivers a message before that, and does not write one that
//!   all its readers have acknowledged meanwhile.
//! - Messages that only `NonDurable` subscriptions have are not written.
//! - An acknowledgement is on the disk when the broker confirms a message that it got later on the same
//!   link.
//! - Messages keep their ids, their order, their age and their counts of redeliveries over a restart.
//!   Subscriptions wait for their consumers as after a lost connection, for the time that they have asked
//!   for. After a crash of the broker, deliveries to consumers that it had not seen to end do not count.
//! - Contents that are on the disk leave the memory when they have more than an eighth of
//!   [`max_memory`](Builder::max_memory).
//! - The handshake of a consumer with a durable subscription succeeds when the subscription is on the disk.
//! - If the database cannot be written, the broker refuses messages with the reason.
//! - [`Builder::topic_settings`] excludes topics.
//! - A damaged database is refused. `recover` saves what can be read of it.
//!
//! # Connections
//!
//! The broker pings each peer every [`ping_interval`](Builder::ping_interval). It disconnects a peer
//! that has answered none of the last two pings when the third is due: by default, 12 to 18 seconds after
//! the last byte of the peer. A large frame may take longer on a slow link: every part of it that comes is a
//! sign of life, and after a frame of more than 32 KiB the peer has as much more time as a link of 4 KiB per
//! second needs for it, unless it pings by itself. A ping of the peer itself is no
//! sign of life while the peer does not read the answers, and after 1024 of them the broker disconnects
//! the peer.
//!
//! A connection must become a WebSocket within 10 seconds, or the broker closes it, also during the handshake
//! of TLS, and while it writes a response that the peer does not read.
//! [`max_handshakes`](Builder::max_handshakes) connections may be in this state. For a further one, the broker
//! closes the oldest of the network with the most of them. One address has at most
//! [`max_connections_per_address`](Builder::max_connections_per_address) WebSockets.

mod access;
mod account;
mod budget;
mod builder;
mod clock;
mod dead;
mod handshake;
mod hub;
mod limits;
mod listener;
mod log;
mod message;
mod network;
mod pattern;
mod places;
mod receipt;
mod refusal;
mod route;
mod see;
mod start_error;
mod statistics;
#[cfg_attr(not(feature = "store"), allow(dead_code))]
mod store;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod topic;
mod topic_settings;
mod websocket;

#[cfg(feature = "store")]
use std::path::Path;

pub use access::{Config, ConfigError};
#[cfg(feature = "cli")]
pub use access::{NewToken, TokenError};
pub use builder::{Broker, Builder};
pub use start_error::{Lacks, StartError};
pub use statistics::Statistics;
#[cfg(feature = "store")]
pub use store::Recovered;
pub use topic_settings::TopicSettings;

/// Copies what can be read of a damaged data directory to another one, which must not have a database.
/// No broker may use either of them. See [`Builder::data_dir`].
///
/// The messages keep their ids and their places in the subscriptions. A message whose content differs from
/// what the broker wrote is left out.
///
/// # Errors
///
/// [`StartError::Store`] if the new directory cannot be written or has a database, or if nothing of the
/// old one can be read.
#[cfg(feature = "store")]
pub fn recover(from: &Path, to: &Path) -> Result<Recovered, StartError> {
    store::recover(from, to).map_err(|source| StartError::Store {
        directory: from.to_owned(),
        source: source.into(),
    })
}
