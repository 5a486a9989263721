//! Reads the topic and hands requests to workers.

use std::collections::HashMap;
use std::sync::Arc;

use dasf_protocol::fragment::{Position, Reassembler};
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageType, Properties, Topic};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::duplicates::Arrival;
use super::receipts::{Moment, Unacknowledged};
use super::replies::{Answer, Reply, response};
use super::worker::{Request, Worker};
use super::{FLUSH_TIMEOUT, FRAGMENT_PATIENCE, HostOptions, MAX_CONTEXT_LENGTH, refused_fragments};
use crate::module::Failure;
use crate::transport::{Subscriber, Verdict};

pub(super) struct Dispatcher {
    worker: Arc<Worker>,
    options: HostOptions,
    /// One permit for each call accepted and not yet answered.
    admission: Arc<Semaphore>,
    fragments: Reassembler<(Topic, String)>,
    /// The messages of requests whose other fragments are awaited, unless they are acknowledged
    /// when they are read.
    unfinished: HashMap<(Topic, String), Unacknowledged>,
}

impl Dispatcher {
    pub(super) fn new(worker: Worker, options: HostOptions) -> Self {
        Self {
            worker: Arc::new(worker),
            admission: Arc::new(Semaphore::new(options.queue_size)),
            fragments: Reassembler::new(options.max_request_size),
            unfinished: HashMap::new(),
            options,
        }
    }

    pub(super) async fn run(mut self, mut subscriber: Subscriber, stop: CancellationToken) {
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                delivery = subscriber.receive() => delivery,
            };
            let Some(delivery) = delivery else { break };
            let verdicts = subscriber.verdicts();
            let message = Unacknowledged::new(verdicts, delivery.message_id.clone());
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.dispatch(delivery, message) => {}
            }
        }
        self.drain(subscriber).await;
    }

    async fn dispatch(&mut self, delivery: Delivery, mut message: Unacknowledged) {
        let is_request = delivery.properties.message_type() == Some(MessageType::Request);
        if self.worker.moment == Moment::Read || !is_request {
            message.acknowledge().await;
        }
        let Delivery {
            message_id,
            payload,
            properties,
            ..
        } = delivery;
        let routing = (
            properties.message_type(),
            properties.request_context(),
            properties.response_topic(),
        );
        let (Some(message_type), Some(context), Some(response_topic)) = routing else {
            tracing::warn!(
                message_id,
                "message ignored: it needs a messageType, a requestContext and a response_topic"
            );
            return message.acknowledge().await;
        };
        if context.len() > MAX_CONTEXT_LENGTH {
            tracing::warn!(
                message_id,
                limit = MAX_CONTEXT_LENGTH,
                "message ignored: its requestContext is too long"
            );
            return message.acknowledge().await;
        }
        let reply = Reply {
            response_topic,
            context,
        };
        let replies = &self.worker.replies;
        let documents = &self.worker.documents;
        match message_type {
            MessageType::Ping => {
                replies.try_send(
                    &reply,
                    Properties::new().with_message_type(MessageType::Pong),
                );
            }
            MessageType::Info => {
                let info = documents.info.as_str();
                replies.try_send(&reply, response().with(key::INFO, info));
            }
            MessageType::ApiInfo => {
                let api_info = documents.api_info.as_str();
                replies.try_send(&reply, response().with(key::API_INFO, api_info));
            }
            MessageType::Request => {
                let request = Incoming {
                    message_id,
                    payload,
                    properties,
                    reply,
                    message,
                };
                self.request(request).await;
            }
            other => {
                tracing::debug!(message_id, message_type = %other, "message of no use to a module");
            }
        }
    }

    async fn request(&mut self, incoming: Incoming) {
        let Incoming {
            message_id,
            payload,
            properties,
            reply,
            message,
        } = incoming;
        let (payload, mut message) = match self.reassemble(payload, &properties, &reply, message) {
            Ok(whole) => whole,
            Err(Incomplete::Awaited) => return,
            Err(Incomplete::Refused(failure, mut message)) => {
                tracing::warn!(message_id, %failure, "request refused");
                self.worker.replies.try_send_failure(&reply, &failure);
                return message.acknowledge().await;
            }
        };
        let ticket = match self.worker.recent.arrive(&reply, &message_id, &properties) {
            Arrival::New(ticket) => ticket,
            Arrival::Running { is_noted } => {
                tracing::info!(message_id, "request passed over: it came before, and runs");
                // Otherwise it is acknowledged together with the first one.
                if self.worker.moment != Moment::Answered || !is_noted {
                    message.acknowledge().await;
                }
                return;
            }
            Arrival::Answered(answer) => return self.answer_again(reply, answer, message).await,
        };
        let Ok(admitted) = Arc::clone(&self.admission).try_acquire_owned() else {
            tracing::warn!(
                message_id,
                queue_size = self.options.queue_size,
                "request rejected: the queue is full"
            );
            let failure = Failure::overflow();
            let answer = Arc::new(Answer::failure(&failure));
            message.add(self.worker.recent.answered(&ticket, &answer));
            self.worker.replies.try_send_failure(&reply, &failure);
            return message.acknowledge().await;
        };
        let worker = Arc::clone(&self.worker);
        let request = Request {
            message_id,
            payload,
            properties,
            reply,
            ticket,
            message,
        };
        tokio::spawn(async move {
            worker.serve(request).await;
            drop(admitted);
        });
    }

    /// Answers a request that was answered before.
    async fn answer_again(
        &self,
        reply: Reply,
        answer: Option<Arc<Answer>>,
        mut message: Unacknowledged,
    ) {
        let Reply {
            response_topic,
            context,
        } = &reply;
        let Some(answer) = answer else {
            tracing::info!(%response_topic, context, "request passed over: it was answered before");
            return message.acknowledge().await;
        };
        tracing::info!(%response_topic, context, "request answered from memory: it came before");
        let Ok(admitted) = Arc::clone(&self.admission).try_acquire_owned() else {
            // There is too much to do already; who needs the answer asks again.
            return message.acknowledge().await;
        };
        let worker = Arc::clone(&self.worker);
        tokio::spawn(async move {
            worker.answer(&reply, &answer, message).await;
            drop(admitted);
        });
    }

    /// The whole payload with all of its messages, once it is there.
    fn reassemble(
        &mut self,
        payload: String,
        properties: &Properties,
        reply: &Reply,
        message: Unacknowledged,
    ) -> Result<(String, Unacknowledged), Incomplete> {
        let position = match Position::of(properties) {
            Ok(None) => return Ok((payload, message)),
            Ok(Some(position)) => position,
            Err(error) => return Err(Incomplete::Refused(refused_fragments(error), message)),
        };
        if self.options.group.is_some() {
            let failure = Failure::validation(
                "a module of a group gets some of the fragments of a request only; use a client that sends large \
                 requests on demand, or raise its max_payload_size",
            );
            return Err(Incomplete::Refused(failure, message));
        }
        let now = std::time::Instant::now();
        for call in self.fragments.forget_older_than(FRAGMENT_PATIENCE, now) {
            let (topic, context) = &call;
            tracing::warn!(%topic, context, "request dropped: its other fragments did not come");
            self.unfinished.remove(&call);
        }
        let call = (reply.response_topic.clone(), reply.context.clone());
        let messages = match self.unfinished.remove(&call) {
            Some(mut before) => {
                before.join(message);
                before
            }
            None => message,
        };
        match self.fragments.insert(call.clone(), position, &payload, now) {
            Ok(Some(whole)) => Ok((whole, messages)),
            Ok(None) => {
                if !messages.is_empty() {
                    self.unfinished.insert(call, messages);
                }
                Err(Incomplete::Awaited)
            }
            Err(error) => Err(Incomplete::Refused(refused_fragments(error), messages)),
        }
    }

    /// Lets accepted calls finish, sends what is left and closes.
    async fn drain(self, mut subscriber: Subscriber) {
        let in_flight = self.options.queue_size - self.admission.available_permits();
        if in_flight > 0 {
            tracing::info!(in_flight, timeout = ?self.options.drain_timeout, "letting accepted calls finish");
        }
        if self.worker.moment == Moment::Read {
            close(subscriber).await;
            self.finish_calls().await;
        } else {
            // The others of a group can begin with what waits here.
            if self.options.group.is_some() {
                self.worker.returning.cancel();
            }
            tokio::select! {
                () = self.finish_calls() => {}
                () = self.give_back_what_comes(&mut subscriber) => {}
            }
            drop(self.unfinished);
            close(subscriber).await;
        }
        let finished = tokio::time::timeout(FLUSH_TIMEOUT, self.worker.replies.finish()).await;
        if finished.is_err() {
            tracing::error!("not every answer could be sent in time");
        }
    }

    /// Gives the messages back that come while the accepted calls finish, for ever.
    async fn give_back_what_comes(&self, subscriber: &mut Subscriber) {
        while let Some(delivery) = subscriber.receive().await {
            // Where there is no other module, it would come again and again. What is kept goes to
            // the next one when the connection is closed.
            let limit = self.options.max_redeliveries;
            if limit.is_none_or(|limit| delivery.redelivery_count < limit) {
                let message_id = delivery.message_id;
                let verdicts = subscriber.verdicts();
                verdicts.give(Verdict::GivenBack(message_id)).await;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Waits until the accepted calls are answered, and cuts off those that take too long.
    async fn finish_calls(&self) {
        let all = u32::try_from(self.options.queue_size).unwrap_or(u32::MAX);
        let all_done = self.admission.acquire_many(all);
        if tokio::time::timeout(self.options.drain_timeout, all_done)
            .await
            .is_err()
        {
            let in_flight = self.options.queue_size - self.admission.available_permits();
            tracing::error!(in_flight, "the drain timeout is over; calls are cut off");
            self.worker.abort.cancel();
            // Being cut off means to answer that, which needs no more than a moment.
            let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.admission.acquire_many(all)).await;
        }
    }
}

async fn close(subscriber: Subscriber) {
    let finished = tokio::time::timeout(FLUSH_TIMEOUT, subscriber.finish()).await;
    if finished.is_err() {
        tracing::warn!(
            "the last acknowledgements could not be sent; those messages may come again"
        );
    }
}

/// A message that asks for a call.
struct Incoming {
    message_id: String,
    payload: String,
    properties: Properties,
    reply: Reply,
    message: Unacknowledged,
}

/// Why there is no payload to work on.
enum Incomplete {
    /// Other fragments of it are awaited.
    Awaited,
    /// It will never be complete; these are its messages.
    Refused(Failure, Unacknowledged),
}
