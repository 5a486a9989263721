//! The messages of a link that wait for their receipts.

use std::collections::VecDeque;

use super::orders::Order;
use crate::transport::websocket::liveness::Unreceipted;

/// How many messages may be without a receipt before no more are written.
const UNRECEIPTED_LIMIT: usize = 4096;
/// How many bytes of payloads may be without a receipt before no more are written.
const UNRECEIPTED_BYTES: usize = 16 << 20;

/// The messages that were written and have no receipt yet, and the notifications between them.
#[derive(Default)]
pub(super) struct Receipts {
    under_way: VecDeque<UnderWay>,
    /// How many messages are written on this connection.
    published: u64,
    /// How many of them have receipts.
    receipted: u64,
    /// The bytes of payloads without a receipt.
    bytes: usize,
    /// How many messages were lost with the last connection. They are sent one by one, so that a
    /// message that makes the broker drop the connection is known.
    lost: usize,
}

/// A message under way, or a notification for its sender.
struct UnderWay {
    /// The number of the message on the connection. A notification has that of the message before.
    number: u64,
    /// `None` after the broker has refused the message.
    order: Option<Order>,
}

impl Receipts {
    /// Starts again on a new connection, after so many messages were lost with the last one.
    pub(super) fn restart(&mut self, lost: usize) {
        *self = Self {
            lost,
            ..Self::default()
        };
    }

    /// Returns whether there is nothing to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Returns whether messages without receipts exist.
    pub(super) fn are_missing(&self) -> bool {
        self.receipted < self.published
    }

    /// Returns whether another message may be written.
    pub(super) fn has_room(&self) -> bool {
        if self.lost > 0 {
            return self.under_way.is_empty();
        }
        self.under_way.len() < UNRECEIPTED_LIMIT && self.bytes < UNRECEIPTED_BYTES
    }

    /// Returns whether each message waits for the receipt of the one before.
    pub(super) fn come_one_by_one(&self) -> bool {
        self.lost > 0
    }

    /// Adds a message that is written, or a notification when the messages before it have receipts.
    pub(super) fn add(&mut self, order: Order) {
        if let Order::Publish(message) = &order {
            self.published += 1;
            self.bytes += message.queued.message.payload.len();
        }
        self.under_way.push_back(UnderWay {
            number: self.published,
            order: Some(order),
        });
    }

    /// Records that a message fails before it is written.
    pub(super) fn skip(&mut self) {
        self.lost = self.lost.saturating_sub(1);
    }

    /// Records that the broker has accepted so many messages of the connection.
    pub(super) fn accept(&mut self, count: u64) {
        self.receipted = self.receipted.max(count.min(self.published));
    }

    /// Takes the next message that has its receipt, or the next notification that is due.
    pub(super) fn take_settled(&mut self) -> Option<Order> {
        while self.under_way.front()?.number <= self.receipted {
            if let Some(order) = self.under_way.pop_front()?.order {
                self.count_settled(&order);
                return Some(order);
            }
        }
        None
    }

    /// Takes the message that the broker refuses.
    pub(super) fn take_refused(&mut self, number: u64) -> Option<Order> {
        let index = self.under_way.partition_point(|it| it.number < number);
        let refused = self.under_way.get_mut(index);
        let order = refused.filter(|it| it.number == number)?.order.take()?;
        self.count_settled(&order);
        Some(order)
    }

    fn count_settled(&mut self, order: &Order) {
        if let Order::Publish(message) = order {
            self.lost = self.lost.saturating_sub(1);
            self.bytes -= message.queued.message.payload.len();
        }
    }

    /// Records that the connection is lost.
    ///
    /// The broker reads in order. A message that makes it drop the connection becomes the oldest one, and
    /// the messages after it are not the cause.
    pub(super) fn count_loss(&mut self, reason: &str) {
        let mut orders = self.under_way.iter_mut().filter_map(|it| it.order.as_mut());
        if let Some(Order::Publish(oldest)) = orders.find(|it| matches!(it, Order::Publish(_))) {
            oldest.queued.count_loss(reason);
        }
    }

    /// Takes all messages and notifications, the oldest one first.
    pub(super) fn drain(&mut self) -> impl DoubleEndedIterator<Item = Order> {
        self.under_way.drain(..).filter_map(|it| it.order)
    }

    /// Returns what the driver needs to know about the messages without a receipt.
    pub(super) fn unreceipted(&self) -> Unreceipted {
        let sizes = self.under_way.iter().filter_map(|it| match &it.order {
            Some(Order::Publish(message)) => Some(message.queued.message.payload.len()),
            _ => None,
        });
        Unreceipted::of(self.receipted, sizes)
    }
}
