//! Limits how far the sender of fragments is ahead of their reader.

use tokio::sync::{Mutex, MutexGuard};

/// Counts the fragments sent to a reader since it last confirmed that it has read everything. All
/// senders to one reader share one counter.
#[derive(Debug, Default)]
pub(crate) struct SendWindow {
    unread: Mutex<usize>,
}

impl SendWindow {
    /// Waits until one more fragment may be sent. When `max_unread` are unconfirmed, it first runs
    /// `caught_up`, which asks the reader. Hold the turn until the fragment is queued: otherwise the
    /// question of another sender could overtake it.
    ///
    /// # Errors
    /// Returns the errors of `caught_up`.
    ///
    /// # Cancel safety
    /// If the future is dropped, nothing has changed.
    pub(crate) async fn turn<E>(
        &self,
        max_unread: usize,
        caught_up: impl Future<Output = Result<(), E>>,
    ) -> Result<Turn<'_>, E> {
        // The lock is held while the reader is asked, so that one question serves all senders.
        let mut unread = self.unread.lock().await;
        if *unread >= max_unread {
            caught_up.await?;
            *unread = 0;
        }
        *unread += 1;
        Ok(Turn { _unread: unread })
    }
}

/// The turn of one sender. The others wait until it is dropped.
#[derive(Debug)]
#[must_use = "the turn lasts until it is dropped"]
pub(crate) struct Turn<'a> {
    _unread: MutexGuard<'a, usize>,
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn the_reader_is_asked_after_as_many_as_it_may_leave_unread() {
        let window = SendWindow::default();
        let asked = Cell::new(0);
        for sent in 0..10 {
            let turn = window.turn(3, async {
                asked.set(asked.get() + 1);
                Ok::<_, ()>(())
            });
            drop(turn.await.unwrap());
            assert_eq!(asked.get(), sent / 3);
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_to_a_reader_that_does_not_answer() {
        let window = SendWindow::default();
        let refuse = || async { Err("gone") };
        drop(window.turn(1, refuse()).await.unwrap());
        for _ in 0..2 {
            assert_eq!(window.turn(1, refuse()).await.unwrap_err(), "gone");
        }
        let answered = async { Ok::<_, &str>(()) };
        drop(window.turn(1, answered).await.unwrap());
    }

    #[tokio::test]
    async fn the_next_turn_begins_after_the_last_one() {
        let window = SendWindow::default();
        let answered = || async { Ok::<_, ()>(()) };
        let first = window.turn(3, answered()).await.unwrap();
        let second = window.turn(3, answered());
        let mut second = std::pin::pin!(second);
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        drop(second.await.unwrap());
    }
}
