//! Distinguishes a silent connection from a dead one.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

/// How often a ping is sent. Pulsar closes connections that are idle for 300 s; proxies often do so
/// after 60 s.
pub(in crate::transport) const PING_INTERVAL: Duration = Duration::from_secs(30);
/// The connection counts as dead after this time without any frame, even a pong.
const SILENCE_LIMIT: Duration = Duration::from_secs(75);

/// How often to check whether the connection is dead.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// When the last frame of the broker came. The reading and the writing half of a task share it.
#[derive(Debug)]
pub(super) struct Liveness {
    last_heard: Mutex<LastHeard>,
}

#[derive(Debug, Clone, Copy)]
enum LastHeard {
    At(Instant),
    /// The reading half waits for its own reader, so silence does not mean that the broker is dead.
    NotListening,
}

impl Liveness {
    pub(super) fn new() -> Self {
        Self {
            last_heard: Mutex::new(LastHeard::At(Instant::now())),
        }
    }

    fn set(&self, value: LastHeard) {
        *self
            .last_heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = value;
    }

    /// Records that a frame came, or that the reading half listens again.
    pub(super) fn heard(&self) {
        self.set(LastHeard::At(Instant::now()));
    }

    /// Records that the reading half does not listen for a while.
    pub(super) fn pause(&self) {
        self.set(LastHeard::NotListening);
    }

    /// Waits until the broker counts as dead, and returns the reason.
    pub(super) async fn death(&self) -> String {
        while !self.is_dead() {
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
        format!("the broker sent nothing for {} s", SILENCE_LIMIT.as_secs())
    }

    fn is_dead(&self) -> bool {
        match *self
            .last_heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            LastHeard::At(instant) => instant.elapsed() > SILENCE_LIMIT,
            LastHeard::NotListening => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_death_only_while_listening() {
        let liveness = Liveness::new();
        tokio::time::advance(SILENCE_LIMIT).await;
        assert!(!liveness.is_dead());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(liveness.is_dead());
        liveness.pause();
        assert!(!liveness.is_dead());
        liveness.heard();
        let start = Instant::now();
        assert_eq!(liveness.death().await, "the broker sent nothing for 75 s");
        assert!(start.elapsed() <= SILENCE_LIMIT + CHECK_INTERVAL);
    }
}
