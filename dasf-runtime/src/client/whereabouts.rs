//! What is known of a call that takes long.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::{MessageType, Properties};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{CallError, Message, Shared, Way, deadline};
use crate::duration::shown;

/// How long the answer to a ping may take.
const PING_LIMIT: Duration = Duration::from_secs(1);
/// A ping that was sent so long ago counts as unanswered when the time of a call is over.
const SHORTEST_PING: Duration = Duration::from_millis(200);
/// How long before the end of a call its client asks again.
const BEFORE_END: Duration = Duration::from_secs(2);

/// What is known of a call without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whereabouts {
    /// The function runs: the module sent reports of its progress.
    Running {
        /// The part that is done, from 0 to 100.
        percent: u8,
    },
    /// A module answers a ping. Its function has reported no progress: it waits, or it does not report.
    Accepted,
    /// No module answers a ping.
    Unanswered,
    /// The timeout was too short to find out more.
    Unknown,
}

impl fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { percent } => write!(f, "the module runs it, and is at {percent} %"),
            Self::Accepted => f.write_str(
                "a module there answers a ping, so the call waits or runs, and may still end",
            ),
            Self::Unanswered => f.write_str("no module there answers a ping"),
            Self::Unknown => f.write_str("the module may be busy, or no module listens there"),
        }
    }
}

/// The context of a call, as soon as the call has one: it waits until few enough other calls run.
pub(super) type Stage = OnceLock<u64>;

/// Whether a module answers, as all calls of a client found out together.
#[derive(Debug, Default)]
pub(super) struct Presence {
    last: Mutex<Option<(Instant, bool)>>,
    /// Whether the log has a warning since a module answered last.
    is_warned: AtomicBool,
}

/// The limits of one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) begun: Instant,
    pub(super) deadline: Instant,
    /// Whether the timeout restarts with each report of the progress.
    pub(super) restarts: bool,
    /// Whether the log gets a warning if no module answers.
    pub(super) warns: bool,
}

impl Limits {
    /// Returns the limits of a question that is asked now.
    pub(super) fn of_question(timeout: Duration) -> Self {
        let begun = Instant::now();
        Self {
            timeout,
            begun,
            deadline: deadline(begun, timeout),
            restarts: false,
            warns: false,
        }
    }

    /// Returns the deadline of a call whose function reported its progress last at this time.
    pub(super) fn deadline_after(self, reported: Option<Instant>) -> Instant {
        match reported {
            Some(reported) if self.restarts => deadline(reported, self.timeout),
            _ => self.deadline,
        }
    }
}

impl Shared {
    /// Runs a call that takes long until its deadline, and asks meanwhile whether a module is there.
    pub(super) async fn attend_long<T>(
        &self,
        limits: Limits,
        stage: &Stage,
        call: &mut (impl Future<Output = Result<T, CallError>> + Unpin),
    ) -> Result<T, CallError> {
        let mut answers = None;
        let mut asked_at = Some(Instant::now());
        let mut next = Instant::now();
        let mut deadline = limits.deadline;
        loop {
            tokio::select! {
                biased;
                result = &mut *call => return result,
                () = sleep_until(deadline) => {
                    let context = stage.get().copied();
                    let reported = context.and_then(|context| self.in_flight.reported(context));
                    deadline = limits.deadline_after(reported);
                    if deadline <= Instant::now() {
                        break;
                    }
                }
                is_answered = self.is_answered(), if asked_at.is_some() => {
                    answers = Some(is_answered);
                    asked_at = None;
                    next = deadline.checked_sub(BEFORE_END).unwrap_or(deadline);
                    next = next.max(Instant::now() + PING_LIMIT);
                    let is_sent = stage.get().is_some();
                    if !is_answered && is_sent && limits.warns {
                        self.warn_that_nobody_answers(limits.timeout);
                    }
                }
                () = sleep_until(next), if asked_at.is_none() => asked_at = Some(Instant::now()),
            }
        }
        let percent = stage
            .get()
            .and_then(|context| self.in_flight.percent(*context));
        let is_unanswered = asked_at.is_some_and(|at| at.elapsed() >= SHORTEST_PING);
        let known = match (percent, answers) {
            (Some(percent), _) => Whereabouts::Running { percent },
            _ if is_unanswered => Whereabouts::Unanswered,
            (None, Some(true)) => Whereabouts::Accepted,
            (None, Some(false)) => Whereabouts::Unanswered,
            (None, None) => Whereabouts::Unknown,
        };
        Err(self.timed_out(limits.timeout, stage, known))
    }

    /// Returns the error of a call whose time is over.
    pub(super) fn timed_out(
        &self,
        after: Duration,
        stage: &Stage,
        known: Whereabouts,
    ) -> CallError {
        let topic = self.topic.clone();
        let failure = [self.subscriber.state(), self.publisher.state()]
            .into_iter()
            .find_map(|state| state.borrow().failure().cloned());
        if let Some(reason) = failure {
            return CallError::Disconnected {
                topic,
                after,
                reason,
            };
        }
        if stage.get().is_none() && self.permits.available_permits() == 0 {
            let limit = self.max_in_flight;
            return CallError::NotSent {
                topic,
                reason: format!(
                    "for {} it waited because {limit} other calls of this client run, as many as \
                     max_in_flight allows",
                    shown(after)
                ),
            };
        }
        CallError::Timeout {
            topic,
            after,
            known,
        }
    }

    /// Returns whether a module answers a ping. Calls that ask at the same time share a ping.
    async fn is_answered(&self) -> bool {
        let mut last = self.presence.last.lock().await;
        if let Some((at, is_answered)) = *last
            && at.elapsed() < PING_LIMIT
        {
            return is_answered;
        }
        let limits = Limits::of_question(PING_LIMIT);
        let ping = Message {
            properties: Properties::new().with_message_type(MessageType::Ping),
            json: Bytes::new(),
            way: Way::Whole,
            limits,
        };
        // A ping needs no permit: all may be in use.
        let pong = timeout_at(limits.deadline, self.exchange_whole(ping, &Stage::new())).await;
        let is_answered = matches!(pong, Ok(Ok(_)));
        if is_answered {
            self.presence.is_warned.store(false, Ordering::Relaxed);
        }
        *last = Some((Instant::now(), is_answered));
        is_answered
    }

    fn warn_that_nobody_answers(&self, timeout: Duration) {
        if self.presence.is_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        let topic = self.topic.as_str();
        match timeout {
            Duration::MAX => {
                tracing::warn!(
                    topic,
                    "no module answers on this topic; the call waits for one"
                );
            }
            timeout => tracing::warn!(
                topic,
                "no module answers on this topic; the call waits for one, up to {}",
                shown(timeout)
            ),
        }
    }
}
