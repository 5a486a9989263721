//! All topics of a broker.
//!
//! This file finds a topic, and carries out what a change of one causes. `producer` and `consumer` are the
//! handles that connections have.

mod consumer;
mod dead_letter;
mod position;
mod producer;
mod put_aside;
mod recent;
mod removal;
mod restore;
mod room;
mod rules;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Duration;

use tokio::sync::Notify;
use tracing::debug;

use crate::access::Owners;
use crate::account::{Account, Thing};
use crate::budget::Budget;
use crate::clock::now;
use crate::dead::DeadRequests;
use crate::limits::Limits;
use crate::log::{Line, Log};
use crate::message::{Message, MessageIds, Origin};
use crate::statistics::Counters;
use crate::store::Ticket;
use crate::topic::{AttachError, Effects, GoneReaders, Topic, TopicName};
use crate::topic_settings::TopicRule;
pub(crate) use consumer::Consumer;
pub(crate) use producer::Producer;
use put_aside::Suspicions;
use recent::RecentReaders;
pub(crate) use removal::TopicQuota;
use removal::{Removed, remove_junk};
use room::RoomMaker;
use rules::Rules;
#[cfg(feature = "metrics")]
pub(crate) use watch::Gauges;

/// The topics of a broker.
///
/// To hold both locks, lock the table first and the topic second.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) limits: Arc<Limits>,
    rules: Mutex<Rules>,
    /// Tells that the settings of topics have changed.
    pub(crate) changed_settings: Notify,
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: Log,
    pub(crate) origin: Origin,
    /// The budget of what waits for the peers to read it.
    pub(crate) outgoing: Arc<Budget>,
    gone: Arc<GoneReaders>,
    owners: Arc<Owners>,
    recent: RecentReaders,
    /// The requests that are put aside.
    dead: Mutex<DeadRequests>,
    suspicions: Mutex<Suspicions>,
    /// Tells that topics have new suspects.
    pub(crate) suspected: Notify,
    topics: Mutex<Topics>,
    room: Mutex<RoomMaker>,
}

/// What waits for the peers to read it may use this part of the largest memory, in addition.
const OUTGOING_FRACTION: usize = 4;

type Topics = HashMap<TopicName, Arc<Mutex<Topic>>>;

/// Locks a mutex. No code under it panics, so its content is never half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    pub(crate) fn new(limits: Limits) -> Self {
        let origin = Origin {
            ids: MessageIds::new(),
            budget: Budget::new(limits.max_memory),
            keeping: None,
        };
        Self::with_origin(limits, origin)
    }

    fn with_origin(limits: Limits, origin: Origin) -> Self {
        let outgoing = Budget::new(limits.max_memory / OUTGOING_FRACTION);
        let limits = Arc::new(limits);
        Self {
            rules: Mutex::new(Rules::new(&limits, &limits.configured_topics)),
            changed_settings: Notify::new(),
            counters: Arc::default(),
            log: Log::default(),
            origin,
            outgoing,
            gone: Arc::default(),
            owners: Arc::default(),
            recent: RecentReaders::default(),
            dead: Mutex::new(DeadRequests::new(
                limits.max_dead_requests,
                limits.max_dead_bytes,
            )),
            suspicions: Mutex::default(),
            suspected: Notify::new(),
            topics: Mutex::default(),
            room: Mutex::default(),
            limits,
        }
    }

    /// Replaces the settings of topics of the configuration, for topics that exist, too.
    pub(crate) fn set_topic_settings(&self, configured: &[TopicRule]) {
        *lock(&self.rules) = Rules::new(&self.limits, configured);
        // A topic that is made meanwhile has the new settings. They are the same twice.
        let topics: Vec<_> = lock(&self.topics)
            .iter()
            .map(|(name, topic)| (name.clone(), topic.clone()))
            .collect();
        for (name, topic) in topics {
            let limits = lock(&self.rules).of(&name);
            lock(&topic).set_limits(limits);
        }
        self.changed_settings.notify_one();
    }

    /// Returns the shortest time after which something ends of itself.
    pub(crate) fn shortest_time(&self) -> Duration {
        lock(&self.rules).shortest_time()
    }

    /// Returns what differs between this broker and all others. A broker that goes on with a store has what
    /// the earlier one had.
    pub(crate) fn run(&self) -> String {
        self.origin.ids.run()
    }

    /// Writes to the store what has changed, and keeps no further changes.
    pub(crate) fn close_store(&self) {
        if let Some(keeping) = &self.origin.keeping {
            keeping.store.close();
        }
    }

    /// Returns whether the broker can keep messages, or has to keep none.
    pub(crate) fn has_working_store(&self) -> bool {
        let keeping = self.origin.keeping.as_ref();
        keeping.is_none_or(|keeping| keeping.store.is_open())
    }

    pub(crate) fn topics(&self) -> usize {
        lock(&self.topics).len()
    }

    /// Returns the commit of the store after which a published message is on the disk, if the message
    /// must be there before its producer gets a receipt.
    pub(crate) fn written_after(&self, message: &Message) -> Option<Ticket> {
        let keeping = self.origin.keeping.as_ref()?;
        message.is_held().then(|| keeping.store.ticket())
    }

    /// Returns the commit of the store after which all is on the disk that has changed so far.
    pub(crate) fn last_change(&self) -> Option<Ticket> {
        let keeping = self.origin.keeping.as_ref();
        keeping.map(|keeping| keeping.store.ticket())
    }

    /// Returns whether the store has made this commit, or has failed. If not, the task wakes then.
    pub(crate) fn is_written(&self, ticket: Ticket, cx: &mut Context<'_>) -> bool {
        let keeping = self.origin.keeping.as_ref();
        keeping.is_none_or(|keeping| keeping.store.is_written(ticket, cx.waker()))
    }

    /// Runs a function on a topic, and creates the topic if it does not exist. A new one counts for the
    /// account, and for the quota of the connection.
    fn with_topic<T, E: From<AttachError>>(
        &self,
        name: &TopicName,
        account: Option<&Arc<Account>>,
        quota: Option<&mut TopicQuota>,
        change: impl FnOnce(&mut Topic) -> Result<T, E>,
    ) -> Result<(Arc<Mutex<Topic>>, T), E> {
        let mut topics = lock(&self.topics);
        // The table stays locked, so no other task finds the topic idle and removes it.
        if let Some(found) = topics.get(name) {
            let changed = change(&mut lock(found))?;
            return Ok((found.clone(), changed));
        }
        let counted = account.map(|account| account.count(Thing::Topic, 0));
        let counted = counted.transpose().map_err(AttachError::from)?;
        let mut removed = Removed::default();
        let max = self.limits.max_topics;
        if topics.len() >= max {
            removed = remove_junk(&mut topics, max);
            if topics.len() >= max {
                return Err(AttachError::TooManyTopics { max }.into());
            }
        }
        let (limits, counters) = (lock(&self.rules).of(name), self.counters.clone());
        let (budget, gone) = (self.origin.budget.clone(), self.gone.clone());
        let owners = self.owners.clone();
        let keeping = self.origin.keeping.as_ref();
        let store = keeping.map(|keeping| keeping.store.clone());
        let mut topic = Topic::new(name.clone(), limits, counters, budget, gone, owners, store);
        topic.count_for(counted);
        if let Some(tenure) = self.owners.recall(name) {
            topic.set_tenure(tenure);
        }
        // Otherwise whoever may not use the topic could make the broker forget its owner.
        let changed = change(&mut topic).inspect_err(|_| topic.remember_owner(now()))?;
        let topic = Arc::new(Mutex::new(topic));
        topics.insert(name.clone(), topic.clone());
        if let Some(quota) = quota {
            let max = self.limits.max_topics_per_connection;
            removed += quota.add(&mut topics, name, &topic, max);
        }
        drop(topics);
        removed.log(&self.log);
        Ok((topic, changed))
    }

    /// Removes a topic if it is idle.
    fn remove_if_idle(&self, name: &TopicName) {
        let mut topics = lock(&self.topics);
        let is_idle = topics.get(name).is_some_and(|topic| {
            let topic = lock(topic);
            let is_idle = topic.is_idle();
            if is_idle {
                topic.remember_owner(now());
            }
            is_idle
        });
        if is_idle {
            topics.remove(name);
        }
        drop(topics);
        if is_idle {
            debug!(topic = name.to_string(), "removed the topic");
        }
    }

    /// Publishes the dead letters and the answers of a change of the topic `name`, puts messages aside, logs
    /// its events, and wakes tasks. The caller must hold no lock.
    pub(crate) fn apply_effects(&self, name: &TopicName, effects: &mut Effects) {
        self.report(name, effects);
        effects.wake();
    }

    /// Publishes the dead letters and the answers of a change of the topic `name`, puts messages aside, and
    /// logs its events.
    /// The tasks to wake stay.
    fn report(&self, name: &TopicName, effects: &mut Effects) {
        for event in effects.events.drain(..) {
            if self.log.allows(Line::Event(event.kind)) {
                event.log(name);
            }
        }
        for letter in std::mem::take(&mut effects.dead_letters) {
            self.dead_letter(name, &letter, effects);
        }
        for aside in std::mem::take(&mut effects.put_aside) {
            self.put_aside(name, aside);
        }
        if let Some(due) = effects.suspects_due.take() {
            self.suspect(name, due);
        }
        for answer in std::mem::take(&mut effects.answers) {
            self.answer(name, &answer, effects);
        }
    }

    /// Removes expired messages and subscriptions from all topics.
    pub(crate) fn remove_expired(&self) {
        self.gone.forget_old(now());
        self.owners
            .forget_old(self.limits.subscription_retention, now());
        let retention = self.limits.subscription_retention;
        self.recent.forget_old(now(), retention);
        let topics: Vec<_> = lock(&self.topics)
            .iter()
            .map(|(name, topic)| (name.clone(), topic.clone()))
            .collect();
        for (name, topic) in topics {
            let mut effects = Effects::default();
            let idle = {
                let mut topic = lock(&topic);
                topic.remove_expired(now(), &mut effects);
                topic.is_idle()
            };
            self.apply_effects(&name, &mut effects);
            if idle {
                self.remove_if_idle(&name);
            }
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // Otherwise the store would learn that all queues end.
        self.close_store();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::time::Duration;

    use dasf_protocol::Topic;

    use super::*;
    use crate::topic::{
        ConsumerOptions, HoldOption, OnClose, PublishError, SubscriptionType, Victims,
    };

    const SHARED: ConsumerOptions = ConsumerOptions {
        kind: SubscriptionType::Shared,
        durable: true,
        on_close: OnClose::Keep,
        retention: None,
        receiver_queue_size: None,
        redelivery_delay: Duration::ZERO,
        dead_letters: None,
        max_deaths: None,
        run: None,
        hold: HoldOption::None,
    };

    fn name(text: &str) -> TopicName {
        text.parse::<Topic>().unwrap().into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_is_removed_when_its_messages_have_expired() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let retention = hub.limits.subscription_retention;
        hub.producer(name("a"), None)
            .unwrap()
            .publish("}")
            .1
            .unwrap();
        let consumer = hub
            .consumer(name("b"), "s".parse().unwrap(), &SHARED)
            .unwrap();
        let mut producer = hub.producer(name("b"), None).unwrap();
        producer.publish("}").1.unwrap();
        drop(consumer);
        assert_eq!(hub.topics(), 2);

        tokio::time::advance(retention - Duration::from_secs(1)).await;
        producer.publish("}").1.unwrap();
        hub.remove_expired();
        assert_eq!(hub.counters.read(0, 0).expired, 0);

        tokio::time::advance(Duration::from_secs(1)).await;
        hub.remove_expired();
        // The subscription has ended. Its younger message waits for a subscription of any name.
        assert_eq!(hub.counters.read(0, 0).expired, 2);
        assert_eq!(hub.topics(), 1);
        drop(producer);
        let mut consumer = hub
            .consumer(name("b"), "t".parse().unwrap(), &SHARED)
            .unwrap();
        assert_eq!(consumer.take(9, Waker::noop()).unwrap().len(), 1);
    }

    #[test]
    fn a_refused_topic_is_not_created() {
        let hub = Arc::new(Hub::new(Limits {
            max_topics: 1,
            ..Limits::default()
        }));
        let consumer = hub.consumer(name("a"), "s".parse().unwrap(), &SHARED);
        assert_eq!(
            hub.producer(name("b"), None).unwrap_err(),
            AttachError::TooManyTopics { max: 1 }
        );
        drop(consumer);
        assert_eq!(hub.topics(), 0);
        hub.producer(name("b"), None).unwrap();
    }

    fn small(max_memory: usize) -> Arc<Hub> {
        Arc::new(Hub::new(Limits {
            max_memory,
            ..Limits::default()
        }))
    }

    /// Publishes payloads of one kilobyte. Returns the number of accepted ones.
    fn publish(producer: &mut Producer, messages: usize) -> usize {
        let fields = format!("\"payload\":\"{}\"}}", "x".repeat(1000));
        let published = (0..messages).filter(|_| producer.publish(&fields).1.is_ok());
        let accepted = published.count();
        producer.apply_effects();
        accepted
    }

    fn backlog(hub: &Hub, topic: &str, victims: Victims) -> usize {
        let topic = lock(&hub.topics).get(&name(topic)).cloned();
        topic.map_or(0, |topic| lock(&topic).cost(victims))
    }

    const MB: usize = 1 << 20;

    #[test]
    fn messages_that_nobody_reads_make_room_first() {
        let hub = small(4 * MB);
        let mut consumer = hub
            .consumer(name("read"), "s".parse().unwrap(), &SHARED)
            .unwrap();
        let mut read = hub.producer(name("read"), None).unwrap();
        assert_eq!(publish(&mut read, 1000), 1000);
        // A subscription without a consumer, and a topic without a subscription.
        let other = hub.consumer(name("left"), "other".parse().unwrap(), &SHARED);
        let left = hub.consumer(name("left"), "s".parse().unwrap(), &SHARED);
        let mut left_producer = hub.producer(name("left"), None).unwrap();
        drop((left, other));
        let mut small = hub.producer(name("small"), None).unwrap();
        assert_eq!(publish(&mut small, 10), 10);
        for _ in 0..10 {
            assert_eq!(publish(&mut left_producer, 1000), 1000);
            assert!(hub.origin.budget.used() <= 4 * MB + 4096);
        }
        // The largest loses, and what is read stays.
        assert!(backlog(&hub, "small", Victims::Unread) > 10_000);
        assert!(hub.counters.read(0, 0).dropped > 5000);
        let mut got = 0;
        while let Some(taken) = consumer.take(99, Waker::noop())
            && !taken.is_empty()
        {
            got += taken.len();
        }
        assert_eq!(got, 1000);
    }

    #[test]
    fn the_topic_with_the_most_memory_makes_room_for_others_and_not_for_itself() {
        let hub = small(4 * MB);
        let consumer = |topic| hub.consumer(name(topic), "s".parse().unwrap(), &SHARED);
        let _large = consumer("large").unwrap();
        let _other = consumer("other").unwrap();
        let mut large = hub.producer(name("large"), None).unwrap();
        let mut other = hub.producer(name("other"), None).unwrap();
        assert_eq!(publish(&mut other, 100), 100);
        let accepted = publish(&mut large, 5000);
        assert!((2500..3500).contains(&accepted), "{accepted}");
        let fields = format!("\"payload\":\"{}\"}}", "x".repeat(2000));
        let refused = large.publish(&fields).1.unwrap_err();
        assert!(
            matches!(refused, PublishError::BrokerFull { .. }),
            "{refused}"
        );
        assert_eq!(hub.counters.read(0, 0).dropped, 0);
        let before = backlog(&hub, "large", Victims::Read);
        assert_eq!(publish(&mut other, 100), 100);
        assert!(backlog(&hub, "large", Victims::Read) < before);
        assert!(hub.origin.budget.used() <= 4 * MB + 4096);
    }

    #[test]
    fn all_memory_is_given_back() {
        let hub = small(MB);
        for _ in 0..3 {
            let consumer = hub.consumer(name("a"), "s".parse().unwrap(), &SHARED);
            let mut producer = hub.producer(name("a"), None).unwrap();
            publish(&mut producer, 3000);
            let mut consumer = consumer.unwrap();
            while let Some(taken) = consumer.take(99, Waker::noop())
                && !taken.is_empty()
            {
                for delivery in taken {
                    consumer.acknowledge(delivery.message.sequence);
                }
            }
        }
        assert_eq!((hub.topics(), hub.origin.budget.used()), (0, 0));
    }

    #[test]
    fn topics_without_a_consumer_make_room_for_others() {
        let hub = Arc::new(Hub::new(Limits {
            max_topics: 100,
            ..Limits::default()
        }));
        let consumer = |topic: &str| hub.consumer(name(topic), "s".parse().unwrap(), &SHARED);
        let mut read = consumer("read").unwrap();
        let mut producer = hub.producer(name("read"), None).unwrap();
        let mut kept = hub.producer(name("kept"), None).unwrap();
        kept.publish("}").1.unwrap();
        for number in 0..1000 {
            let topic = format!("junk-{number}").parse::<Topic>().unwrap();
            hub.producer(topic.into(), None)
                .unwrap()
                .publish("}")
                .1
                .unwrap();
            assert!(hub.topics() <= 100);
        }
        // A producer of a removed topic goes on.
        assert_eq!(backlog(&hub, "kept", Victims::Unread), 0);
        kept.publish("}").1.unwrap();
        assert_eq!(
            consumer("kept")
                .unwrap()
                .take(9, Waker::noop())
                .unwrap()
                .len(),
            1
        );
        producer.publish("}").1.unwrap();
        assert_eq!(read.take(9, Waker::noop()).unwrap().len(), 1);
    }

    #[test]
    fn a_connection_keeps_a_number_of_topics_without_a_consumer() {
        let hub = Arc::new(Hub::new(Limits {
            max_topics_per_connection: 3,
            ..Limits::default()
        }));
        let mut quota = TopicQuota::default();
        let mut publish = |topic: &str| {
            let mut producer = hub.producer(name(topic), Some(&mut quota)).unwrap();
            producer.publish("}").1.unwrap();
        };
        publish("read");
        let _read = hub
            .consumer(name("read"), "s".parse().unwrap(), &SHARED)
            .unwrap();
        for topic in ["a", "b", "c", "d", "e"] {
            publish(topic);
        }
        let mut topics: Vec<_> = lock(&hub.topics).keys().map(ToString::to_string).collect();
        topics.sort();
        assert_eq!(topics, ["c", "d", "e", "read"]);
        assert_eq!(hub.counters.read(0, 0).dropped, 2);
    }

    fn options(on_close: OnClose, prefetch: usize) -> ConsumerOptions {
        ConsumerOptions {
            on_close,
            receiver_queue_size: Some(prefetch),
            ..SHARED
        }
    }

    /// Publishes a request, and returns its number.
    fn request(producer: &mut Producer, properties: &str) -> u64 {
        let fields = format!("\"payload\":\"\",\"properties\":{properties}}}");
        let (message, published) = producer.publish(&fields);
        published.unwrap();
        message.sequence
    }

    /// Takes the next message, and acknowledges it.
    fn work(consumer: &mut Consumer) -> Option<u64> {
        let taken = consumer.take(1, Waker::noop()).unwrap();
        let sequence = taken.first()?.message.sequence;
        assert!(consumer.acknowledge(sequence));
        Some(sequence)
    }

    /// One worker gets twice the load that it can do. What it does is of use.
    #[tokio::test(start_paused = true)]
    async fn a_request_whose_caller_no_longer_waits_is_not_delivered() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let options = options(OnClose::Keep, 1);
        let worker = hub.consumer(name("group"), "workers".parse().unwrap(), &options);
        let mut worker = worker.unwrap();
        let mut producer = hub.producer(name("group"), None).unwrap();
        let mut published = HashMap::new();
        let mut late = 0;
        for _ in 0..200 {
            for _ in 0..2 {
                let sequence = request(&mut producer, r#"{"x_dasf_timeout_ms": 5000}"#);
                published.insert(sequence, now());
            }
            let done = work(&mut worker).unwrap();
            tokio::time::advance(Duration::from_secs(1)).await;
            // The next request is assigned when this one is acknowledged.
            let waited = now().duration_since(published[&done]);
            late += usize::from(waited > Duration::from_secs(6));
        }
        assert_eq!(late, 0);
        assert!(hub.counters.read(0, 0).expired > 150);
        // Without a limit, requests wait.
        let mut patient = hub.producer(name("patient"), None).unwrap();
        let sequence = request(&mut patient, "{}");
        tokio::time::advance(Duration::from_secs(60)).await;
        let consumer = hub.consumer(name("patient"), "s".parse().unwrap(), &options);
        assert_eq!(work(&mut consumer.unwrap()), Some(sequence));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_caller_is_gone_is_not_delivered() {
        const PROPERTIES: &str = r#"{"messageType":"request","response_topic":"answers"}"#;
        for (on_close, closes, waits, is_delivered) in [
            (OnClose::Discard, true, 0, false),
            // It may come back.
            (OnClose::Discard, false, 5, true),
            (OnClose::Discard, false, 10, false),
            // Its subscription keeps the answers.
            (OnClose::Keep, true, 60, true),
            (OnClose::Keep, false, 60, true),
        ] {
            let hub = Arc::new(Hub::new(Limits::default()));
            let module = hub.consumer(name("m"), "s".parse().unwrap(), &options(OnClose::Keep, 1));
            let mut module = module.unwrap();
            let answers = |subscription: &str| {
                let subscription = subscription.parse().unwrap();
                hub.consumer(name("answers"), subscription, &options(on_close, 9))
            };
            let mut caller = answers("caller").unwrap();
            let mut producer = hub.producer(name("m"), None).unwrap();
            let first = request(&mut producer, PROPERTIES);
            let waiting = request(&mut producer, PROPERTIES);
            let job = request(
                &mut producer,
                &PROPERTIES.replace("}", ",\"x_dasf_job\":1}"),
            );
            let other = request(&mut producer, &PROPERTIES.replace("answers", "others"));
            if closes {
                caller.leave();
            }
            drop(caller);
            tokio::time::advance(Duration::from_secs(waits)).await;
            assert_eq!(work(&mut module), Some(first));
            if is_delivered {
                assert_eq!(work(&mut module), Some(waiting));
            }
            assert_eq!(work(&mut module), Some(job));
            assert_eq!(work(&mut module), Some(other));
            assert_eq!(hub.counters.read(0, 0).dropped, u64::from(!is_delivered));
            // A caller of this topic that comes later gets answers.
            let _later = answers("later").unwrap();
            let (busy, later) = (
                request(&mut producer, "{}"),
                request(&mut producer, PROPERTIES),
            );
            assert_eq!(work(&mut module), Some(busy));
            assert_eq!(work(&mut module), Some(later));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_another_reader_is_not_gone() {
        let hub = Arc::new(Hub::new(Limits::default()));
        let reader = |subscription: &str| {
            let subscription = subscription.parse().unwrap();
            hub.consumer(name("answers"), subscription, &options(OnClose::Discard, 9))
        };
        let (_stays, mut leaves) = (reader("stays").unwrap(), reader("leaves").unwrap());
        leaves.leave();
        drop(leaves);
        assert!(lock(&hub.topics).contains_key(&name("answers")));
        let mut producer = hub.producer(name("m"), None).unwrap();
        let waiting = request(&mut producer, r#"{"response_topic":"answers"}"#);
        let module = hub.consumer(name("m"), "s".parse().unwrap(), &options(OnClose::Keep, 1));
        assert_eq!(work(&mut module.unwrap()), Some(waiting));
    }
}
