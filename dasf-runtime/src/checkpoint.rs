//! Checkpoints: from where a job goes on when its module has died.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dasf_protocol::payload;
use serde::Serialize;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// The largest checkpoint, in bytes of JSON. It is a property of a message, and a property of MQTT has at
/// most 65,535 bytes.
const MAX_SIZE: usize = 32 << 10;

/// The shortest time between two messages with checkpoints.
const INTERVAL: Duration = Duration::from_secs(1);

/// A job sends a checkpoint at most once in this part of the time that it has run. So it sends a few hundred
/// messages in a day, also to a broker that keeps them all.
const PART_OF_RUN: u32 = 100;

/// Why a checkpoint was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// JSON cannot represent the value.
    #[error("the checkpoint cannot be written as JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The value is too large.
    #[error(
        "the checkpoint has {size} bytes of JSON, but at most {limit} are allowed; write the data to a file, and its \
         name to the checkpoint"
    )]
    TooLarge {
        /// The size of the value, in bytes of JSON.
        size: usize,
        /// The size of the largest checkpoint, in bytes of JSON.
        limit: usize,
    },
}

/// Returns a checkpoint as JSON.
pub(crate) fn to_json<T: Serialize + ?Sized>(state: &T) -> Result<String, CheckpointError> {
    let json = payload::to_json(state).map_err(CheckpointError::NotJson)?;
    if json.len() > MAX_SIZE {
        return Err(CheckpointError::TooLarge {
            size: json.len(),
            limit: MAX_SIZE,
        });
    }
    // It is ASCII.
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// What became of a checkpoint that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way.
    Yes,
    /// There is no connection now.
    NotNow,
    /// The call is over, so nobody needs it.
    Unneeded,
}

/// Sends a checkpoint, as JSON.
type Publish = Box<dyn Fn(&str) -> Sent + Send + Sync>;

/// Sends the checkpoints of one job: the first one at once, and then the latest one from time to time.
#[derive(Clone)]
pub(crate) struct CheckpointSink(Arc<Sink>);

struct Sink {
    publish: Publish,
    runtime: Handle,
    begun: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the latest checkpoint was sent.
    sent: Option<Instant>,
    /// The latest checkpoint, if it is not sent yet.
    waiting: Option<String>,
    /// Whether a task will send it.
    is_scheduled: bool,
}

impl CheckpointSink {
    pub(crate) fn new(
        runtime: Handle,
        publish: impl Fn(&str) -> Sent + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Sink {
            publish: Box::new(publish),
            runtime,
            begun: Instant::now(),
            state: Mutex::default(),
        }))
    }

    /// Sends a checkpoint now, or starts a task that sends the latest one soon.
    pub(crate) fn put(&self, json: String) {
        let mut state = self.0.lock();
        state.waiting = Some(json);
        self.0.send_if_due(&mut state);
        if state.waiting.is_some() && !state.is_scheduled {
            state.is_scheduled = true;
            let sink = Arc::clone(&self.0);
            self.0.runtime.spawn(async move { sink.send_later().await });
        }
    }

    /// Returns the latest checkpoint if it is not sent yet. It is not sent any more.
    pub(crate) fn take_waiting(&self) -> Option<String> {
        self.0.lock().waiting.take()
    }
}

impl Sink {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the next checkpoint may be sent.
    fn due(&self, state: &State) -> Option<Instant> {
        let sent = state.sent?;
        let run = sent.duration_since(self.begun);
        Some(sent + INTERVAL.max(run / PART_OF_RUN))
    }

    fn send_if_due(&self, state: &mut State) {
        let now = Instant::now();
        if self.due(state).is_some_and(|due| now < due) {
            return;
        }
        let Some(json) = state.waiting.take() else {
            return;
        };
        match (self.publish)(&json) {
            Sent::Yes => state.sent = Some(now),
            Sent::NotNow => state.waiting = Some(json),
            Sent::Unneeded => {}
        }
    }

    async fn send_later(self: Arc<Self>) {
        loop {
            let soon = Instant::now() + INTERVAL;
            // Without a connection, that time may be over.
            let due = self.due(&self.lock()).filter(|due| *due > Instant::now());
            tokio::time::sleep_until(due.unwrap_or(soon)).await;
            let mut state = self.lock();
            self.send_if_due(&mut state);
            if state.waiting.is_none() {
                state.is_scheduled = false;
                return;
            }
        }
    }
}

impl fmt::Debug for CheckpointSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckpointSink").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Record = Arc<Mutex<Vec<String>>>;

    struct Scene {
        sink: CheckpointSink,
        sent: Record,
        answer: Arc<Mutex<Sent>>,
    }

    fn scene() -> Scene {
        let (sent, answer) = (Record::default(), Arc::new(Mutex::new(Sent::Yes)));
        let (record, given) = (Arc::clone(&sent), Arc::clone(&answer));
        let publish = move |json: &str| {
            let answer = *given.lock().unwrap();
            if answer == Sent::Yes {
                record.lock().unwrap().push(json.to_owned());
            }
            answer
        };
        Scene {
            sink: CheckpointSink::new(Handle::current(), publish),
            sent,
            answer,
        }
    }

    impl Scene {
        fn sent(&self) -> Vec<String> {
            self.sent.lock().unwrap().clone()
        }

        fn is_scheduled(&self) -> bool {
            self.sink.0.state.lock().unwrap().is_scheduled
        }

        async fn put_each(&self, count: u32, pause: Duration) {
            for number in 0..count {
                self.sink.put(number.to_string());
                tokio::time::sleep(pause).await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_sent_at_once_and_then_the_latest() {
        let scene = scene();
        for number in 0..1000 {
            scene.sink.put(number.to_string());
        }
        assert_eq!(scene.sent(), ["0"]);
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(scene.sent(), ["0", "999"]);
        assert!(!scene.is_scheduled());
        scene.sink.put("1000".to_owned());
        assert_eq!(scene.sent(), ["0", "999", "1000"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_job_sends_few() {
        let scene = scene();
        scene.put_each(10 * 3600, Duration::from_secs(1)).await;
        let sent = scene.sent();
        assert!((600..800).contains(&sent.len()), "{}", sent.len());
        let last: u32 = sent.last().unwrap().parse().unwrap();
        assert!(last > 35_600, "{last}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_without_a_connection_is_sent_later() {
        let scene = scene();
        *scene.answer.lock().unwrap() = Sent::NotNow;
        scene.put_each(3, INTERVAL).await;
        assert_eq!(scene.sent(), [""; 0]);
        *scene.answer.lock().unwrap() = Sent::Yes;
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(scene.sent(), ["2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_needs_is_dropped() {
        let scene = scene();
        *scene.answer.lock().unwrap() = Sent::Unneeded;
        scene.sink.put("1".to_owned());
        assert!(!scene.is_scheduled());
        assert_eq!(scene.sent(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_that_stops_takes_what_waits() {
        let scene = scene();
        scene.sink.put("1".to_owned());
        assert_eq!(scene.sink.take_waiting(), None);
        scene.sink.put("2".to_owned());
        assert_eq!(scene.sink.take_waiting().as_deref(), Some("2"));
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(scene.sent(), ["1"]);
        assert!(!scene.is_scheduled());
    }

    #[test]
    fn a_large_checkpoint_is_refused() {
        assert_eq!(to_json(&[1, 2]).unwrap(), "[1,2]");
        let error = to_json(&"x".repeat(MAX_SIZE)).unwrap_err();
        let CheckpointError::TooLarge { size, limit } = error else {
            panic!("{error:?}")
        };
        assert_eq!((size, limit), (MAX_SIZE + 2, MAX_SIZE));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let keys = std::collections::HashMap::from([([1, 2], 3)]);
        assert!(matches!(to_json(&keys), Err(CheckpointError::NotJson(_))));
    }
}
