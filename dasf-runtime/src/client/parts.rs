//! Calls that need more than one message: with fragments, a payload on demand, or reports of their
//! progress.

use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::progress::Report;
use dasf_protocol::properties::key;
use dasf_protocol::{JobId, MessageType, Properties, Topic, fragment};
use futures_util::future::{MaybeDone, maybe_done};
use smol_str::ToSmolStr;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::cancel::Sent;
use super::in_flight::{self, Answer, Request, Waiting};
use super::whereabouts::Stage;
use super::{CallError, Message, OnProgress, Shared, Way, deadline, with_time_left};
use crate::random;
use crate::transport::{
    Outgoing, PING_AGAIN, PublishError, Publisher, PublisherOptions, SendWindow,
};

/// The receipts of messages, which the broker sends later.
type Receipts = Vec<oneshot::Receiver<Result<(), PublishError>>>;

/// The queue for the messages of one call.
struct Queue<'a> {
    publisher: &'a Publisher,
    /// Limits how many messages the reader has not read yet.
    window: &'a SendWindow,
    context: u64,
    deadline: Instant,
}

impl Shared {
    /// Publishes a message in several frames, or for a caller who wants reports, and waits for its
    /// response.
    pub(super) async fn exchange_parts(
        &self,
        mut message: Message,
        mut on_progress: Option<OnProgress<'_>>,
        stage: &Stage,
    ) -> Result<Answer, CallError> {
        let (report_sender, mut reports) =
            channel_if(on_progress.is_some(), in_flight::REPORT_CAPACITY);
        let (fetch_sender, mut fetches) =
            channel_if(message.way == Way::OnDemand, in_flight::FETCH_CAPACITY);
        let waiting = Waiting {
            reports: report_sender,
            fetches: fetch_sender,
        };
        let guard = self.in_flight.register(waiting, message.request());
        let context = *stage.get_or_init(|| guard.context());
        let mut call = Sent::unsent(self, guard, message.limits.deadline);
        let is_request = message.properties.message_type() == Some(MessageType::Request);
        // Some of the fragments may be sent when the caller gives up.
        let is_cut = message.way == Way::Fragments;
        call.may_have_arrived = is_request && is_cut;

        let mut report_to_handler = |report: &Report| {
            if let Some(handler) = &mut on_progress {
                (handler.0)(report);
            }
        };
        let answer = 'answered: {
            let receipts = tokio::select! {
                biased;
                // The module may reject the first fragments.
                answer = &mut call => break 'answered answer,
                receipts = self.publish(context, &message) => receipts?,
            };
            call.may_have_arrived = is_request;
            let receipts = self.all_accepted(receipts);
            tokio::pin!(receipts);
            let mut is_accepted = false;
            // Fragments are sent once.
            let mut sent = match message.way {
                Way::Fragments => std::mem::take(&mut message.json),
                Way::Whole | Way::OnDemand => Bytes::new(),
            };
            // The payload of a request on demand, for the module that asked last.
            let sending = MaybeDone::Gone;
            tokio::pin!(sending);
            loop {
                tokio::select! {
                    biased;
                    Some(report) = receive(&mut reports) => report_to_handler(&report),
                    answer = &mut call => break 'answered answer,
                    accepted = &mut receipts, if !is_accepted => {
                        call.may_have_arrived &= is_cut || accepted.is_ok();
                        accepted?;
                        is_accepted = true;
                        call.guard().keep(std::mem::take(&mut sent));
                    }
                    Some(topic) = receive(&mut fetches) => {
                        let sent = self.send_payload(context, &message, topic);
                        sending.set(maybe_done(Box::pin(sent)));
                    }
                    () = &mut sending, if matches!(*sending, MaybeDone::Future(_)) => {
                        if let Some(Err(error)) = sending.as_mut().take_output() {
                            // If the module crashed, another one asks again.
                            tracing::warn!(
                                context,
                                error = error.to_string(),
                                "payload not sent to the module that asked for it"
                            );
                        }
                    }
                }
            }
        };
        // The module sent its last reports before the response, and both may have come at once.
        while let Some(Ok(report)) = reports.as_mut().map(mpsc::Receiver::try_recv) {
            report_to_handler(&report);
        }
        answer
    }

    /// Returns the way of the request of a job, whole or in fragments.
    pub(super) async fn way_of_job(&self, size: usize) -> Result<Way, CallError> {
        let way = match size <= self.whole_size() {
            true => Way::Whole,
            false => self.way(size).await?,
        };
        if way != Way::OnDemand {
            return Ok(way);
        }
        // The module would ask a caller that may be gone. One message may be slow, but a job is in no hurry.
        let limit = self.max_payload_size();
        match size <= limit {
            true => Ok(Way::Whole),
            false => Err(CallError::RequestTooLarge { size, limit }),
        }
    }

    /// Publishes the request of a job, and waits until the broker has accepted it.
    pub(super) async fn publish_job(
        &self,
        id: &JobId,
        properties: Properties,
        json: Bytes,
        way: Way,
    ) -> Result<(), CallError> {
        let queue = Queue {
            publisher: &self.publisher,
            window: &self.window,
            // It is a number of 31 bits.
            context: id.context().parse().unwrap_or_default(),
            deadline: deadline(Instant::now(), Duration::MAX),
        };
        let receipts = self
            .put(queue, properties, json, way == Way::Fragments)
            .await?;
        self.all_accepted(receipts).await
    }

    /// Publishes a message, and waits until the broker has accepted it.
    pub(super) async fn publish_and_wait(
        &self,
        publisher: &Publisher,
        message: Outgoing,
    ) -> Result<(), CallError> {
        let published = publisher.publish(message).await;
        let receipt = published.map_err(|error| self.not_published(error))?;
        self.all_accepted(vec![receipt]).await
    }

    /// Sends a request. For a request on demand, sends it without its payload.
    async fn publish(&self, context: u64, message: &Message) -> Result<Receipts, CallError> {
        let properties = self.routing(context, message.properties.clone(), message.limits.deadline);
        let (properties, payload) = match message.way {
            Way::OnDemand => (properties.with(key::ON_DEMAND, "1"), Bytes::new()),
            Way::Whole | Way::Fragments => (properties, message.json.clone()),
        };
        let is_cut = message.way == Way::Fragments;
        let queue = Queue {
            publisher: &self.publisher,
            window: &self.window,
            context,
            deadline: message.limits.deadline,
        };
        self.put(queue, properties, payload, is_cut).await
    }

    /// Sends the payload of a request to the module that asks for it.
    async fn send_payload(
        &self,
        context: u64,
        message: &Message,
        topic: Topic,
    ) -> Result<(), CallError> {
        tracing::debug!(
            topic = topic.as_str(),
            context,
            size = message.json.len(),
            "a module asks for the payload"
        );
        let publisher = self
            .transport
            .publisher(&topic, PublisherOptions::default());
        let queue = Queue {
            publisher: &publisher,
            window: &SendWindow::default(),
            context,
            deadline: message.limits.deadline,
        };
        let properties = self.routing(context, message.properties.clone(), message.limits.deadline);
        let payload = message.json.clone();
        let receipts = self.put(queue, properties, payload, true).await?;
        self.all_accepted(receipts).await
    }

    /// Puts a payload into the queue of a connection, in fragments if `is_cut`.
    async fn put(
        &self,
        queue: Queue<'_>,
        properties: Properties,
        payload: Bytes,
        is_cut: bool,
    ) -> Result<Receipts, CallError> {
        if is_cut {
            return Box::pin(self.put_fragments(queue, properties, payload)).await;
        }
        Ok(vec![self.put_one(&queue, properties, payload).await?])
    }

    async fn put_one(
        &self,
        queue: &Queue<'_>,
        properties: Properties,
        payload: Bytes,
    ) -> Result<oneshot::Receiver<Result<(), PublishError>>, CallError> {
        let message = Outgoing {
            payload,
            context: queue.context.to_smolstr(),
            properties,
            expires: Some(queue.deadline),
            awaited_until: None,
        };
        let published = queue.publisher.publish(message).await;
        published.map_err(|error| self.not_published(error))
    }

    /// Puts the fragments of a payload into the queue of a connection. Some brokers drop messages if
    /// a reader is slow. With these brokers, this function waits for the module from time to time.
    async fn put_fragments(
        &self,
        queue: Queue<'_>,
        properties: Properties,
        payload: Bytes,
    ) -> Result<Receipts, CallError> {
        let max_unread = self.transport.max_unread().unwrap_or(usize::MAX);
        let mut receipts = Vec::new();
        let pieces = fragment::split(&payload, self.piece_size());
        let count = pieces.len();
        let properties = properties.with(key::REQUEST, random::name());
        for (index, piece) in pieces.enumerate() {
            let _turn = queue
                .window
                .turn(max_unread, self.caught_up(&queue))
                .await?;
            let position = with_time_left(properties.clone(), queue.deadline)
                .with(key::FRAGMENT, index)
                .with(key::NUM_FRAGMENTS, count);
            receipts.push(self.put_one(&queue, position, piece).await?);
        }
        Ok(receipts)
    }

    /// Waits until the module has read all earlier messages.
    async fn caught_up(&self, queue: &Queue<'_>) -> Result<(), CallError> {
        let mut guard = self.in_flight.register(Waiting::default(), Request::Gone);
        loop {
            let ping = Properties::new().with_message_type(MessageType::Ping);
            let sent =
                queue
                    .publisher
                    .publish(self.outgoing(&guard, ping, Bytes::new(), queue.deadline));
            let receipt = sent.await.map_err(|error| self.not_published(error))?;
            self.all_accepted(vec![receipt]).await?;
            if let Ok(pong) = tokio::time::timeout(PING_AGAIN, &mut guard).await {
                return pong.map(drop);
            }
        }
    }

    /// Waits until the broker has accepted every message.
    ///
    /// # Errors
    /// Returns the first error of the broker.
    async fn all_accepted(&self, receipts: Receipts) -> Result<(), CallError> {
        for receipt in receipts {
            let accepted = receipt.await.unwrap_or(Err(PublishError::Closed));
            accepted.map_err(|error| self.not_published(error))?;
        }
        Ok(())
    }

    /// Returns the size of the fragments of a request, in bytes before base64.
    fn piece_size(&self) -> usize {
        self.transport.fragment_size(self.whole_size())
    }
}

/// Returns the ends of a channel if it is needed. Most calls need none.
fn channel_if<T>(
    is_needed: bool,
    capacity: usize,
) -> (Option<mpsc::Sender<T>>, Option<mpsc::Receiver<T>>) {
    is_needed.then(|| mpsc::channel(capacity)).unzip()
}

/// Returns the next value of a channel that may not be needed. Without a channel, it never returns.
async fn receive<T>(channel: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match channel {
        Some(channel) => channel.recv().await,
        None => std::future::pending().await,
    }
}
