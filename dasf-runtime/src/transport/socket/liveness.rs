//! Telling a connection that is silent from one that is dead.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

/// How often a ping is sent: Pulsar closes what is idle for 300 s, and proxies in between often
/// after 60 s.
pub(in crate::transport) const PING_INTERVAL: Duration = Duration::from_secs(30);
/// After this long without any frame, not even a pong, the connection counts as dead.
const SILENCE_LIMIT: Duration = Duration::from_secs(75);

/// How often it is looked whether the connection is dead.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// When the broker was last heard, shared by the reading and the writing half of a connection's
/// task.
#[derive(Debug)]
pub(super) struct Liveness {
    last_heard: Mutex<LastHeard>,
}

#[derive(Debug, Clone, Copy)]
enum LastHeard {
    At(Instant),
    /// The reading half is waiting for its own reader: silence says nothing about the broker.
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

    /// A frame came, or the reading half listens again.
    pub(super) fn heard(&self) {
        self.set(LastHeard::At(Instant::now()));
    }

    /// The reading half does not listen for a while.
    pub(super) fn pause(&self) {
        self.set(LastHeard::NotListening);
    }

    /// Waits until the broker must be taken for dead, and returns why.
    pub(super) async fn death(&self) -> String {
        while !self.is_dead() {
            tokio::time::sleep(CHECK_INTERVAL).await;
        }
        format!("nothing was heard for {} s", SILENCE_LIMIT.as_secs())
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
        assert_eq!(liveness.death().await, "nothing was heard for 75 s");
        assert!(start.elapsed() <= SILENCE_LIMIT + CHECK_INTERVAL);
    }
}
