//! Reads the frames of the broker, and passes them to the role.

use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{BATCH, Driver};
use crate::transport::websocket::connect::{broken, closed};

/// The largest number of pings of a broker that does not read. Each adds a pong to the write buffer.
pub(super) const MAX_UNREAD_PONGS: usize = 1024;

/// What a role does with the frames of its broker.
pub(in crate::transport::websocket) trait Reads {
    /// Returns whether the role takes another frame. If not, it wakes the task when it does.
    ///
    /// # Errors
    /// Returns why the connection must be closed.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>>;

    /// Handles a frame of the broker. The driver calls it after [`poll_ready`](Self::poll_ready).
    ///
    /// # Errors
    /// Returns why the connection must be closed.
    fn on_frame(&mut self, frame: Message) -> Result<(), String>;
}

impl<S, R> Driver<'_, S, R>
where
    S: Stream<Item = Result<Message, Error>> + Unpin,
    R: Reads,
{
    /// Reads a batch of frames. Returns whether there may be more that do not wake the task.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, String> {
        for _ in 0..BATCH {
            match self.role.poll_ready(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => {
                    self.liveness.listen(false);
                    return Ok(false);
                }
            }
            self.liveness.listen(true);
            let Poll::Ready(received) = self.socket.poll_next_unpin(cx) else {
                return Ok(false);
            };
            if let Some(Ok(Message::Ping(_))) = received {
                self.unread_pongs += 1;
                if self.unread_pongs > MAX_UNREAD_PONGS {
                    return Err(format!(
                        "the broker sent {MAX_UNREAD_PONGS} pings and reads no answers"
                    ));
                }
                // The socket has added the pong to its write buffer. The ping is a sign of life when the
                // broker reads it.
                self.unflushed = true;
                continue;
            }
            self.liveness.heard();
            match received {
                None => return Err(closed(None)),
                Some(Ok(Message::Close(close))) => return Err(closed(close.as_ref())),
                Some(Ok(frame)) => self.role.on_frame(frame)?,
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
        Ok(true)
    }
}
