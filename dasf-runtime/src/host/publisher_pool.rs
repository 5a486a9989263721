//! The connections to the response topics of callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dasf_protocol::Topic;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::HostOptions;
use crate::transport::{
    Link, Outgoing, Publisher, PublisherOptions, ReaderPatience, SendWindow, Transport,
};

/// One connection for each response topic, up to a limit. Over a link, all topics share one.
pub(super) struct PublisherPool {
    transport: Arc<dyn Transport>,
    capacity: usize,
    options: PublisherOptions,
    link: Mutex<Option<Link>>,
    publishers: Mutex<HashMap<Topic, Pooled>>,
    /// Connections that are no longer in the pool, and still send their messages.
    leaving: TaskTracker,
}

struct Pooled {
    publisher: Publisher,
    window: Arc<SendWindow>,
    last_used: Instant,
}

impl PublisherPool {
    pub(super) fn new(transport: Arc<dyn Transport>, options: &HostOptions) -> Self {
        Self {
            transport,
            capacity: options.max_response_topics,
            options: PublisherOptions {
                keep_alive: Some(options.producer_keep_alive.max(Duration::from_millis(1))),
                connection_timeout: Some(options.producer_connection_timeout),
                reader_patience: ReaderPatience::Topic,
            },
            link: Mutex::default(),
            publishers: Mutex::default(),
            leaving: TaskTracker::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Pooled>> {
        self.publishers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the transport's link, if it has one. The pool keeps the link open, because responses
    /// may come when the host does not read any more.
    fn link(&self) -> Option<Link> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if link.as_ref().is_none_or(Link::is_replaced) {
            *link = self.transport.link();
        }
        link.clone()
    }

    /// Returns the number of connections that are allowed.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns the connection to a response topic, a new one if necessary. Returns `None` while all
    /// connections that are allowed still send their messages.
    pub(super) fn get(&self, topic: &Topic) -> Option<Publisher> {
        if let Some(link) = self.link() {
            return Some(Publisher::on_link(link, topic, self.options));
        }
        let mut publishers = self.lock();
        let last_used = Instant::now();
        if let Some(pooled) = publishers.get_mut(topic)
            && !pooled.publisher.is_closed()
        {
            pooled.last_used = last_used;
            return Some(pooled.publisher.clone());
        }
        publishers.remove(topic);
        if publishers.len() >= self.capacity {
            self.make_room(&mut publishers);
        }
        if publishers.len() >= self.capacity {
            return None;
        }
        let publisher = self.transport.publisher(topic, self.options);
        let pooled = Pooled {
            publisher: publisher.clone(),
            window: Arc::default(),
            last_used,
        };
        publishers.insert(topic.clone(), pooled);
        Some(publisher)
    }

    /// Passes a message to the connection to a response topic, if the connection accepts it at once.
    pub(super) fn try_send(&self, topic: &Topic, message: Outgoing) -> bool {
        let publisher = self.get(topic);
        publisher.is_some_and(|publisher| publisher.try_send(message).is_ok())
    }

    /// Removes the closed connections from the pool. If there are none, removes the connection that
    /// was unused for the longest time. It still sends its messages.
    fn make_room(&self, publishers: &mut HashMap<Topic, Pooled>) {
        let before = publishers.len();
        publishers.retain(|_, pooled| !pooled.publisher.is_closed());
        if publishers.len() < before || self.leaving.len() >= self.capacity {
            return;
        }
        let oldest = publishers.iter().min_by_key(|(_, pooled)| pooled.last_used);
        let oldest = oldest.map(|(topic, _)| topic.clone());
        if let Some((topic, pooled)) = oldest.and_then(|topic| publishers.remove_entry(&topic)) {
            tracing::debug!(
                response_topic = topic.as_str(),
                "connection closed to make room for another response topic"
            );
            let runtime = self.transport.runtime();
            self.leaving.spawn_on(pooled.publisher.finish(), runtime);
        }
    }

    /// Returns the limit of unread messages on a response topic, which its senders share.
    pub(super) fn window(&self, topic: &Topic) -> Arc<SendWindow> {
        // It belongs to the connection.
        drop(self.get(topic));
        let publishers = self.lock();
        let pooled = publishers.get(topic);
        pooled
            .map(|pooled| Arc::clone(&pooled.window))
            .unwrap_or_default()
    }

    /// Waits until all messages are sent, and closes all connections.
    pub(super) async fn finish(&self) {
        let link = self
            .link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(link) = link {
            link.finish().await;
        }
        let publishers = std::mem::take(&mut *self.lock());
        for pooled in publishers.into_values() {
            pooled.publisher.finish().await;
        }
        self.leaving.close();
        self.leaving.wait().await;
    }
}
