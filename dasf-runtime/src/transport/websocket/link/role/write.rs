//! From orders and acknowledgements to frames.

use std::future::Future;
use std::task::{Context, Poll};
use std::time::Duration;

use dasf_protocol::link::{self, FrameKind, Header};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use super::LinkRole;
use crate::transport::websocket::driver::{BATCH, FrameQueue, Writes};
use crate::transport::websocket::link::LinkBroker;
use crate::transport::websocket::link::orders::{Addressed, Order};
use crate::transport::websocket::link::subscription::Phase;
use crate::transport::websocket::liveness::Unreceipted;

/// How long the acknowledgements of processed messages wait for another frame. A frame of its own
/// costs the broker about as much as a message.
const ACKNOWLEDGEMENT_DELAY: Duration = Duration::from_millis(10);

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

impl<B: LinkBroker> LinkRole<'_, B> {
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
        self.link.settle_receipted();
    }

    fn publish(
        &mut self,
        mut message: Box<Addressed>,
        now: Instant,
        has_waited: bool,
        outgoing: &mut FrameQueue,
    ) {
        if let Err(obstacle) = message.queued.prepare(now, has_waited) {
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
                if subscription.waiting.is_empty() {
                    self.touched.push(topic.clone());
                }
                self.written.extend(subscription.waiting.add(given));
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
            subscription.waiting.write(&topic, outgoing);
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
}
