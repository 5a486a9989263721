//! Limits how far the sender of fragments is ahead of their reader.

use tokio::sync::Mutex;

/// Counts the fragments sent to a reader since it last confirmed that it has read everything. All
/// senders to one reader share one counter.
#[derive(Debug, Default)]
pub(crate) struct SendWindow {
    unread: Mutex<usize>,
}

impl SendWindow {
    /// Waits until one more fragment may be sent. When `max_unread` are unconfirmed, it first runs
    /// `caught_up`, which asks the reader.
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
    ) -> Result<(), E> {
        // The lock is held while the reader is asked, so that one question serves all senders.
        let mut unread = self.unread.lock().await;
        if *unread >= max_unread {
            caught_up.await?;
            *unread = 0;
        }
        *unread += 1;
        Ok(())
    }
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
            turn.await.unwrap();
            assert_eq!(asked.get(), sent / 3);
        }
    }

    #[tokio::test]
    async fn nothing_is_sent_to_a_reader_that_does_not_answer() {
        let window = SendWindow::default();
        let refuse = || async { Err("gone") };
        assert_eq!(window.turn(1, refuse()).await, Ok(()));
        for _ in 0..2 {
            assert_eq!(window.turn(1, refuse()).await, Err("gone"));
        }
        let answered = async { Ok::<_, &str>(()) };
        assert_eq!(window.turn(1, answered).await, Ok(()));
    }
}
