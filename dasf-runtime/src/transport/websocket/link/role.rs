//! A link on one connection: frames of the broker to subscribers, and orders to frames.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::link::{self, BASE64, FrameKind, Header, Joiner};
use dasf_protocol::payload::Payload;
use dasf_protocol::{Delivery, Properties, Topic};
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::LinkBroker;
use super::handle::{Addressed, Order};
use super::state::LinkState;
use super::subscription::Phase;
use crate::transport::websocket::driver::{BATCH, FrameQueue, Reads, Writes};
use crate::transport::websocket::liveness::Unreceipted;
use crate::transport::{Backlog, ConnectError, NOBODY_LISTENS, PublishError};

/// How long the acknowledgements of processed messages wait for another frame. A frame of its own
/// costs the broker about as much as a message.
const ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(10);

/// The header of a frame from the broker.
type BrokerHeader<'a> = Header<'a, serde_json::Result<Properties>>;

/// A link on one connection.
pub(super) struct LinkRole<'a, B> {
    link: &'a mut LinkState<B>,
    joiner: Joiner,
    backlog: Backlog,
    /// The topics with acknowledgements to write.
    touched: Vec<Topic>,
    /// Whether acknowledgements cannot wait for another frame.
    is_urgent: bool,
    /// When the waiting acknowledgements are due at the latest.
    delay: Option<Pin<Box<Sleep>>>,
    /// Whether a sender waits for its receipt.
    wants_receipt: bool,
    /// Notified when the last acknowledgements are written.
    written: Vec<oneshot::Sender<()>>,
    /// When to ask again for a refused subscription.
    retry: Option<Pin<Box<Sleep>>>,
    /// Whether a subscription waits for a frame to the broker.
    has_news: bool,
}

impl<'a, B: LinkBroker> LinkRole<'a, B> {
    pub(super) fn new(link: &'a mut LinkState<B>) -> Self {
        Self {
            backlog: Backlog::since(link.disconnected_since),
            link,
            joiner: Joiner::default(),
            touched: Vec::new(),
            is_urgent: false,
            delay: None,
            wants_receipt: false,
            written: Vec::new(),
            retry: None,
            has_news: true,
        }
    }

    /// Carries out orders: those that wait, and then those of the queue.
    fn take_orders(&mut self, outgoing: &mut FrameQueue, cx: &mut Context<'_>) {
        let unread = self.link.unread.take_due(cx);
        self.link.unwritten.extend(unread);
        let now = Instant::now();
        while outgoing.len() < BATCH && self.link.receipts.has_room() {
            let (order, has_waited) = match self.link.unwritten.pop_front() {
                Some(order) => (order, true),
                None => match self.link.queue.poll_recv(cx) {
                    Poll::Ready(Some(order)) => (order, self.backlog.is_long(now)),
                    Poll::Ready(None) | Poll::Pending => {
                        self.backlog.ends(now);
                        break;
                    }
                },
            };
            match order {
                Order::Publish(message) => self.publish(message, now, has_waited, outgoing),
                Order::Flush(notify) => {
                    self.wants_receipt = true;
                    self.link.receipts.add(Order::Flush(notify));
                }
                Order::Subscribe(new) => {
                    self.link.subscribe(*new);
                    self.has_news = true;
                }
            }
        }
        if std::mem::take(&mut self.wants_receipt) && self.link.receipts.are_missing() {
            let confirm = Header::new(FrameKind::Confirm).frame(b"");
            outgoing.push_back(Message::Binary(confirm));
        }
        self.settle_receipted();
    }

    fn publish(
        &mut self,
        mut message: Box<Addressed>,
        now: Instant,
        has_waited: bool,
        outgoing: &mut FrameQueue,
    ) {
        if let Some(obstacle) = message.queued.obstacle(now, has_waited) {
            self.link.receipts.skip();
            return message.queued.settle(&message.topic, Err(obstacle));
        }
        let content = message.queued.mark_written();
        let frames = link::publish(
            message.topic.as_str(),
            &content.context,
            &content.properties,
            &content.payload,
        );
        outgoing.extend(frames.into_iter().map(Message::Binary));
        let receipts = &mut self.link.receipts;
        self.wants_receipt |= message.queued.wants_receipt() || receipts.come_one_by_one();
        receipts.add(Order::Publish(message));
    }

    /// Settles the messages whose receipts have come.
    fn settle_receipted(&mut self) {
        while let Some(order) = self.link.receipts.take_settled() {
            self.link.settle(order, Ok(()));
        }
    }

    /// Fails the message that the broker refuses, or publishes it again in a moment because nobody reads
    /// its topic.
    fn refuse(&mut self, number: u64, reason: &str, status: Option<u16>) {
        let order = match (self.link.receipts.take_refused(number), status) {
            (None, _) => return,
            (Some(Order::Publish(message)), Some(NOBODY_LISTENS)) => {
                let late = self.link.unread.keep(message, self.link.reconnected);
                let error = PublishError::NobodyListens;
                return late
                    .into_iter()
                    .for_each(|message| message.queued.settle(&message.topic, Err(error.clone())));
            }
            (Some(order), _) => order,
        };
        let refused = PublishError::Refused(reason.to_owned());
        self.link.settle(order, Err(refused));
    }

    /// Collects the acknowledgements of all subscribers.
    fn take_acknowledgements(&mut self, cx: &mut Context<'_>) {
        let connection = self.link.connection;
        for _ in 0..BATCH {
            // An empty set of streams would be ready for ever.
            if self.link.acknowledgements.is_empty() {
                return;
            }
            let Poll::Ready(Some((topic, given))) = self.link.acknowledgements.poll_next_unpin(cx)
            else {
                return;
            };
            let Some(subscription) = self.link.subscriptions.get_mut(&topic) else {
                continue;
            };
            if given.is_empty() {
                subscription.has_ended = true;
                self.has_news = true;
                self.is_urgent = true;
            }
            for given in given {
                // The broker redelivers the messages of an earlier connection.
                if given.connection != connection {
                    continue;
                }
                if subscription.has_no_acknowledgements() {
                    self.touched.push(topic.clone());
                }
                self.written.extend(subscription.add(given));
                self.is_urgent = true;
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Returns whether the acknowledgements cannot wait for another frame. If they can, the task
    /// wakes when their time has come.
    fn are_acknowledgements_due(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_urgent {
            return true;
        }
        // A delay that has begun goes on after acknowledgements are written, because to change a timer
        // for each message costs more than to wake once in vain.
        let delay = match &mut self.delay {
            Some(delay) => delay,
            None if self.touched.is_empty() => return false,
            none => none.insert(Box::pin(sleep(ACKNOWLEDGEMENT_DELAY))),
        };
        if delay.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.delay = None;
        true
    }

    fn write_acknowledgements(&mut self, outgoing: &mut FrameQueue) {
        self.is_urgent = false;
        for topic in self.touched.drain(..) {
            let Some(subscription) = self.link.subscriptions.get_mut(&topic) else {
                continue;
            };
            subscription.write_acknowledgements(outgoing);
        }
    }

    /// Returns whether the link has nothing left to do, and closes instead of leaving its topics.
    fn is_unused(&self) -> bool {
        self.link.has_nothing_to_send()
            && self.link.has_no_subscribers()
            && self.link.shared.is_unused()
    }

    /// Tells the broker about subscriptions that begin and end.
    fn write_subscriptions(&mut self, outgoing: &mut FrameQueue, cx: &mut Context<'_>) {
        let is_due = match &mut self.retry {
            Some(retry) => retry.as_mut().poll(cx).is_ready(),
            None => false,
        };
        if !(self.has_news || is_due) || self.is_unused() {
            return;
        }
        self.has_news = false;
        let now = Instant::now();
        let mut next_retry = None;
        self.link.subscriptions.retain(|_, subscription| {
            match (subscription.phase, subscription.has_ended) {
                (Phase::New | Phase::Refused(_), true) => return false,
                (Phase::Refused(at), false) if at > now => {
                    next_retry = Some(next_retry.map_or(at, |next| at.min(next)));
                }
                (Phase::New | Phase::Refused(_), false) => {
                    subscription.ask(outgoing);
                }
                (Phase::Asked | Phase::Open, true) => subscription.leave(outgoing),
                (Phase::Asked | Phase::Open, false) | (Phase::Leaving, _) => {}
            }
            true
        });
        self.retry = next_retry.map(|at| Box::pin(sleep_until(at)));
        if let Some(retry) = &mut self.retry
            && retry.as_mut().poll(cx).is_ready()
        {
            cx.waker().wake_by_ref();
        }
    }

    fn deliver(&mut self, header: BrokerHeader<'_>, payload: Bytes) -> Result<(), String> {
        let (connection, names_users) = (self.link.connection, self.link.names_users);
        let (Some(number), Some(subscription)) = (
            header.message,
            self.link.subscriptions.get_mut(&*header.topic),
        ) else {
            return Ok(());
        };
        let properties = match header.properties {
            Some(Ok(properties)) => properties,
            unreadable => {
                let error = unreadable.and_then(Result::err).map(|it| it.to_string());
                tracing::warn!(
                    topic = &*header.topic,
                    message_id = number,
                    error = error.as_deref().unwrap_or("it has no properties"),
                    "ignored a message that cannot be read"
                );
                self.is_urgent |= subscription.acknowledge(number, &mut self.touched)?;
                return Ok(());
            }
        };
        let payload = match &*header.encoding {
            BASE64 => Payload::Base64(String::from_utf8_lossy(&payload).into_owned()),
            _ => Payload::from(payload),
        };
        let mut delivery = Delivery::new(number, payload, properties);
        delivery.redelivery_count = header.redelivery_count;
        delivery.begun_count = header.begun_count;
        let touched = &mut self.touched;
        self.is_urgent |=
            subscription.deliver(number, delivery, connection, names_users, touched)?;
        Ok(())
    }

    fn subscribed(&mut self, topic: &str) {
        if let Some(subscription) = self.link.subscriptions.get_mut(topic)
            && subscription.phase == Phase::Asked
        {
            subscription.open(self.link.names_users);
        }
    }

    /// Handles the end of a subscription, or its refusal.
    fn unsubscribed(&mut self, header: &BrokerHeader<'_>) {
        let Some(subscription) = self.link.subscriptions.get_mut(&*header.topic) else {
            return;
        };
        match header.status {
            None => {
                self.link.subscriptions.remove(&*header.topic);
            }
            Some(status) => {
                let endpoint = self.link.broker.consumer(&subscription.subscribing);
                let failure = ConnectError::Refused {
                    url: endpoint.to_string(),
                    status,
                    reason: header.reason.to_string(),
                    has_login: endpoint.has_login(),
                };
                subscription.refuse(failure);
            }
        }
        self.has_news = true;
    }
}

impl<B: LinkBroker> Reads for LinkRole<'_, B> {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        // A subscriber has room for all messages that the broker may send without acknowledgements.
        Poll::Ready(Ok(()))
    }

    fn on_frame(&mut self, frame: Message) -> Result<(), String> {
        let Message::Binary(frame) = frame else {
            return Ok(());
        };
        let Some((frame, apart)) = self.joiner.join(frame) else {
            return Ok(());
        };
        let read = Header::read_with_properties(&frame);
        let (header, payload) = read.map_err(|error| error.to_string())?;
        let payload = apart.unwrap_or(payload);
        match header.kind {
            FrameKind::Message => {
                self.link.was_useful = true;
                return self.deliver(header, payload);
            }
            FrameKind::Accepted => {
                self.link.was_useful = true;
                let count = header.count.unwrap_or_default();
                self.link.receipts.accept(count);
                self.settle_receipted();
            }
            FrameKind::Refused => {
                let number = header.count.unwrap_or_default();
                self.refuse(number, &header.reason, header.status);
            }
            FrameKind::Subscribed => self.subscribed(&header.topic),
            FrameKind::Unsubscribed => self.unsubscribed(&header),
            kind => tracing::debug!(?kind, "ignored a frame that only clients send"),
        }
        Ok(())
    }
}

impl<B: LinkBroker> Writes for LinkRole<'_, B> {
    fn fill(&mut self, outgoing: &mut FrameQueue, cx: &mut Context<'_>) -> bool {
        self.link.shared.waker.register(cx.waker());
        self.take_acknowledgements(cx);
        if self.is_urgent {
            self.write_acknowledgements(outgoing);
        }
        // The subscriptions come first, so that no answer to a message is missed.
        self.write_subscriptions(outgoing, cx);
        self.take_orders(outgoing, cx);
        self.write_subscriptions(outgoing, cx);
        if self.are_acknowledgements_due(cx) || !outgoing.is_empty() {
            self.write_acknowledgements(outgoing);
        }
        self.is_unused() && self.link.shared.try_end(&self.link.queue)
    }

    fn flushed(&mut self) {
        for written in self.written.drain(..) {
            // The receiver may be gone.
            let _ = written.send(());
        }
    }

    fn unreceipted(&self) -> Unreceipted {
        self.link.receipts.unreceipted()
    }
}
