//! The socket of a consumer: it gets messages, and its frames acknowledge them.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::Context;

use axum::extract::ws::{CloseFrame, close_code};
use serde::Deserialize;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::{debug, warn};

use super::outgoing::Outgoing;
use super::role::{BATCH, Role, close, close_denied};
use crate::hub::Consumer;
use crate::log::Line;

/// The socket of a consumer.
pub(crate) struct ConsumerRole {
    consumer: Consumer,
    timer: RedeliveryTimer,
}

impl ConsumerRole {
    pub(crate) fn new(consumer: Consumer) -> Self {
        Self {
            consumer,
            timer: RedeliveryTimer::default(),
        }
    }
}

/// The reason for the end of a consumer that the broker has disconnected.
pub(super) const LAGS: &str =
    "the full subscription acknowledges no messages, while other consumers work; acknowledge some";

/// Wakes the task of a consumer when a delayed message is due.
#[derive(Default)]
pub(super) struct RedeliveryTimer(Option<Pin<Box<Sleep>>>);

impl RedeliveryTimer {
    /// Releases the messages that are due, and registers the task for the next one.
    pub(super) fn poll(&mut self, consumer: &mut Consumer, cx: &mut Context<'_>) {
        while let Some(due) = consumer.next_due().map(Instant::from_std) {
            let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                break;
            }
            consumer.release_due();
        }
    }
}

/// A frame of a consumer. Without a type, it is an acknowledgement.
#[derive(Deserialize)]
struct Command<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(rename = "messageId", borrow, default)]
    message_id: Cow<'a, str>,
}

impl Role for ConsumerRole {
    const SENDS_PENDING_ON_CLOSE: bool = false;

    fn on_text(&mut self, text: &str, _: &mut Outgoing) -> Option<CloseFrame> {
        let consumer = &mut self.consumer;
        let command: Command<'_> = match serde_json::from_str(text) {
            Ok(command) => command,
            Err(error) => {
                if !consumer.log().allows(Line::FrameIgnored) {
                    return None;
                }
                let (topic, subscription) = (consumer.topic(), consumer.subscription());
                warn!(%topic, %subscription, "ignored a frame that is not an acknowledgement: {error}");
                return None;
            }
        };
        let known = match &*command.kind {
            "" => consumer
                .sequence(&command.message_id)
                .is_some_and(|sequence| consumer.acknowledge(sequence)),
            "begun" => consumer
                .sequence(&command.message_id)
                .is_some_and(|sequence| consumer.begin(sequence)),
            "negativeAcknowledge" => consumer
                .sequence(&command.message_id)
                .is_some_and(|sequence| consumer.negative_acknowledge(sequence)),
            "unsubscribe" if consumer.unsubscribe() => {
                return Some(close(close_code::NORMAL, "unsubscribed"));
            }
            "unsubscribe" => {
                if !consumer.log().allows(Line::FrameIgnored) {
                    return None;
                }
                let (topic, subscription) = (consumer.topic(), consumer.subscription());
                warn!(%topic, %subscription, "did not remove the subscription, because it has other consumers");
                return None;
            }
            other => {
                debug!(
                    topic = consumer.topic().to_string(),
                    "ignored a frame of type {other:?}"
                );
                return None;
            }
        };
        if !known {
            debug!(
                topic = consumer.topic().to_string(),
                subscription = consumer.subscription().to_string(),
                message_id = &*command.message_id,
                "ignored a frame about a message that the consumer does not have"
            );
        }
        None
    }

    fn check_rights(&mut self, _: &mut Outgoing) -> Option<CloseFrame> {
        close_denied(self.consumer.caller(), self.consumer.check())
    }

    fn closed_by_peer(&mut self) {
        self.consumer.leave();
    }

    fn after_frames(&mut self, cx: &mut Context<'_>) {
        // Not in `fill_outgoing`, which does not run while the peer does not read.
        self.timer.poll(&mut self.consumer, cx);
        self.consumer.apply_effects();
    }

    fn fill_outgoing(
        &mut self,
        outgoing: &mut Outgoing,
        cx: &mut Context<'_>,
    ) -> Option<CloseFrame> {
        let Some(deliveries) = self.consumer.take(BATCH, cx.waker()) else {
            return Some(close(close_code::POLICY, LAGS));
        };
        for delivery in deliveries {
            outgoing.push(delivery.text());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::iter;
    use std::sync::Arc;
    use std::task::{Poll, Waker};
    use std::time::Duration;

    use axum::extract::ws::Message;
    use dasf_protocol::Topic;
    use serde_json::json;

    use crate::hub::Hub;
    use crate::limits::Limits;
    use crate::topic::{ConsumerOptions, HoldOption, OnClose, SubscriptionType, TopicName};
    use crate::websocket::driver::Driver;
    use crate::websocket::test_peer::Peer;

    #[tokio::test(start_paused = true)]
    async fn a_delayed_message_does_not_wait_for_a_peer_that_does_not_read() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let topic: TopicName = "demo".parse::<Topic>().unwrap().into();
        let options = ConsumerOptions {
            kind: SubscriptionType::Shared,
            durable: true,
            on_close: OnClose::Keep,
            retention: None,
            receiver_queue_size: None,
            redelivery_delay: Duration::from_secs(5),
            dead_letters: None,
            max_deaths: None,
            run: None,
            hold: HoldOption::None,
        };
        let attach = || hub.consumer(topic.clone(), "s".parse().unwrap(), &options);
        let consumer = attach().unwrap();
        let mut producer = hub.producer(topic.clone(), None).unwrap();
        let (message, _) = producer.publish("}");
        let mut socket = Peer::silent(1);
        let never = Duration::from_secs(3600);
        let mut driver = Driver::new(
            &mut socket,
            Box::new(ConsumerRole::new(consumer)),
            never,
            1024,
            Arc::default(),
        );
        let mut cx = Context::from_waker(Waker::noop());
        assert!(driver.poll(&mut cx).is_pending());
        let refusal = json!({"type": "negativeAcknowledge", "messageId": message.id().to_string()});
        let refusal = Message::text(refusal.to_string());
        driver.socket.says = Box::new(iter::once(refusal));
        // Meanwhile a message waits that the socket does not accept.
        producer.publish("}").1.unwrap();
        let started = Instant::now();
        assert!(driver.poll(&mut cx).is_pending());
        assert_eq!(driver.outgoing.len(), 1);

        let mut other = attach().unwrap();
        let again = poll_fn(|cx| {
            let taken = other.take(1, cx.waker()).unwrap().pop();
            taken.map_or(Poll::Pending, Poll::Ready)
        });
        let again = tokio::select! {
            end = poll_fn(|cx| driver.poll(cx)) => panic!("{end:?}"),
            again = again => again,
        };
        assert_eq!((again.message.id(), again.redeliveries), (message.id(), 1));
        assert_eq!(started.elapsed(), options.redelivery_delay);
    }
}
