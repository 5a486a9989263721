//! Holds back a connection whose user sends more messages than it may.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::access::Caller;
use crate::account::Account;

/// Counts the messages of a connection, and tells when the broker must read no further ones. So TCP slows the
/// publisher down, and no message is lost.
pub(super) struct Throttle {
    account: Option<Arc<Account>>,
    /// When the broker may read the next message.
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Throttle {
    pub(super) fn new(caller: &Caller) -> Self {
        let account = caller.account().cloned();
        let until = account.as_ref().and_then(|it| it.first_message());
        Self {
            until: until.map(Instant::from_std),
            account,
            timer: None,
        }
    }

    /// Counts a message, whether the broker accepts it or not.
    pub(super) fn count_message(&mut self) {
        if let Some(account) = &self.account {
            self.until = account.count_message().map(Instant::from_std);
        }
    }

    /// Returns whether the broker must read no further message now.
    pub(super) fn holds_back(&self) -> bool {
        self.until.is_some()
    }

    /// Lets the task read again when the time has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        let Some(until) = self.until else {
            return;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        if timer.as_mut().poll(cx).is_ready() {
            self.until = None;
            // It has perhaps looked for frames before.
            cx.waker().wake_by_ref();
        }
    }

    /// Looks at the limit again, which may have changed. The wait may become shorter, but none begins.
    pub(super) fn renew(&mut self) {
        let account = self.account.as_ref();
        let first = account.and_then(|account| account.first_message());
        let first = first.map(Instant::from_std);
        self.until = self.until.and_then(|until| Some(first?.min(until)));
    }
}
