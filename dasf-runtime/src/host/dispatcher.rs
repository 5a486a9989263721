//! Reads the topic, and passes requests to the executor.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::fragment::Position;
use dasf_protocol::payload::Payload;
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, JobState, MessageId, MessageType, Properties};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::acknowledgement::{AcknowledgePolicy, Unacknowledged};
use super::answer::Answer;
use super::budget::{Budget, Charge, SMALL_PAYLOAD};
use super::duplicates::Arrival;
use super::executor::{Call, Executor, Request};
use super::fragments::{Inserted, Refused, Unfinished, Whole, refused_fragments};
use super::redelivery::Redelivery;
use super::reply_to::{LatestTopics, ReplyTo};
use super::{FLUSH_TIMEOUT, HostOptions, MAX_CONTEXT_LENGTH, passing};
use crate::module::Failure;
use crate::transport::{Subscriber, Transit};

pub(super) struct Dispatcher {
    executor: Arc<Executor>,
    options: HostOptions,
    topics: LatestTopics,
    /// The permits of the accepted calls without a response.
    admission: Arc<Semaphore>,
    unfinished: Unfinished,
    budget: Budget,
    /// Whether a job has come. The broker must get the unfinished ones back when the module stops.
    has_had_jobs: bool,
    /// Messages that were read while a request waited to be accepted.
    ahead: VecDeque<Received>,
}

/// A message that was read.
struct Received {
    delivery: Delivery,
    transit: Transit,
    message: Unacknowledged,
}

/// How many messages are read while a request waits to be accepted, to find cancellations among them.
const MAX_AHEAD: usize = 256;

/// How often the host looks for requests whose other fragments do not come in time.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

impl Dispatcher {
    pub(super) fn new(executor: Executor, options: HostOptions) -> Self {
        let budget = executor.budget().clone();
        Self {
            executor: Arc::new(executor),
            admission: Arc::new(Semaphore::new(options.queue_size)),
            topics: LatestTopics::default(),
            unfinished: Unfinished::new(budget.clone()),
            budget,
            has_had_jobs: false,
            ahead: VecDeque::new(),
            options,
        }
    }

    /// Returns what runs the calls.
    pub(super) fn executor(&self) -> Arc<Executor> {
        Arc::clone(&self.executor)
    }

    /// Returns the permits of the accepted calls without a response.
    #[cfg(feature = "status")]
    pub(super) fn admission(&self) -> Arc<Semaphore> {
        Arc::clone(&self.admission)
    }

    pub(super) async fn run(mut self, mut subscriber: Subscriber, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopped = pin!(stop.cancelled());
        // It runs on the runtime of the connections, which the functions cannot block.
        let watch = tokio::spawn(Arc::clone(&self.executor).watch_threads());
        let passed = tokio::spawn(passing::receive(Arc::clone(&self.executor)));
        loop {
            let received = tokio::select! {
                biased;
                () = &mut stopped => break,
                // Before receiving, because under load there is always something to receive.
                _ = sweep.tick(), if !self.unfinished.is_empty() => {
                    self.drop_stale_fragments().await;
                    continue;
                }
                received = next(&mut self.ahead, &mut subscriber) => received,
            };
            let Some(received) = received else { break };
            tokio::select! {
                biased;
                () = self.dispatch(received, &mut subscriber) => {}
                () = &mut stopped => break,
            }
        }
        self.drain(subscriber).await;
        watch.abort();
        passed.abort();
    }

    async fn dispatch(&mut self, received: Received, subscriber: &mut Subscriber) {
        let Received {
            delivery,
            transit,
            mut message,
        } = received;
        let is_request = delivery.properties.message_type() == Some(MessageType::Request);
        let is_job = delivery.properties.get(key::JOB).is_some();
        self.has_had_jobs |= is_job;
        let policy = self.executor.policy(is_job);
        if policy == AcknowledgePolicy::Read || !is_request {
            message.acknowledge().await;
        }
        let redelivery = self.executor.limit.judge(&delivery, policy);
        let Delivery {
            message_id,
            payload,
            properties,
            ..
        } = delivery;
        let routing = (
            properties.message_type(),
            ReplyTo::sharing(&mut self.topics, &properties, transit),
        );
        let (Some(message_type), Some(reply)) = routing else {
            tracing::warn!(
                message_id = &*message_id,
                "message ignored: it needs a messageType, a requestContext and a response_topic"
            );
            return message.acknowledge().await;
        };
        if reply.context.len() > MAX_CONTEXT_LENGTH {
            tracing::warn!(
                message_id = &*message_id,
                limit = MAX_CONTEXT_LENGTH,
                "message ignored: its requestContext is too long"
            );
            return message.acknowledge().await;
        }
        let outbox = &self.executor.outbox;
        let documents = &self.executor.documents;
        match message_type {
            MessageType::Ping => {
                if !self.executor.own_pings.contain(&reply.response_topic) {
                    let call = properties.text(key::POSITION_OF);
                    let standing = call.and_then(|context| {
                        self.executor.standing(&(reply.caller(), context.into()))
                    });
                    let wants_load = properties.get(key::LOAD).is_some();
                    let load = wants_load.then(|| self.executor.load());
                    outbox.try_send_pong(&reply, standing, load);
                }
            }
            MessageType::Info => {
                outbox.try_send_document(&reply, key::INFO, &documents.info);
            }
            MessageType::ApiInfo => {
                outbox.try_send_document(&reply, key::API_INFO, &documents.api_info);
            }
            MessageType::Request => {
                let request = Incoming {
                    message_id,
                    payload,
                    properties,
                    reply,
                    redelivery,
                    message,
                };
                self.request(request, subscriber).await;
            }
            MessageType::Cancel => self.cancel(&reply).await,
            other => {
                tracing::debug!(
                    message_id = &*message_id,
                    message_type = other.to_string(),
                    "message ignored: modules do not use its type"
                );
            }
        }
    }

    /// Ends the call of a caller who no longer waits.
    async fn cancel(&mut self, reply: &ReplyTo) {
        let mut messages = self.unfinished.cancel(reply);
        messages.acknowledge().await;
        self.cancel_call(reply);
    }

    /// Ends the call of a caller who no longer waits, if the request is complete.
    fn cancel_call(&self, reply: &ReplyTo) {
        let is_known = self.executor.cancel_call(reply);
        if let Some(passing) = self.executor.passing.as_ref().filter(|_| !is_known) {
            passing.pass_on(reply);
        }
    }

    /// Waits until one more call is accepted. Other modules of the group may have room: they get the requests
    /// that are not read here. Meanwhile, cancellations make room here.
    async fn admit(&mut self, subscriber: &mut Subscriber) -> Option<OwnedSemaphorePermit> {
        loop {
            let admission = Arc::clone(&self.admission);
            let mut received = tokio::select! {
                biased;
                permit = admission.acquire_owned() => return permit.ok(),
                Some(received) = read(subscriber), if self.ahead.len() < MAX_AHEAD => received,
            };
            let properties = &received.delivery.properties;
            if properties.message_type() != Some(MessageType::Cancel) {
                self.ahead.push_back(received);
                continue;
            }
            received.message.acknowledge().await;
            if let Some(reply) = ReplyTo::of(&received.delivery.properties) {
                self.cancel(&reply).await;
            }
        }
    }

    async fn request(&mut self, incoming: Incoming, subscriber: &mut Subscriber) {
        let Incoming {
            message_id,
            payload,
            properties,
            reply,
            redelivery,
            message,
        } = incoming;
        let joined = self.reassemble(payload, &properties, &reply, message);
        let Some((payload, charge, message)) = joined.await else {
            return;
        };
        let recent = &self.executor.recent;
        let cancellations = recent.cancellations();
        // A report for an earlier message may have been lost with its connection.
        let must_report = redelivery.attempt.must_report();
        let reported = must_report.then(|| message.share());
        let (ticket, mut message) = match recent.arrive(&reply, &message_id, &properties, message) {
            Arrival::New(ticket, message) => (ticket, message),
            Arrival::Open { surplus, is_begun } => {
                tracing::info!(
                    message_id = &*message_id,
                    "request ignored: it was redelivered while it runs"
                );
                if is_begun && let Some(message) = reported {
                    message.has_begun().await;
                }
                if let Some(mut surplus) = surplus {
                    surplus.acknowledge().await;
                }
                return;
            }
            Arrival::Answered(answer, message) => {
                return self.answer_again(reply, answer, message).await;
            }
            Arrival::Cancelled(mut message) => {
                tracing::info!(
                    message_id = &*message_id,
                    "request not run: its caller has cancelled it"
                );
                return message.acknowledge().await;
            }
            Arrival::Unknown(mut message) => {
                tracing::warn!(
                    message_id = &*message_id,
                    response_topic = reply.response_topic.as_str(),
                    "request not run: its caller published it again after a lost connection, and this module \
                     started later or no longer remembers it, so it may have run"
                );
                return message.acknowledge().await;
            }
        };
        let admitted = if self.options.group.is_some() {
            self.admit(subscriber).await
        } else {
            Arc::clone(&self.admission).try_acquire_owned().ok()
        };
        let Some(admitted) = admitted else {
            tracing::warn!(
                message_id = &*message_id,
                queue_size = self.options.queue_size,
                "request rejected: the queue is full"
            );
            let failure = Failure::overflow();
            self.executor.call_log.refused(&failure);
            let answer = Arc::new(Answer::failure(&failure));
            message.join(self.executor.recent.answered(ticket, &answer));
            self.executor.outbox.try_send_failure(&reply, &failure);
            return message.acknowledge().await;
        };
        if reply.is_job {
            self.executor
                .outbox
                .try_send_job_state(&reply, JobState::Accepted);
        }
        let caller_trace = properties.trace().map(Box::new);
        let request = Request {
            payload,
            properties,
            call: Call {
                message_id,
                reply,
                ticket,
                cancellations,
                redelivery,
                message,
                admitted,
                charge: charge.map(Box::new),
                caller_trace,
                last: None,
            },
        };
        self.executor.begin(request);
    }

    /// Answers a redelivered request that was answered before.
    async fn answer_again(
        &self,
        reply: ReplyTo,
        answer: Option<Arc<Answer>>,
        mut message: Unacknowledged,
    ) {
        let ReplyTo {
            response_topic,
            context,
            ..
        } = &reply;
        let Some(answer) = answer else {
            tracing::info!(
                response_topic = response_topic.as_str(),
                context = &**context,
                "request ignored: it was answered before"
            );
            return message.acknowledge().await;
        };
        tracing::info!(
            response_topic = response_topic.as_str(),
            context = &**context,
            "redelivered request answered from memory"
        );
        let Ok(admitted) = Arc::clone(&self.admission).try_acquire_owned() else {
            // The queue is full.
            return match self.executor.policy(reply.is_job) {
                AcknowledgePolicy::Answered => message.give_back().await,
                // The broker delivered it twice. The caller has the response.
                AcknowledgePolicy::Read | AcknowledgePolicy::Begun => message.acknowledge().await,
            };
        };
        let executor = Arc::clone(&self.executor);
        tokio::spawn(async move {
            executor.answer_again(&reply, &answer, message).await;
            drop(admitted);
        });
    }

    /// Returns the whole payload with all of its messages, when its last fragment arrives. A large one
    /// counts for its caller.
    async fn reassemble(
        &mut self,
        payload: Payload,
        properties: &Properties,
        reply: &ReplyTo,
        message: Unacknowledged,
    ) -> Option<(Payload, Option<Charge>, Unacknowledged)> {
        let mut refused = Vec::new();
        let whole = match Position::of(properties) {
            Ok(None) if payload.len() <= SMALL_PAYLOAD => return Some((payload, None, message)),
            Ok(None) => {
                let mut charge = self.budget.charge(reply);
                let now = Instant::now();
                let unfinished = &mut self.unfinished;
                match unfinished.charge(&mut charge, payload.len(), now, &mut refused) {
                    Ok(()) => Some((payload, Some(charge), message)),
                    Err(error) => {
                        self.refuse(reply, &error.into(), message).await;
                        None
                    }
                }
            }
            Ok(Some(_)) if self.options.group.is_some() => {
                let failure = Failure::validation(
                    "a module of a group gets only some of the fragments of a request; call again with a client that \
                     sends large requests on demand, or raise its max_payload_size",
                );
                self.refuse(reply, &failure, message).await;
                None
            }
            Ok(Some(position)) => {
                if let Err(failure) = self.executor.check_access(properties) {
                    self.refuse_fragment(reply, position, &failure, message)
                        .await;
                    return None;
                }
                let inserted = self.unfinished.insert(
                    reply,
                    properties,
                    position,
                    payload,
                    message,
                    &mut refused,
                );
                match inserted {
                    Inserted::Complete(Whole {
                        payload,
                        charge,
                        messages,
                    }) => Some((payload.into(), Some(charge), messages)),
                    Inserted::Awaited => None,
                    Inserted::Superfluous(mut message) => {
                        message.acknowledge().await;
                        None
                    }
                }
            }
            Err(error) => {
                self.refuse(reply, &refused_fragments(&error), message)
                    .await;
                None
            }
        };
        for Refused {
            reply,
            failure,
            messages,
        } in refused
        {
            self.refuse(&reply, &failure, messages).await;
        }
        whole
    }

    /// Answers a request that may call no function, once for all of its fragments.
    async fn refuse_fragment(
        &self,
        reply: &ReplyTo,
        position: Position,
        failure: &Failure,
        mut message: Unacknowledged,
    ) {
        match position.index {
            0 => self.refuse(reply, failure, message).await,
            _ => message.acknowledge().await,
        }
    }

    /// Answers a request that does not run.
    async fn refuse(&self, reply: &ReplyTo, failure: &Failure, mut messages: Unacknowledged) {
        tracing::warn!(
            response_topic = reply.response_topic.as_str(),
            context = &*reply.context,
            failure = failure.to_string(),
            "request rejected"
        );
        self.executor.call_log.refused(failure);
        self.executor.outbox.try_send_failure(reply, failure);
        messages.acknowledge().await;
    }

    /// Drops the requests whose other fragments have not come in time.
    async fn drop_stale_fragments(&mut self) {
        let stale: Vec<_> = self.unfinished.remove_stale().collect();
        for Refused {
            reply,
            failure,
            messages,
        } in stale
        {
            self.refuse(&reply, &failure, messages).await;
        }
    }

    /// Waits for the accepted calls, sends the last responses, and closes the connections.
    async fn drain(mut self, mut subscriber: Subscriber) {
        let in_flight = self.options.queue_size - self.admission.available_permits();
        if in_flight > 0 {
            tracing::info!(
                in_flight,
                drain_timeout = ?self.options.drain_timeout,
                "waiting for the accepted calls"
            );
        }
        if self.executor.acknowledge == AcknowledgePolicy::Read && !self.has_had_jobs {
            close(subscriber).await;
            self.finish_calls().await;
        } else {
            // Other modules of the group can run the requests that wait here.
            if self.options.group.is_some() {
                self.executor.returning.cancel();
                self.executor.return_waiting();
            }
            let ahead = std::mem::take(&mut self.ahead);
            tokio::select! {
                () = self.finish_calls() => {}
                () = self.give_back_deliveries(ahead, &mut subscriber) => {}
            }
            drop(self.unfinished);
            close(subscriber).await;
        }
        self.executor.pool.close();
        self.executor.call_log.sum_up();
        let finish = async {
            self.executor.inbox.finish().await;
            self.executor.outbox.finish().await;
        };
        let finished = tokio::time::timeout(FLUSH_TIMEOUT, finish).await;
        if finished.is_err() {
            tracing::error!("some responses were not sent in time");
        }
    }

    /// Returns new messages to the broker while the accepted calls finish. Never ends.
    async fn give_back_deliveries(
        &self,
        mut ahead: VecDeque<Received>,
        subscriber: &mut Subscriber,
    ) {
        while let Some(received) = next(&mut ahead, subscriber).await {
            let Received {
                delivery,
                mut message,
                ..
            } = received;
            if delivery.properties.message_type() == Some(MessageType::Cancel) {
                message.acknowledge().await;
                if let Some(reply) = ReplyTo::of(&delivery.properties) {
                    self.cancel_call(&reply);
                }
                continue;
            }
            // Without another module, a message would be redelivered until it is moved to the
            // dead-letter topic. A message that is kept goes to the next module when the connection
            // closes.
            let is_job = delivery.properties.get(key::JOB).is_some();
            let policy = self.executor.policy(is_job);
            let redelivery = self.executor.limit.judge(&delivery, policy);
            if self.executor.limit.may_give_back(redelivery) {
                message.give_back().await;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Waits until the accepted calls are answered, and aborts those that exceed the drain timeout.
    async fn finish_calls(&self) {
        let all = u32::try_from(self.options.queue_size).unwrap_or(u32::MAX);
        let all_done = self.admission.acquire_many(all);
        if tokio::time::timeout(self.options.drain_timeout, all_done)
            .await
            .is_err()
        {
            let in_flight = self.options.queue_size - self.admission.available_permits();
            tracing::error!(
                in_flight,
                "the drain timeout is over; the remaining calls are aborted"
            );
            self.executor.abort();
            // An aborted call only sends its response.
            let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.admission.acquire_many(all)).await;
        }
    }
}

/// Returns the next message: one of those that were read before, or one of the connection.
///
/// # Cancel safety
/// Cancel safe: no message is lost.
async fn next(ahead: &mut VecDeque<Received>, subscriber: &mut Subscriber) -> Option<Received> {
    match ahead.pop_front() {
        Some(received) => Some(received),
        None => read(subscriber).await,
    }
}

/// Returns the next message of the connection.
///
/// # Cancel safety
/// Cancel safe: no message is lost.
async fn read(subscriber: &mut Subscriber) -> Option<Received> {
    let delivery = subscriber.receive().await?;
    let acknowledger = subscriber.acknowledger();
    Some(Received {
        transit: subscriber.transit(),
        message: Unacknowledged::new(acknowledger, delivery.message_id.clone()),
        delivery,
    })
}

async fn close(subscriber: Subscriber) {
    let finished = tokio::time::timeout(FLUSH_TIMEOUT, subscriber.finish()).await;
    if finished.is_err() {
        tracing::warn!(
            "the last acknowledgements could not be sent; those messages may be redelivered"
        );
    }
}

/// A request that is not accepted yet.
struct Incoming {
    message_id: MessageId,
    payload: Payload,
    properties: Properties,
    reply: ReplyTo,
    redelivery: Redelivery,
    message: Unacknowledged,
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::host::fragments::PATIENCE;
    use crate::host::scripted::Scripted;
    use crate::host::search::OwnPings;
    use crate::module::Module;
    use crate::module::descriptor::{FunctionDescriptor, Handler, Member, ModuleDescriptor};
    use crate::outcome::Output;
    use crate::probe::Probe;
    use crate::transport::{self, SubscriberEnds};

    static DESCRIPTOR: ModuleDescriptor = ModuleDescriptor {
        name: "test",
        topic: None,
        group: None,
        description: "",
        version: "1.0.0",
        members: &[Member::Function(FunctionDescriptor::new(
            "f",
            &[],
            Probe::<i64>::TYPE,
            Handler::Inline(|_| Ok(Output(b"1".to_vec()))),
        ))],
    };

    fn received(properties: Properties) -> transport::Received {
        let properties = properties.with(key::RESPONSE_TOPIC, "caller");
        let payload = Bytes::from_static(b"x").into();
        transport::Received {
            delivery: Delivery::new("m", payload, properties),
            connection: 1,
            names_users: false,
            at: Instant::now(),
        }
    }

    /// Returns the payload of the response to a request with a timeout of a second, which waited in the
    /// broker and in the queue of the module.
    async fn response_after(in_broker: Duration, in_queue: Duration) -> Bytes {
        let (transport, mut opened, mut subscribed) = Scripted::open();
        let options = HostOptions::default();
        let topic = "demo".parse().unwrap();
        let module = Module::new(&DESCRIPTOR).unwrap();
        let subscriber = transport.subscribe(&topic, &options.reading());
        let executor = Executor::new(module, &topic, transport, OwnPings::default(), &options);
        let SubscriberEnds {
            deliveries,
            mut acknowledgements,
            state: _state,
        } = subscribed.recv().await.unwrap();
        tokio::spawn(async move { while acknowledgements.recv().await.is_some() {} });
        let request = Properties::new()
            .with_message_type(MessageType::Request)
            .with(key::REQUEST_CONTEXT, "1")
            .with(key::TIMEOUT_MS, 1000);
        let mut request = received(request);
        request.delivery.payload = Bytes::from_static(br#"{"func_name": "f"}"#).into();
        request.delivery.waited = in_broker;
        assert!(deliveries.queue.send(request).await.is_ok());
        tokio::time::advance(in_queue).await;
        let dispatcher = Dispatcher::new(executor, options);
        let executor = dispatcher.executor();
        let mut running = Box::pin(dispatcher.run(subscriber, CancellationToken::new()));
        let answer = async {
            let mut sent = opened.recv().await.unwrap();
            sent.queue.recv().await.unwrap().message.payload
        };
        // The test is the thread of the host.
        let calls = async {
            loop {
                tokio::task::yield_now().await;
                if let Some(job) = executor.quick.pop() {
                    executor.run_quick_call(job);
                }
            }
        };
        tokio::select! {
            () = &mut running => unreachable!("the module was not stopped"),
            () = calls => unreachable!("it never ends"),
            answer = answer => answer,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_a_request_has_waited_counts() {
        let milliseconds = Duration::from_millis;
        for (in_broker, in_queue, runs) in [
            (0, 0, true),
            (990, 0, true),
            (0, 990, true),
            (1000, 0, false),
            (0, 1000, false),
            (500, 500, false),
            (5000, 0, false),
        ] {
            let answer = response_after(milliseconds(in_broker), milliseconds(in_queue)).await;
            assert_eq!(answer == "1", runs, "{in_broker} {in_queue} {answer:?}");
            let is_late = answer.ends_with(b"was over before the call could begin");
            assert_eq!(is_late, !runs, "{answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stale_fragments_are_dropped_while_there_is_always_something_to_receive() {
        let (transport, mut opened, _) = Scripted::open();
        let options = HostOptions::default();
        let topic = "demo".parse().unwrap();
        let module = Module::new(&DESCRIPTOR).unwrap();
        let executor = Executor::new(module, &topic, transport, OwnPings::default(), &options);
        // More messages than a task may receive at once.
        let (subscriber, ends) = Subscriber::with_capacity(&options.reading(), 1024);
        let SubscriberEnds {
            deliveries,
            mut acknowledgements,
            state: _state,
        } = ends;
        tokio::spawn(async move { while acknowledgements.recv().await.is_some() {} });
        let stop = CancellationToken::new();
        let dispatcher = Dispatcher::new(executor, options);
        let running = tokio::spawn(dispatcher.run(subscriber, stop.clone()));
        let fragment = Properties::new()
            .with_message_type(MessageType::Request)
            .with(key::REQUEST_CONTEXT, "1")
            .with(key::FRAGMENT, 0)
            .with(key::NUM_FRAGMENTS, 2);
        let sent = deliveries.queue.send(received(fragment)).await;
        assert!(sent.is_ok());
        let noise = || {
            Properties::new()
                .with_message_type(MessageType::Pong)
                .with(key::REQUEST_CONTEXT, "2")
        };
        let begun = Instant::now();
        let mut answers = loop {
            assert!(
                begun.elapsed() < 2 * PATIENCE,
                "the fragments are still there"
            );
            while deliveries.queue.try_send(received(noise())).is_ok() {}
            tokio::time::advance(Duration::from_secs(1)).await;
            if let Ok(answers) = opened.try_recv() {
                break answers;
            }
        };
        let answer = answers.queue.recv().await.unwrap().message;
        assert_eq!(&*answer.context, "1");
        assert!(begun.elapsed() >= PATIENCE);
        stop.cancel();
        drop((deliveries, answers));
        running.await.unwrap();
    }
}
