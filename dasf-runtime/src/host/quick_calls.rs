//! The queue of the calls that run on the thread of the host.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;

/// The calls of quick functions that wait for the thread of the host.
#[derive(Debug)]
pub(super) struct QuickCalls<J> {
    calls: Mutex<VecDeque<J>>,
    waker: AtomicWaker,
}

impl<J> Default for QuickCalls<J> {
    fn default() -> Self {
        Self {
            calls: Mutex::default(),
            waker: AtomicWaker::new(),
        }
    }
}

impl<J> QuickCalls<J> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<J>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is woken for the first of several calls.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(super) fn push(&self, call: J) {
        let mut calls = self.lock();
        calls.push_back(call);
        // The thread was woken for the first of several calls.
        let must_wake = calls.len() == 1;
        drop(calls);
        if must_wake {
            self.waker.wake();
        }
    }

    /// Returns whether a call waits.
    pub(super) fn has_some(&self) -> bool {
        !self.lock().is_empty()
    }

    /// Returns the number of calls that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Removes the oldest call.
    pub(super) fn pop(&self) -> Option<J> {
        self.lock().pop_front()
    }

    /// Removes the calls that satisfy a condition.
    pub(super) fn take_waiting(&self, condition: impl FnMut(&J) -> bool) -> Vec<J> {
        let mut calls = self.lock();
        let (taken, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *calls).into_iter().partition(condition);
        *calls = kept.into();
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[test]
    fn waiting_calls_can_be_taken_back() {
        let quick = QuickCalls::default();
        for call in 1..=4 {
            quick.push(call);
        }
        assert_eq!(quick.take_waiting(|call| call % 2 == 0), [2, 4]);
        assert_eq!(
            [quick.pop(), quick.pop(), quick.pop()],
            [Some(1), Some(3), None]
        );
        assert!(!quick.has_some());
    }

    #[test]
    fn the_first_of_several_calls_wakes_the_thread() {
        #[derive(Default)]
        struct Count(AtomicUsize);

        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        let count = Arc::new(Count::default());
        let quick = QuickCalls::default();
        for round in 1..=3 {
            quick.register(&Waker::from(Arc::clone(&count)));
            quick.push(1);
            quick.push(2);
            assert_eq!(count.0.load(Ordering::Relaxed), round);
            assert_eq!([quick.pop(), quick.pop()], [Some(1), Some(2)]);
        }
    }
}
