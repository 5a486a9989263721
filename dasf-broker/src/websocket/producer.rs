//! The socket of a producer: its frames are messages, and each gets a receipt.

use std::collections::VecDeque;
use std::task::Context;

use axum::extract::ws::CloseFrame;

use super::outgoing::{MAX_PENDING_RECEIPTS, Outgoing};
use super::role::{Role, close_denied};
use super::throttle::Throttle;
use crate::access::Caller;
use crate::hub::Producer;
use crate::message::{Frame, Message};
use crate::receipt;
use crate::route::Style;
use crate::store::{Ticket, UNWRITTEN};
use crate::topic::PublishError;

/// The socket of a producer.
pub(crate) struct ProducerRole {
    style: Style,
    caller: Caller,
    producer: Producer,
    throttle: Throttle,
    unwritten: VecDeque<Unwritten>,
}

/// A receipt that waits until the store has written a message, or one before it.
struct Unwritten {
    after: Ticket,
    receipt: Receipt,
}

enum Receipt {
    /// The receipt depends on whether the store can write this message.
    Of { message: Message, context: String },
    /// The receipt waits only for those before it.
    Text(String),
}

impl ProducerRole {
    pub(crate) fn new(style: Style, caller: Caller, producer: Producer) -> Self {
        Self {
            style,
            throttle: Throttle::new(&caller),
            caller,
            producer,
            unwritten: VecDeque::new(),
        }
    }

    fn refuse(&self, message: Option<&Message>, code: u8, reason: &str, context: &str) -> String {
        self.producer.report_refused(message, reason);
        receipt::refused(self.style, code, reason, None, context)
    }

    fn refuse_published(&self, message: &Message, error: &PublishError, context: &str) -> String {
        let reason = error.to_string();
        self.producer.report_refused(Some(message), &reason);
        receipt::refused(
            self.style,
            receipt::REFUSED,
            &reason,
            error.status(),
            context,
        )
    }
}

impl Role for ProducerRole {
    const SENDS_PENDING_ON_CLOSE: bool = true;

    fn on_text(&mut self, text: &str, outgoing: &mut Outgoing) -> Option<CloseFrame> {
        self.throttle.count_message();
        let Frame { context, fields } = Frame::parse(text);
        let receipt = match fields {
            Ok(fields) => match self.producer.publish(fields) {
                (message, Ok(())) => match self.producer.written_after(&message) {
                    Some(after) => {
                        let context = context.to_owned();
                        let receipt = Receipt::Of { message, context };
                        self.unwritten.push_back(Unwritten { after, receipt });
                        return None;
                    }
                    None => receipt::accepted(self.style, message.id(), context),
                },
                (message, Err(error)) => {
                    if let PublishError::Denied(denied) = &error {
                        self.caller.record_denied(denied);
                    }
                    self.refuse_published(&message, &error, context)
                }
            },
            Err(error) => self.refuse(None, receipt::BAD_FRAME, &error.to_string(), context),
        };
        match self.unwritten.back() {
            // Receipts come in the order of their frames.
            Some(last) => self.unwritten.push_back(Unwritten {
                after: last.after,
                receipt: Receipt::Text(receipt),
            }),
            None => outgoing.push(receipt),
        }
        None
    }

    fn is_saturated(&self) -> bool {
        self.throttle.holds_back() || self.unwritten.len() >= MAX_PENDING_RECEIPTS
    }

    fn check_rights(&mut self, _: &mut Outgoing) -> Option<CloseFrame> {
        self.throttle.renew();
        close_denied(&self.caller, self.producer.check())
    }

    fn after_frames(&mut self, cx: &mut Context<'_>) {
        self.producer.apply_effects();
        self.throttle.poll(cx);
    }

    fn fill_outgoing(
        &mut self,
        outgoing: &mut Outgoing,
        cx: &mut Context<'_>,
    ) -> Option<CloseFrame> {
        while let Some(first) = self.unwritten.front()
            && self.producer.is_written(first.after, cx)
            && let Some(Unwritten { receipt, .. }) = self.unwritten.pop_front()
        {
            outgoing.push(match receipt {
                Receipt::Text(text) => text,
                Receipt::Of { message, context } if message.is_refused() => {
                    self.refuse(Some(&message), receipt::REFUSED, UNWRITTEN, &context)
                }
                Receipt::Of { message, context } => {
                    receipt::accepted(self.style, message.id(), &context)
                }
            });
        }
        None
    }
}
