//! The topics that may have messages for a link.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use dasf_protocol::Topic;
use futures_util::task::AtomicWaker;

/// The topics that may have messages for a link. The link looks at no others, because it may read
/// many.
#[derive(Default)]
pub(super) struct Ready {
    topics: Mutex<VecDeque<Topic>>,
    /// The task of the link.
    task: AtomicWaker,
}

impl Ready {
    fn topics(&self) -> MutexGuard<'_, VecDeque<Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, topic: Topic) {
        self.topics().push_back(topic);
    }

    pub(super) fn add_all(&self, mut topics: VecDeque<Topic>) {
        self.topics().append(&mut topics);
    }

    /// Takes the topics, and registers the task of the link for the next one.
    pub(super) fn take(&self, task: &Waker) -> VecDeque<Topic> {
        self.task.register(task);
        std::mem::take(&mut *self.topics())
    }

    /// Returns a waker that adds a topic.
    pub(super) fn waker(self: &Arc<Self>, topic: &Topic) -> Waker {
        let waker = TopicWaker {
            topic: topic.clone(),
            ready: Arc::clone(self),
        };
        Arc::new(waker).into()
    }
}

/// Wakes a link for one of its topics. A consumer uses its waker once before it gets it again, so a
/// topic is added once.
struct TopicWaker {
    topic: Topic,
    ready: Arc<Ready>,
}

impl Wake for TopicWaker {
    fn wake(self: Arc<Self>) {
        self.ready.add(self.topic.clone());
        self.ready.task.wake();
    }
}
