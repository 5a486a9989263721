//! Telling the module that nobody waits for a response any more.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties, Topic};
use smol_str::ToSmolStr;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::in_flight::{Answer, CallGuard};
use super::{CallError, Shared};
use crate::transport::{Calls, Outgoing, PublishError};

/// How long a cancellation waits for a connection at least. A call whose time is over may still run: the
/// module counts its time from the arrival of the request.
const SHORTEST_WAIT: Duration = Duration::from_secs(10);
/// How long a cancellation waits for a connection at most.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// A call whose request is on its way. If it is dropped before its response came, the module learns that
/// nobody waits for it.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    shared: &'a Shared,
    call: CallGuard,
    deadline: Instant,
    /// Whether the module may have got a part of the request.
    pub(super) may_have_arrived: bool,
}

impl<'a> Sent<'a> {
    /// Returns a call of which nothing is sent yet.
    pub(super) fn unsent(shared: &'a Shared, call: CallGuard, deadline: Instant) -> Self {
        Self {
            shared,
            call,
            deadline,
            may_have_arrived: false,
        }
    }

    /// Returns the guard of the call.
    pub(super) fn guard(&self) -> &CallGuard {
        &self.call
    }
}

/// Waits for the response.
///
/// # Cancel safety
/// If a reference is polled, the response is not lost.
impl Future for Sent<'_> {
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.call).poll(cx)
    }
}

impl Drop for Sent<'_> {
    fn drop(&mut self) {
        if self.call.end() && self.may_have_arrived {
            self.shared.give_up(self.call.context(), self.deadline);
        }
    }
}

impl Shared {
    /// Tells the module that the caller no longer waits for the response to a request. It does not wait:
    /// without room in the queue of the connection, a task waits for it.
    fn give_up(&self, context: u64, deadline: Instant) {
        let now = Instant::now();
        let expires = deadline.clamp(now + SHORTEST_WAIT, now + LONGEST_WAIT);
        let message = Outgoing {
            payload: Bytes::new(),
            properties: properties(&self.response_topic, &context.to_smolstr()),
            context: context.to_smolstr(),
            expires: Some(expires),
            awaited_until: None,
        };
        let owner: Arc<dyn Calls> = Arc::new(Unsent::new());
        let publisher = &self.publisher;
        let queued = publisher.try_publish_for(Arc::clone(&owner), context, message.clone());
        if queued.is_err() {
            let publisher = publisher.clone();
            self.transport.runtime().spawn(async move {
                let queued = publisher.publish_for(owner, context, message);
                // What is not queued then is of no use any more.
                let _ = timeout_at(expires, queued).await;
            });
        }
    }
}

/// Returns the properties of the message that cancels a call.
pub(super) fn properties(response_topic: &Topic, context: &str) -> Properties {
    Properties::new()
        .with_message_type(MessageType::Cancel)
        .with(key::REQUEST_CONTEXT, context)
        .with(key::RESPONSE_TOPIC, response_topic.as_str())
}

/// The cancellations of this process that the brokers do not have yet.
static UNSENT: AtomicUsize = AtomicUsize::new(0);
/// Notified when there is none any more.
static ALL_SENT: Notify = Notify::const_new();

/// Counts a cancellation until the broker has it, or it is given up.
#[derive(Debug)]
struct Unsent(());

impl Unsent {
    fn new() -> Self {
        UNSENT.fetch_add(1, Ordering::AcqRel);
        Self(())
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        if UNSENT.fetch_sub(1, Ordering::AcqRel) == 1 {
            ALL_SENT.notify_waiters();
        }
    }
}

impl Calls for Unsent {
    fn failed(&self, context: u64, error: PublishError) {
        // The module finishes the call for nobody.
        tracing::debug!(context, error = error.to_string(), "call not cancelled");
    }

    fn is_awaited(&self, _context: u64) -> bool {
        true
    }
}

/// Returns whether all cancellations of this process are sent.
pub(super) fn are_all_sent() -> bool {
    UNSENT.load(Ordering::Acquire) == 0
}

/// Waits until all cancellations of this process are sent or given up. A program that ends waits for this:
/// otherwise it would cut them off.
pub(crate) async fn all_sent() {
    loop {
        let next = ALL_SENT.notified();
        if are_all_sent() {
            return;
        }
        next.await;
    }
}
