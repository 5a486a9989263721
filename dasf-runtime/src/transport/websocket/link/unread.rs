//! Messages of a link to topics that nobody reads, as the broker reports.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::orders::{Addressed, Order};
use crate::transport::ReaderPatience;
use crate::transport::websocket::producer::{LONGEST_UNREAD, UNREAD_LIMIT};

/// How long a message waits at least before it is published again.
const SHORTEST_UNREAD: Duration = Duration::from_millis(50);

/// The messages that are published again in a moment.
#[derive(Default)]
pub(super) struct Unread {
    messages: Vec<Order>,
    /// When to publish them again.
    again: Option<Pin<Box<Sleep>>>,
}

impl Unread {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Keeps a message. Returns it if its time is over. `reconnected` is the time at which a lost connection
    /// came back.
    pub(super) fn keep(
        &mut self,
        mut message: Box<Addressed>,
        reconnected: Option<Instant>,
    ) -> Option<Box<Addressed>> {
        let now = Instant::now();
        let Some(since) = message.queued.is_unread(now) else {
            return Some(message);
        };
        let again = match &self.again {
            Some(again) => again.deadline(),
            // Ever more rarely.
            None => now + ((now - since) / 2).clamp(SHORTEST_UNREAD, LONGEST_UNREAD),
        };
        let end = ReaderPatience::Remembered.end(since, now, reconnected);
        let is_late = again > end || !message.queued.is_useful_at(again);
        if is_late || self.messages.len() >= UNREAD_LIMIT {
            return Some(message);
        }
        self.messages.push(Order::Publish(message));
        self.again
            .get_or_insert_with(|| Box::pin(sleep_until(again)));
        None
    }

    /// Takes the messages when it is time to publish them again. Otherwise the task wakes then.
    pub(super) fn take_due(&mut self, cx: &mut Context<'_>) -> Vec<Order> {
        if let Some(again) = &mut self.again
            && again.as_mut().poll(cx).is_ready()
        {
            return self.take();
        }
        Vec::new()
    }

    /// Takes all messages.
    pub(super) fn take(&mut self) -> Vec<Order> {
        self.again = None;
        std::mem::take(&mut self.messages)
    }
}
