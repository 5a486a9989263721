//! The handle to a link.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::task::AtomicWaker;
use tokio::sync::{mpsc, oneshot, watch};

use super::orders::Order;
use crate::transport::ConnectionState;

/// How many messages the queue of a link holds before senders have to wait.
const QUEUE_CAPACITY: usize = 256;

/// A handle to a link. The link stays open as long as there are handles, or subscribers that use it.
#[derive(Clone)]
pub(crate) struct Link(pub(super) Arc<Handle>);

/// Counts as one handle of a link.
pub(super) struct Handle(pub(super) Arc<Shared>);

/// The part of a link that handles and its task share.
pub(super) struct Shared {
    pub(super) queue: mpsc::Sender<Order>,
    pub(super) state: watch::Sender<ConnectionState>,
    users: Mutex<Users>,
    /// Whether the broker no longer offers links. Then the link only forwards what existing handles
    /// publish.
    pub(super) is_replaced: AtomicBool,
    /// How often the broker came back without the messages that it had.
    pub(super) broker_losses: AtomicU64,
    /// Wakes the task when the last handle is dropped.
    pub(super) waker: AtomicWaker,
}

#[derive(Debug, Default)]
struct Users {
    handles: usize,
    /// Whether the task has ended, so that there can be no more handles.
    has_ended: bool,
}

impl Shared {
    /// Returns the shared part of a new link, and the orders to its task.
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Order>) {
        let (sender, queue) = mpsc::channel(QUEUE_CAPACITY);
        let shared = Self {
            queue: sender,
            state: watch::Sender::new(ConnectionState::Connecting),
            users: Default::default(),
            is_replaced: Default::default(),
            broker_losses: Default::default(),
            waker: Default::default(),
        };
        (Arc::new(shared), queue)
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the task has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.users().has_ended
    }

    /// Records that the task has ended.
    pub(super) fn end(&self) {
        self.users().has_ended = true;
    }

    /// Returns whether the link has no handles.
    pub(super) fn is_unused(&self) -> bool {
        self.users().handles == 0
    }

    /// Ends the link if it has no handles and no orders.
    pub(super) fn try_end(&self, queue: &mpsc::Receiver<Order>) -> bool {
        let mut users = self.users();
        // Messages and subscriptions come only from handles, so none can come after this. What waits for
        // earlier messages is notified when the queue is dropped.
        users.has_ended = users.handles == 0 && queue.is_empty();
        users.has_ended
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("state", &*self.state.borrow())
            .field("users", &*self.users())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.0.0).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut users = self.0.users();
        users.handles -= 1;
        if users.handles == 0 {
            drop(users);
            self.0.waker.wake();
        }
    }
}

impl Link {
    /// Returns a new handle; `None` if the link has ended or is replaced.
    pub(super) fn new(shared: &Arc<Shared>) -> Option<Self> {
        if shared.is_replaced.load(Ordering::Relaxed) {
            return None;
        }
        let mut users = shared.users();
        if users.has_ended {
            return None;
        }
        users.handles += 1;
        Some(Self(Arc::new(Handle(Arc::clone(shared)))))
    }

    /// Returns the state of the connection.
    pub(in crate::transport) fn state(&self) -> watch::Receiver<ConnectionState> {
        self.0.0.state.subscribe()
    }

    /// Returns whether the broker no longer offers links, so that a new publisher needs its own
    /// connection.
    pub(crate) fn is_replaced(&self) -> bool {
        self.0.0.is_replaced.load(Ordering::Relaxed)
    }

    /// Returns how often the broker came back without the messages that it had.
    pub(in crate::transport) fn broker_losses(&self) -> u64 {
        self.0.0.broker_losses.load(Ordering::Relaxed)
    }

    /// Returns whether the task has ended.
    pub(in crate::transport) fn is_closed(&self) -> bool {
        self.0.0.queue.is_closed()
    }

    /// Drops this handle, and waits until all earlier messages have receipts. Without other handles
    /// and subscribers, it waits until the link is closed.
    pub(crate) async fn finish(self) {
        let shared = Arc::clone(&self.0.0);
        // The handle goes first, so that the task sees whether it was the last one. If the task ends
        // now, everything is sent.
        drop(self);
        let (sender, flushed) = oneshot::channel();
        if shared.queue.send(Order::Flush(sender)).await.is_ok() {
            // The sender is dropped when the link is closed.
            let _ = flushed.await;
        }
    }
}
