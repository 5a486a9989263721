//! The socket of a link: it publishes to any topic, and reads several ones.
//!
//! [`dasf_protocol::link`] describes the frames.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, close_code};
use axum::http::StatusCode;
use dasf_protocol::link::{FrameKind, Header, Joiner};
use dasf_protocol::{Subscription, Topic};
use futures_util::task::AtomicWaker;
use serde_json::value::RawValue;
use tokio::time::{Instant, Sleep};
use tracing::debug;

use super::consumer::{LAGS, RedeliveryTimer};
use super::outgoing::Outgoing;
use super::role::{BATCH, Role, close};
use crate::hub::{Consumer, Hub, Producer, TopicQuota};
use crate::message::Message;
use crate::refusal::Refusal;
use crate::route::{Query, RouteError, Style};
use crate::store::{Ticket, UNWRITTEN};
use crate::topic::{AttachError, Effects, PublishError, TopicName};

/// The largest number of topics that a link reads.
const MAX_SUBSCRIPTIONS: usize = 1024;
/// The largest number of topics for which a link keeps a producer.
const MAX_PRODUCERS: usize = 1024;
/// How long a link keeps a producer without a message.
const PRODUCER_KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long the peer waits at most for a confirmation that it does not ask for. A frame of its own
/// wakes the peer, so the broker waits for another frame to send with it, such as the answer to a
/// call.
const CONFIRMATION_DELAY: Duration = Duration::from_millis(10);
/// The number of messages of which the broker confirms the last one at once.
const MAX_UNCONFIRMED: u64 = 256;
/// The number of messages of a link that wait until the store has written them. Above that, the broker
/// reads no more frames.
const MAX_UNWRITTEN: usize = 16_384;
/// The number of bytes of which the broker confirms the last one at once.
const MAX_UNCONFIRMED_BYTES: usize = 1 << 20;

/// The socket of a link.
pub(crate) struct LinkRole {
    hub: Arc<Hub>,
    style: Style,
    /// The topic of the handshake, whose tenant and namespace all topics of the link share.
    base: TopicName,
    subscriptions: HashMap<Topic, LinkSubscription>,
    ready: Arc<Ready>,
    /// The topics with messages that are delivered again later.
    delayed: HashSet<Topic>,
    producers: Producers,
    confirmations: Confirmations,
    /// The consumers of published messages. They wake after a batch of frames.
    published: Effects,
    joiner: Joiner,
}

/// A topic that the link reads.
struct LinkSubscription {
    consumer: Consumer,
    timer: RedeliveryTimer,
    /// Adds the topic to those that may have messages.
    waker: Waker,
}

/// The topics that may have messages for a link. The link looks at no others, because it may read
/// many.
#[derive(Default)]
struct Ready {
    topics: Mutex<VecDeque<Topic>>,
    /// The task of the link.
    task: AtomicWaker,
}

impl Ready {
    fn topics(&self) -> MutexGuard<'_, VecDeque<Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes a link for one of its topics. A consumer uses its waker once before it gets it again, so a
/// topic is added once.
struct TopicWaker {
    topic: Topic,
    ready: Arc<Ready>,
}

impl Wake for TopicWaker {
    fn wake(self: Arc<Self>) {
        self.ready.topics().push_back(self.topic.clone());
        self.ready.task.wake();
    }
}

/// The error of a message that the broker does not accept.
#[derive(Debug, thiserror::Error)]
enum RefusedMessage {
    #[error(transparent)]
    Topic(#[from] dasf_protocol::TopicError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("properties is not a JSON object; send an object, or leave it out")]
    Properties,
}

impl LinkRole {
    /// Returns the link of a handshake to this topic. If it was the handshake of a consumer, the link
    /// reads the topic.
    pub(crate) fn new(
        hub: Arc<Hub>,
        style: Style,
        topic: TopicName,
        consumer: Option<Consumer>,
    ) -> Self {
        let first = topic.topic().clone();
        let mut link = Self {
            hub,
            style,
            subscriptions: HashMap::new(),
            ready: Arc::default(),
            delayed: HashSet::new(),
            base: topic,
            producers: Producers::default(),
            confirmations: Confirmations::default(),
            published: Effects::default(),
            joiner: Joiner::default(),
        };
        if let Some(consumer) = consumer {
            link.read_topic(first, consumer);
        }
        link
    }

    fn read_topic(&mut self, topic: Topic, consumer: Consumer) {
        let waker = TopicWaker {
            topic: topic.clone(),
            ready: Arc::clone(&self.ready),
        };
        let subscription = LinkSubscription {
            consumer,
            timer: RedeliveryTimer::default(),
            waker: Arc::new(waker).into(),
        };
        self.ready.topics().push_back(topic.clone());
        self.subscriptions.insert(topic, subscription);
    }

    fn publish(&mut self, header: &Header<'_>, payload: &Bytes, outgoing: &mut Outgoing) {
        self.confirmations.add(payload.len());
        let Err(error) = self.try_publish(header, payload) else {
            return;
        };
        outgoing.push_binary(refused(self.confirmations.published, &error.to_string()));
    }

    fn try_publish(&mut self, header: &Header<'_>, payload: &Bytes) -> Result<(), RefusedMessage> {
        let producer = self.producers.get(&self.hub, &self.base, &header.topic)?;
        let properties = header.properties.map(RawValue::get);
        if properties.is_some_and(|properties| !properties.starts_with('{')) {
            let error = RefusedMessage::Properties;
            producer.report_refused(None, &error.to_string());
            return Err(error);
        }
        let (message, published) = producer.publish_parts(header, payload, &mut self.published);
        if let Err(error) = published {
            producer.report_refused(Some(&message), &error.to_string());
            return Err(error.into());
        }
        if let Some(after) = self.hub.written_after(&message) {
            self.confirmations.wait_for(message, after);
        }
        Ok(())
    }

    fn subscribe(&mut self, header: &Header<'_>) -> Result<(), Refusal> {
        let topic: Topic = header.topic.parse().map_err(RouteError::from)?;
        if self.subscriptions.contains_key(&topic) {
            let reason = "the link reads this topic already";
            return Err(Refusal::new(StatusCode::CONFLICT, reason));
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            let reason = format!(
                "the link reads {MAX_SUBSCRIPTIONS} topics, which is the limit; open another link"
            );
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
        let subscription: Subscription = header.subscription.parse().map_err(RouteError::from)?;
        let name = self.base.sibling(topic.clone());
        let parameters = Query::new(Some(&header.parameters));
        let options = parameters.consumer_options(self.style, &name, &subscription)?;
        let quota = Some(&mut self.producers.quota);
        let hub = &self.hub;
        let consumer = hub.consumer_with_quota(name, subscription, &options, quota)?;
        self.read_topic(topic, consumer);
        Ok(())
    }

    /// Ends the reading of a topic.
    fn leave(&mut self, topic: &str, removes_subscription: bool) {
        let Some(mut left) = self.subscriptions.remove(topic) else {
            return;
        };
        left.consumer.leave();
        if removes_subscription && !left.consumer.unsubscribe() {
            let (topic, subscription) = (left.consumer.topic(), left.consumer.subscription());
            debug!(%topic, %subscription, "did not remove the subscription, because it has other consumers");
        }
    }

    /// Acknowledges messages, positively or negatively, or records that the peer works on them.
    fn acknowledge(&mut self, header: &Header<'_>) {
        let Some(read) = self.subscriptions.get_mut(&*header.topic) else {
            return;
        };
        for &message in &header.messages {
            let known = match header.kind {
                FrameKind::NegativeAcknowledge => read.consumer.negative_acknowledge(message),
                FrameKind::Begun => read.consumer.begin(message),
                _ => read.consumer.acknowledge(message),
            };
            if !known {
                debug!(
                    topic = read.consumer.topic().to_string(),
                    message, "ignored a frame about a message that the link does not have"
                );
            }
        }
        read.consumer.apply_effects();
        if read.consumer.next_due().is_some() {
            self.delayed.insert(read.consumer.topic().topic().clone());
        }
    }
}

impl Drop for LinkRole {
    fn drop(&mut self) {
        // The last batch of frames may end the connection.
        self.published.wake();
    }
}

/// Returns the answer to a message that the broker does not accept, by the number of messages before it.
fn refused(count: u64, reason: &str) -> Bytes {
    Header {
        count: Some(count),
        reason: reason.into(),
        ..Header::new(FrameKind::Refused)
    }
    .frame(b"")
}

/// Returns the answer to the end of a subscription, or to a refused one.
fn unsubscribed(topic: &str, refusal: Option<&Refusal>) -> Bytes {
    Header {
        topic: topic.into(),
        status: refusal.map(|refusal| refusal.status.as_u16()),
        reason: refusal.map_or("", |refusal| &refusal.reason).into(),
        ..Header::new(FrameKind::Unsubscribed)
    }
    .frame(b"")
}

impl Role for LinkRole {
    const SENDS_PENDING_ON_CLOSE: bool = true;

    fn on_text(&mut self, _: &str, _: &mut Outgoing) -> Option<CloseFrame> {
        let reason = "a link has binary frames";
        Some(close(close_code::UNSUPPORTED, reason))
    }

    fn on_binary(&mut self, frame: Bytes, outgoing: &mut Outgoing) -> Option<CloseFrame> {
        let (frame, apart) = self.joiner.join(frame)?;
        let (header, payload) = match Header::read(&frame) {
            Ok(read) => read,
            Err(error) => return Some(close(close_code::INVALID, error.to_string())),
        };
        let payload = apart.unwrap_or(payload);
        match header.kind {
            FrameKind::Publish => self.publish(&header, &payload, outgoing),
            FrameKind::Confirm => self.confirmations.is_wanted = true,
            FrameKind::Acknowledge | FrameKind::NegativeAcknowledge | FrameKind::Begun => {
                self.acknowledge(&header);
            }
            FrameKind::Subscribe => {
                let answer = match self.subscribe(&header) {
                    Ok(()) => Header {
                        topic: header.topic.clone(),
                        ..Header::new(FrameKind::Subscribed)
                    }
                    .frame(b""),
                    Err(refusal) => unsubscribed(&header.topic, Some(&refusal)),
                };
                outgoing.push_binary(answer);
            }
            FrameKind::Close | FrameKind::Unsubscribe => {
                self.leave(&header.topic, header.kind == FrameKind::Unsubscribe);
                outgoing.push_binary(unsubscribed(&header.topic, None));
            }
            kind => {
                let reason = format!("a broker sends frames of the type {kind:?}, and reads none");
                return Some(close(close_code::INVALID, reason));
            }
        }
        None
    }

    fn is_saturated(&self) -> bool {
        self.confirmations.unwritten.len() >= MAX_UNWRITTEN
    }

    fn after_frames(&mut self, cx: &mut Context<'_>) {
        self.published.wake();
        self.delayed.retain(|topic| {
            let Some(read) = self.subscriptions.get_mut(topic) else {
                return false;
            };
            read.timer.poll(&mut read.consumer, cx);
            read.consumer.apply_effects();
            read.consumer.next_due().is_some()
        });
    }

    fn closed_by_peer(&mut self) {
        for read in self.subscriptions.values_mut() {
            read.consumer.leave();
        }
    }

    fn before_close(&mut self, outgoing: &mut Outgoing) {
        // Otherwise the peer would publish the messages before the one that closes the link again.
        self.confirmations.write(outgoing);
    }

    fn fill_outgoing(
        &mut self,
        outgoing: &mut Outgoing,
        cx: &mut Context<'_>,
    ) -> Option<CloseFrame> {
        self.ready.task.register(cx.waker());
        let ready = std::mem::take(&mut *self.ready.topics());
        let mut rest = VecDeque::new();
        for topic in ready {
            let Some(read) = self.subscriptions.get_mut(&topic) else {
                continue;
            };
            let Some(deliveries) = read.consumer.take(BATCH, &read.waker) else {
                let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, LAGS);
                outgoing.push_binary(unsubscribed(topic.as_str(), Some(&refusal)));
                self.subscriptions.remove(&topic);
                continue;
            };
            let may_have_more = !deliveries.is_empty();
            for delivery in deliveries {
                let frames = delivery.link_frames(&topic);
                for frame in frames {
                    outgoing.push_binary(frame);
                }
            }
            if may_have_more {
                rest.push_back(topic);
            }
        }
        self.ready.topics().append(&mut rest);
        self.confirmations.settle(&self.hub, outgoing, cx);
        if self.confirmations.are_due(cx) || !outgoing.is_empty() {
            self.confirmations.write(outgoing);
        }
        None
    }
}

/// Which messages of the peer are accepted, and which of them the peer knows to be.
#[derive(Default)]
struct Confirmations {
    /// The number of messages that the peer has published.
    published: u64,
    /// The number of messages up to the last confirmed one.
    confirmed: u64,
    /// The size of the payloads after that one.
    unconfirmed_bytes: usize,
    /// The messages that the store has not written yet.
    unwritten: VecDeque<Unwritten>,
    /// Whether the peer asks for a confirmation.
    is_wanted: bool,
    /// When the next confirmation is due at the latest.
    delay: Option<Pin<Box<Sleep>>>,
}

/// A message that the store has not written yet.
struct Unwritten {
    /// The number of messages up to this one.
    count: u64,
    message: Message,
    after: Ticket,
}

impl Confirmations {
    /// Lets the last message wait until the store has written it.
    fn wait_for(&mut self, message: Message, after: Ticket) {
        let count = self.published;
        self.unwritten.push_back(Unwritten {
            count,
            message,
            after,
        });
    }

    /// Removes the messages that the store has written. Refuses those that it could not write.
    fn settle(&mut self, hub: &Hub, outgoing: &mut Outgoing, cx: &mut Context<'_>) {
        while let Some(first) = self.unwritten.front()
            && hub.is_written(first.after, cx)
            && let Some(written) = self.unwritten.pop_front()
        {
            if written.message.is_refused() {
                outgoing.push_binary(refused(written.count, UNWRITTEN));
            }
        }
    }

    /// Returns the number of messages up to the last one that the broker may confirm.
    fn accepted(&self) -> u64 {
        let first = self.unwritten.front();
        first.map_or(self.published, |first| first.count - 1)
    }

    fn add(&mut self, bytes: usize) {
        self.published += 1;
        self.unconfirmed_bytes += bytes;
    }

    /// Returns whether a confirmation cannot wait for another frame. If it can, the task wakes when
    /// its time has come.
    fn are_due(&mut self, cx: &mut Context<'_>) -> bool {
        let unconfirmed = self.accepted() - self.confirmed;
        if self.is_wanted && unconfirmed > 0
            || unconfirmed >= MAX_UNCONFIRMED
            || self.unconfirmed_bytes >= MAX_UNCONFIRMED_BYTES
        {
            return true;
        }
        // A delay that has begun goes on after a confirmation, because to change a timer for each
        // message costs more than to wake once in vain.
        let delay = match &mut self.delay {
            Some(delay) => delay,
            None if unconfirmed == 0 => return false,
            none => none.insert(Box::pin(tokio::time::sleep(CONFIRMATION_DELAY))),
        };
        if delay.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.delay = None;
        unconfirmed > 0
    }

    /// Tells the peer which messages the broker has accepted.
    fn write(&mut self, outgoing: &mut Outgoing) {
        let accepted = self.accepted();
        self.is_wanted &= accepted < self.published;
        if self.confirmed < accepted {
            self.confirmed = accepted;
            self.unconfirmed_bytes = 0;
            let accepted = Header {
                count: Some(self.confirmed),
                ..Header::new(FrameKind::Accepted)
            };
            outgoing.push_binary(accepted.frame(b""));
        }
    }
}

/// The producers of a link, by topic.
#[derive(Default)]
struct Producers {
    producers: HashMap<Topic, LinkProducer>,
    /// The topics that the link has created.
    quota: TopicQuota,
    /// When unused producers were removed last.
    cleaned: Option<Instant>,
}

struct LinkProducer {
    producer: Producer,
    last_used: Instant,
}

impl Producers {
    /// Returns the producer of a topic, and connects it if it is not there.
    fn get(
        &mut self,
        hub: &Arc<Hub>,
        base: &TopicName,
        topic: &str,
    ) -> Result<&mut Producer, RefusedMessage> {
        let now = Instant::now();
        self.make_room(now);
        // To copy a known topic is cheaper than to check its name.
        let topic = match self.producers.get_key_value(topic) {
            Some((known, _)) => known.clone(),
            None => topic.parse()?,
        };
        let found = match self.producers.entry(topic) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(vacant) => {
                let producer =
                    hub.producer(base.sibling(vacant.key().clone()), Some(&mut self.quota))?;
                let last_used = now;
                vacant.insert(LinkProducer {
                    producer,
                    last_used,
                })
            }
        };
        found.last_used = now;
        Ok(&mut found.producer)
    }

    /// Removes the producers that were not used for a while. If there are still too many, removes the
    /// one that was not used for the longest time.
    fn make_room(&mut self, now: Instant) {
        let cleaned = *self.cleaned.get_or_insert(now);
        let is_full = self.producers.len() >= MAX_PRODUCERS;
        if is_full || now - cleaned >= PRODUCER_KEEP_ALIVE {
            self.cleaned = Some(now);
            self.producers
                .retain(|_, producer| now - producer.last_used < PRODUCER_KEEP_ALIVE);
        }
        if self.producers.len() >= MAX_PRODUCERS {
            let oldest = self.producers.iter().min_by_key(|(_, it)| it.last_used);
            if let Some(oldest) = oldest.map(|(topic, _)| topic.clone()) {
                self.producers.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Poll, Waker};

    use axum::extract::ws::Message;

    use super::*;
    use crate::limits::Limits;
    use crate::topic::{ConsumerOptions, OnClose, SubscriptionType};
    use crate::websocket::driver::{Driver, End};
    use crate::websocket::test_peer::Peer;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_message_in_the_last_frames_of_a_link_wakes_its_reader() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let topic: TopicName = "demo".parse::<Topic>().unwrap().into();
        let options = ConsumerOptions {
            kind: SubscriptionType::Shared,
            durable: true,
            on_close: OnClose::Keep,
            receiver_queue_size: None,
            redelivery_delay: Duration::ZERO,
            dead_letters: None,
            run: None,
        };
        let mut reader = hub
            .consumer(topic.clone(), "s".parse().unwrap(), &options)
            .unwrap();
        let wakes = Arc::new(Wakes::default());
        assert!(reader.take(1, &wakes.clone().into()).unwrap().is_empty());

        let publish = Header {
            topic: "demo".into(),
            ..Header::new(FrameKind::Publish)
        };
        let frames = [Message::Binary(publish.frame(b"")), Message::Close(None)];
        let mut socket = Peer::new(frames.into_iter(), usize::MAX);
        let role = LinkRole::new(hub, Style::Dasf, topic, None);
        let never = Duration::from_secs(3600);
        let mut driver = Driver::new(&mut socket, role, never, 1024, Arc::default());
        let end = driver.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(end, Poll::Ready(End::ClosedByPeer));
        drop(driver);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(reader.take(1, Waker::noop()).unwrap().len(), 1);
    }

    fn are_due(confirmations: &mut Confirmations) -> bool {
        confirmations.are_due(&mut Context::from_waker(Waker::noop()))
    }

    fn written(confirmations: &mut Confirmations) -> usize {
        let mut outgoing = Outgoing::default();
        confirmations.write(&mut outgoing);
        outgoing.len()
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmation_waits_for_another_frame_for_a_while() {
        let mut confirmations = Confirmations::default();
        assert!(!are_due(&mut confirmations));
        confirmations.add(1);
        assert!(!are_due(&mut confirmations));
        tokio::time::advance(CONFIRMATION_DELAY).await;
        assert!(are_due(&mut confirmations));
        assert_eq!(written(&mut confirmations), 1);
        tokio::time::advance(CONFIRMATION_DELAY).await;
        assert!(!are_due(&mut confirmations));
        assert_eq!(written(&mut confirmations), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_confirmation_that_the_peer_needs_does_not_wait() {
        let mut confirmations = Confirmations::default();
        let mut confirmed_after = |messages: u64, bytes: usize, is_wanted: bool| {
            for _ in 0..messages {
                assert!(!are_due(&mut confirmations));
                confirmations.add(bytes);
            }
            confirmations.is_wanted = is_wanted;
            let is_due = are_due(&mut confirmations);
            assert_eq!(written(&mut confirmations), usize::from(messages > 0));
            is_due
        };
        assert!(confirmed_after(1, 0, true));
        assert!(confirmed_after(MAX_UNCONFIRMED, 0, false));
        assert!(confirmed_after(2, MAX_UNCONFIRMED_BYTES / 2, false));
        assert!(!confirmed_after(2, 1, false));
    }
}
