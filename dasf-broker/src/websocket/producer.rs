//! The socket of a producer: its frames are messages, and each gets a receipt.

use std::task::Context;

use axum::extract::ws::CloseFrame;

use super::outgoing::Outgoing;
use super::role::Role;
use crate::hub::Producer;
use crate::message::Frame;
use crate::receipt;
use crate::route::Style;

/// The socket of a producer.
pub(crate) struct ProducerRole {
    pub(crate) style: Style,
    pub(crate) producer: Producer,
}

impl Role for ProducerRole {
    const SENDS_PENDING_ON_CLOSE: bool = true;

    fn on_text(&mut self, text: &str, outgoing: &mut Outgoing) -> Option<CloseFrame> {
        let Frame { context, fields } = Frame::parse(text);
        let receipt = match fields {
            Ok(fields) => match self.producer.publish(fields) {
                (message, Ok(())) => receipt::accepted(self.style, message.id(), context),
                (message, Err(error)) => {
                    let reason = error.to_string();
                    self.producer.report_refused(Some(&message), &reason);
                    receipt::refused(self.style, receipt::REFUSED, &reason, context)
                }
            },
            Err(error) => {
                let reason = error.to_string();
                self.producer.report_refused(None, &reason);
                receipt::refused(self.style, receipt::BAD_FRAME, &reason, context)
            }
        };
        outgoing.push(receipt);
        None
    }

    fn after_frames(&mut self, _: &mut Context<'_>) {
        self.producer.apply_effects();
    }

    fn fill_outgoing(&mut self, _: &mut Outgoing, _: &mut Context<'_>) -> Option<CloseFrame> {
        // A producer gets only the receipts of its frames.
        None
    }
}
