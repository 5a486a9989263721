//! The socket of a link: it publishes to any topic, and reads several ones.
//!
//! [`dasf_protocol::link`] describes the frames.

mod confirmations;
mod producers;
mod ready;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, close_code};
use axum::http::StatusCode;
use dasf_protocol::link::{FrameKind, Header, Joiner};
use dasf_protocol::{Subscription, Topic};
use serde_json::value::RawValue;
use tracing::debug;

use super::consumer::{LAGS, RedeliveryTimer};
use super::outgoing::Outgoing;
use super::role::{BATCH, Role, close};
use super::throttle::Throttle;
use crate::access::Caller;
use crate::hub::{Consumer, Hub};
use crate::message::stamp;
use crate::refusal::Refusal;
use crate::route::{Query, RouteError, Style};
use crate::store::Ticket;
use crate::topic::{AttachError, Effects, Listener, PublishError, TopicName};
use confirmations::Confirmations;
use producers::Producers;
use ready::Ready;

/// The largest number of topics that a link reads.
const MAX_SUBSCRIPTIONS: usize = 1024;
/// The socket of a link.
pub(crate) struct LinkRole {
    hub: Arc<Hub>,
    caller: Caller,
    style: Style,
    /// The topic of the handshake, whose tenant and namespace all topics of the link share.
    base: TopicName,
    /// The address of the peer.
    address: SocketAddr,
    subscriptions: HashMap<Topic, LinkSubscription>,
    /// The subscriptions that the store has not written yet, the oldest first. The link does not read
    /// their topics yet.
    unwritten: VecDeque<UnwrittenSubscription>,
    ready: Arc<Ready>,
    /// The topics with messages that are delivered again later.
    delayed: HashSet<Topic>,
    producers: Producers,
    throttle: Throttle,
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

/// A subscription that the store has not written yet.
struct UnwrittenSubscription {
    topic: Topic,
    consumer: Consumer,
    after: Ticket,
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
    #[error(transparent)]
    Forged(#[from] stamp::Forged),
}

impl LinkRole {
    /// Returns the link of a handshake to this topic. If it was the handshake of a consumer, the link
    /// reads the topic.
    pub(crate) fn new(
        hub: Arc<Hub>,
        caller: Caller,
        style: Style,
        topic: TopicName,
        consumer: Option<Consumer>,
        address: SocketAddr,
    ) -> Self {
        let first = topic.topic().clone();
        let mut link = Self {
            hub,
            throttle: Throttle::new(&caller),
            caller,
            style,
            subscriptions: HashMap::new(),
            unwritten: VecDeque::new(),
            ready: Arc::default(),
            delayed: HashSet::new(),
            base: topic,
            address,
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

    /// Refuses requests that nobody reads, because the peer asks for that.
    pub(crate) fn refuse_unread(&mut self) {
        self.producers.refuses_unread = true;
    }

    fn read_topic(&mut self, topic: Topic, consumer: Consumer) {
        let waker = self.ready.waker(&topic);
        let subscription = LinkSubscription {
            consumer,
            timer: RedeliveryTimer::default(),
            waker,
        };
        self.ready.add(topic.clone());
        self.subscriptions.insert(topic, subscription);
    }

    fn publish(&mut self, header: &Header<'_>, payload: &Bytes, outgoing: &mut Outgoing) {
        self.throttle.count_message();
        self.confirmations.add(payload.len());
        let Err(error) = self.try_publish(header, payload) else {
            return;
        };
        if let RefusedMessage::Attach(AttachError::Denied(denied))
        | RefusedMessage::Publish(PublishError::Denied(denied)) = &error
        {
            self.caller.record_denied(denied);
        }
        let status = match &error {
            RefusedMessage::Publish(error) => error.status(),
            _ => None,
        };
        let reason = error.to_string();
        self.confirmations.refuse(&reason, status, outgoing);
    }

    fn try_publish(&mut self, header: &Header<'_>, payload: &Bytes) -> Result<(), RefusedMessage> {
        let producers = &mut self.producers;
        let producer = producers.get(&self.hub, &self.caller, &self.base, &header.topic)?;
        if let Err(error) = check_properties(header.properties) {
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

    /// Subscribes to a topic. The answer may have to wait for the store.
    fn subscribe(&mut self, header: &Header<'_>, outgoing: &mut Outgoing) -> Result<(), Refusal> {
        let topic: Topic = header.topic.parse().map_err(RouteError::from)?;
        let waits = self.unwritten.iter().any(|waiting| waiting.topic == topic);
        if waits || self.subscriptions.contains_key(&topic) {
            let reason = "the link reads this topic already";
            return Err(Refusal::new(StatusCode::CONFLICT, reason));
        }
        if self.subscriptions.len() + self.unwritten.len() >= MAX_SUBSCRIPTIONS {
            let reason = format!(
                "the link reads {MAX_SUBSCRIPTIONS} topics, which is the limit; open another link"
            );
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
        let subscription: Subscription = header.subscription.parse().map_err(RouteError::from)?;
        let name = self.base.sibling(topic.clone());
        let parameters = Query::new(Some(&header.parameters));
        let options = parameters.consumer_options(self.style, &name, &subscription)?;
        self.caller.check_dead_letters(&parameters, &options)?;
        let quota = Some(&mut self.producers.quota);
        let (hub, caller) = (&self.hub, &self.caller);
        let consumer = hub.consumer_of(caller, name, subscription, &options, quota)?;
        let user = self.caller.name().map(str::to_owned);
        consumer.introduce(Listener::new(self.address, user, parameters.introduction()));
        match hub.last_change().filter(|_| options.durable) {
            Some(after) => self.unwritten.push_back(UnwrittenSubscription {
                topic,
                consumer,
                after,
            }),
            None => self.begin_to_read(topic, consumer, outgoing),
        }
        Ok(())
    }

    /// Tells the peer that the link reads a topic.
    fn begin_to_read(&mut self, topic: Topic, consumer: Consumer, outgoing: &mut Outgoing) {
        let subscribed = Header {
            topic: topic.as_str().into(),
            retention: consumer.retention().map(|retention| retention.as_secs()),
            ..Header::new(FrameKind::Subscribed)
        };
        outgoing.push_binary(subscribed.frame(b""));
        self.read_topic(topic, consumer);
    }

    /// Ends the reading of a topic.
    fn leave(&mut self, topic: &str, removes_subscription: bool) {
        let mut unwritten = self.unwritten.iter();
        let unwritten = unwritten.position(|waiting| waiting.topic.as_str() == topic);
        let unwritten = unwritten.and_then(|at| self.unwritten.remove(at));
        let read = self.subscriptions.remove(topic).map(|read| read.consumer);
        let Some(mut consumer) = read.or(unwritten.map(|waiting| waiting.consumer)) else {
            return;
        };
        consumer.leave();
        if removes_subscription && !consumer.unsubscribe() {
            let (topic, subscription) = (consumer.topic(), consumer.subscription());
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

fn check_properties(properties: Option<&RawValue>) -> Result<(), RefusedMessage> {
    let Some(properties) = properties.map(RawValue::get) else {
        return Ok(());
    };
    if !properties.starts_with('{') {
        return Err(RefusedMessage::Properties);
    }
    Ok(stamp::check_not_forged(properties)?)
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
            FrameKind::Confirm => self.confirmations.ask(),
            FrameKind::Acknowledge | FrameKind::NegativeAcknowledge | FrameKind::Begun => {
                self.acknowledge(&header);
            }
            FrameKind::Subscribe => {
                if let Err(refusal) = self.subscribe(&header, outgoing) {
                    if let Some(denied) = &refusal.denied {
                        self.caller.record_denied(denied);
                    }
                    outgoing.push_binary(unsubscribed(&header.topic, Some(&refusal)));
                }
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
        self.throttle.holds_back() || self.confirmations.are_too_many()
    }

    /// Ends the reading of topics. Messages are checked when they come.
    fn check_rights(&mut self, outgoing: &mut Outgoing) -> Option<CloseFrame> {
        self.throttle.renew();
        let read = self.subscriptions.values().map(|it| &it.consumer);
        let all = read.chain(self.unwritten.iter().map(|it| &it.consumer));
        let denied: Vec<_> = all
            .filter_map(|consumer| {
                let denied = consumer.check().err()?;
                Some((consumer.topic().topic().clone(), denied))
            })
            .collect();
        for (topic, denied) in denied {
            self.leave(topic.as_str(), false);
            self.caller.record_denied(&denied);
            outgoing.push_binary(unsubscribed(topic.as_str(), Some(&denied.into())));
        }
        None
    }

    fn after_frames(&mut self, cx: &mut Context<'_>) {
        self.published.wake();
        self.throttle.poll(cx);
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
        let read = self.subscriptions.values_mut().map(|it| &mut it.consumer);
        let unwritten = self.unwritten.iter_mut().map(|it| &mut it.consumer);
        read.chain(unwritten).for_each(Consumer::leave);
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
        while let Some(first) = self.unwritten.front()
            && self.hub.is_written(first.after, cx)
            && let Some(written) = self.unwritten.pop_front()
        {
            self.begin_to_read(written.topic, written.consumer, outgoing);
        }
        let ready = self.ready.take(cx.waker());
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
        self.ready.add_all(rest);
        self.confirmations.settle(&self.hub, outgoing, cx);
        if self.confirmations.are_due(cx) || !outgoing.is_empty() {
            self.confirmations.write(outgoing);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Poll, Wake, Waker};
    use std::time::Duration;

    use axum::extract::ws::Message;

    use super::*;
    use crate::limits::Limits;
    use crate::topic::{ConsumerOptions, HoldOption, OnClose, SubscriptionType};
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
            retention: None,
            receiver_queue_size: None,
            redelivery_delay: Duration::ZERO,
            dead_letters: None,
            max_deaths: None,
            run: None,
            hold: HoldOption::None,
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
        let address = ([127, 0, 0, 1], 1).into();
        let role = LinkRole::new(hub, Caller::everything(), Style::Dasf, topic, None, address);
        let never = Duration::from_secs(3600);
        let mut driver = Driver::new(&mut socket, Box::new(role), never, 1024, Arc::default());
        let end = driver.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(end, Poll::Ready(End::ClosedByPeer));
        drop(driver);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(reader.take(1, Waker::noop()).unwrap().len(), 1);
    }
}
