//! Sending the responses to requests: in fragments if necessary, and not faster than the caller reads.

use std::sync::Arc;

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{Properties, fragment};

use super::answer::Answer;
use super::budget::Budget;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::reply_to::ReplyTo;
use crate::random;
use crate::transport::{Parts, PublishError, SendWindow, Transport, Turn};

/// Sends responses.
pub(super) struct Answers {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) outbox: Arc<Outbox>,
    /// Receives the confirmations of callers.
    pub(super) inbox: Arc<Inbox>,
    pub(super) budget: Budget,
}

impl Answers {
    /// Sends the response to a request, if it fits one message and the connection accepts that at
    /// once.
    pub(super) fn send_at_once(
        &self,
        reply: &ReplyTo,
        properties: Properties,
        payload: &Bytes,
    ) -> bool {
        !self.is_cut(payload)
            && self
                .outbox
                .send_at_once(reply, properties, self.budget.held(reply, payload))
    }

    /// Sends the response to a request, in fragments if necessary.
    ///
    /// # Errors
    /// Returns the reason why only a part of it is sent. Errors that the broker returns later are
    /// only logged.
    pub(super) async fn send(&self, reply: &ReplyTo, answer: &Answer) -> Result<(), PublishError> {
        let window = self.window(reply, answer);
        for (properties, piece) in self.pieces(reply, answer) {
            let _turn = self.turn(window.as_deref(), reply, &properties).await?;
            self.outbox.send(reply, properties, piece).await;
        }
        Ok(())
    }

    /// Sends the response to a request, in fragments if necessary, and waits until the broker has
    /// accepted all of it. Returns the fragments if the broker retains them.
    pub(super) async fn deliver(
        &self,
        reply: &ReplyTo,
        answer: &Answer,
    ) -> Result<Option<Parts>, PublishError> {
        let mut receipts = Vec::new();
        let mut parts = None;
        let window = self.window(reply, answer);
        for (properties, piece) in self.pieces(reply, answer) {
            let _turn = self.turn(window.as_deref(), reply, &properties).await?;
            if parts.is_none() && properties.get(key::PARTS).is_some() {
                parts = Parts::with_part(&properties);
            }
            receipts.push(self.outbox.publish(reply, properties, piece).await?);
        }
        for receipt in receipts {
            receipt.await.unwrap_or(Err(PublishError::Closed))?;
        }
        if let Some(parts) = &parts {
            let told = parts.told_in(answer.properties());
            self.outbox.publish_and_wait(reply, told).await?;
        }
        Ok(parts)
    }

    /// Returns whether the broker retains the fragments of a response, so that nobody needs to read them now.
    fn retains_parts(&self, reply: &ReplyTo) -> bool {
        reply.is_job && self.transport.retains_parts()
    }

    /// Returns the limit of unread fragments, if the broker drops messages for slow readers and the
    /// caller answers pings.
    fn window(&self, reply: &ReplyTo, answer: &Answer) -> Option<Arc<SendWindow>> {
        let has_limit = self.is_cut(&answer.payload)
            && reply.answers_pings
            && !self.retains_parts(reply)
            && self.transport.max_unread().is_some();
        has_limit.then(|| self.outbox.window(&reply.response_topic))
    }

    /// Waits until a fragment may be sent, so that the caller does not have too many unread ones. Fails
    /// if the caller waits no longer.
    async fn turn<'w>(
        &self,
        window: Option<&'w SendWindow>,
        reply: &ReplyTo,
        properties: &Properties,
    ) -> Result<Option<Turn<'w>>, PublishError> {
        let is_fragment = properties.get(key::FRAGMENT).is_some();
        if is_fragment && reply.is_late() {
            return Err(PublishError::Unawaited);
        }
        match (window, self.transport.max_unread()) {
            (Some(window), Some(max_unread)) if is_fragment => {
                let caught_up = self.inbox.caught_up(reply, &self.outbox);
                window.turn(max_unread, caught_up).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Returns the size of the largest response in one message, in bytes before base64.
    fn whole_size(&self) -> usize {
        let best = self.transport.best_payload_size().unwrap_or(usize::MAX);
        self.outbox.max_payload_size().min(best)
    }

    /// Returns the size of the fragments of a response, in bytes before base64.
    fn piece_size(&self) -> usize {
        self.transport.fragment_size(self.whole_size())
    }

    /// Returns whether a response needs fragments. A payload that fits one frame is not cut, because
    /// no peer expects a single fragment.
    fn is_cut(&self, payload: &Bytes) -> bool {
        payload.len() > self.whole_size()
    }

    /// Returns the properties and the payloads of the messages of a response.
    fn pieces<'a>(
        &self,
        reply: &ReplyTo,
        answer: &'a Answer,
    ) -> impl Iterator<Item = (Properties, Bytes)> + use<'a> {
        // It counts for the caller until all of it is sent.
        let payload = self.budget.held(reply, &answer.payload);
        let is_cut = self.is_cut(&payload);
        let pieces = fragment::split(&payload, self.piece_size());
        let count = pieces.len();
        // The id distinguishes the fragments from those of another response to the same request, by
        // a module that crashed.
        let id = is_cut.then(random::name).unwrap_or_default();
        let retains_parts = self.retains_parts(reply);
        let whole = (!is_cut).then(|| (answer.properties(), payload.clone()));
        let cut = pieces.enumerate().filter(move |_| is_cut);
        whole.into_iter().chain(cut.map(move |(index, piece)| {
            let properties = answer
                .properties()
                .with(key::FRAGMENT, index)
                .with(key::NUM_FRAGMENTS, count)
                .with(key::ANSWER, id.as_str());
            let properties = match retains_parts {
                true => properties.with(key::PARTS, count),
                false => properties,
            };
            (properties, piece)
        }))
    }
}
