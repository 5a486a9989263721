//! Distinguishes a silent connection from a dead one.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

/// How often a ping is sent. Pulsar closes connections that are idle for 300 s; proxies often do so
/// after 60 s.
pub(in crate::transport) const PING_INTERVAL: Duration = Duration::from_secs(30);
/// The connection counts as dead after this time without any frame, even a pong.
const SILENCE_LIMIT: Duration = Duration::from_secs(75);

/// How often to check whether the connection is dead.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// When the last frame of the broker came.
#[derive(Debug)]
pub(super) struct Liveness {
    /// `None` while the connection does not read, because its own reader is slow. Then silence does
    /// not mean that the broker is dead.
    last_heard: Option<Instant>,
    checks: Interval,
}

impl Liveness {
    pub(super) fn new() -> Self {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            last_heard: Some(Instant::now()),
            checks,
        }
    }

    /// Records a sign of life, if the connection reads.
    pub(super) fn heard(&mut self) {
        if let Some(last_heard) = &mut self.last_heard {
            *last_heard = Instant::now();
        }
    }

    /// Records that the connection does not read for a while.
    pub(super) fn pause(&mut self) {
        self.last_heard = None;
    }

    /// Records that the connection reads, perhaps after a pause.
    pub(super) fn listen(&mut self) {
        self.last_heard.get_or_insert_with(Instant::now);
    }

    /// Checks every few seconds whether the broker counts as dead.
    ///
    /// # Errors
    /// Returns the reason when it does.
    pub(super) fn poll_check(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        ready!(self.checks.poll_tick(cx));
        // The next tick must wake the task, too.
        while self.checks.poll_tick(cx).is_ready() {}
        let is_dead = self
            .last_heard
            .is_some_and(|heard| heard.elapsed() > SILENCE_LIMIT);
        Poll::Ready(if is_dead {
            Err(format!(
                "the broker sent nothing for {} s",
                SILENCE_LIMIT.as_secs()
            ))
        } else {
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_death_only_while_listening() {
        let mut liveness = Liveness::new();
        let start = Instant::now();
        while start.elapsed() < SILENCE_LIMIT {
            assert_eq!(poll_fn(|cx| liveness.poll_check(cx)).await, Ok(()));
        }
        liveness.pause();
        for _ in 0..20 {
            assert_eq!(poll_fn(|cx| liveness.poll_check(cx)).await, Ok(()));
        }
        liveness.listen();
        let start = Instant::now();
        let reason = loop {
            if let Err(reason) = poll_fn(|cx| liveness.poll_check(cx)).await {
                break reason;
            }
            liveness.listen();
        };
        assert_eq!(reason, "the broker sent nothing for 75 s");
        assert!(start.elapsed() > SILENCE_LIMIT);
        assert!(start.elapsed() <= SILENCE_LIMIT + CHECK_INTERVAL);
    }
}
