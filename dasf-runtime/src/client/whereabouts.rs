//! What is known of a call that takes long.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::properties::key;
use dasf_protocol::{MessageType, Properties};
use smol_str::ToSmolStr;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Answer, CallError, Message, Shared, Way, deadline};
use crate::duration::{rounded, shown};

/// How long the answer to a ping may take.
const PING_LIMIT: Duration = Duration::from_secs(1);
/// A ping that was sent so long ago counts as unanswered when the time of a call is over.
const SHORTEST_PING: Duration = Duration::from_millis(200);
/// How long before the end of a call its client asks where it is, unless somebody wants to know more often.
const BEFORE_END: Duration = Duration::from_secs(2);
/// How many calls of a client ask at a time. The pings wait in the topic of the module beside the requests, and some
/// brokers keep only some hundreds of messages there.
const MAX_QUESTIONS: usize = 16;
/// How long a call waits for its turn to ask. With the time of the ping this is less than `BEFORE_END`.
const TURN_LIMIT: Duration = Duration::from_millis(500);

/// What is known of a call without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Whereabouts {
    /// The function runs: the module sent reports of its progress.
    Running {
        /// The part that is done, from 0 to 100.
        percent: u8,
    },
    /// The function runs. It has reported no progress.
    Begun {
        /// How long it has run when the module told it.
        so_far: Duration,
    },
    /// The call waits, in the broker or in a module.
    Waiting {
        /// How many calls wait there before it.
        before: u64,
    },
    /// A module listens, but does not tell whether the call waits or runs: it is one of a group and does not
    /// have the call, or it is not made with this library.
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
            Self::Begun { so_far } => {
                write!(f, "the module runs it, for {} so far", rounded(*so_far))
            }
            Self::Waiting { before: 0 } => f.write_str("it waits, and is the next one"),
            Self::Waiting { before: 1 } => f.write_str("it waits, and 1 other call before it"),
            Self::Waiting { before } => write!(f, "it waits, and {before} other calls before it"),
            Self::Accepted => {
                f.write_str("a module listens there, so the call waits or runs, and may still end")
            }
            Self::Unanswered => f.write_str("no module there answers a ping"),
            Self::Unknown => f.write_str("the module may be busy, or no module listens there"),
        }
    }
}

/// The context of a call, as soon as the call has one: it waits until few enough other calls run.
pub(super) type Stage = OnceLock<u64>;

/// Gets what a client finds out about a call that takes long.
pub(super) type OnWhereabouts = Box<dyn FnMut(Whereabouts) + Send>;

/// Whether a module answers, as all calls of a client found out together.
#[derive(Debug)]
pub(super) struct Presence {
    last: Mutex<Option<(Instant, bool)>>,
    /// The turns of the calls that ask where they are.
    turns: Semaphore,
    /// Whether the log has a warning since a module answered last.
    is_warned: AtomicBool,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            last: Mutex::default(),
            turns: Semaphore::new(MAX_QUESTIONS),
            is_warned: AtomicBool::default(),
        }
    }
}

impl Presence {
    /// Returns whether a module has just answered a ping.
    fn is_certain(&self) -> bool {
        let last = self.last.try_lock();
        last.is_ok_and(|last| matches!(*last, Some((at, true)) if at.elapsed() < PING_LIMIT))
    }
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
    /// Runs a call that takes long until its deadline. Asks meanwhile whether a module answers, and shortly before
    /// the deadline where the call is. If there is a handler, asks that each second.
    pub(super) async fn attend_long<T>(
        &self,
        limits: Limits,
        stage: &Stage,
        call: &mut (impl Future<Output = Result<T, CallError>> + Unpin),
        mut on_whereabouts: Option<OnWhereabouts>,
    ) -> Result<T, CallError> {
        let mut answers = None;
        let mut asked_at = Some(Instant::now());
        let mut next = Instant::now();
        let mut deadline = limits.deadline;
        loop {
            let wants_place = on_whereabouts.is_some()
                || deadline
                    .checked_sub(BEFORE_END)
                    .is_some_and(|at| at <= Instant::now());
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
                answer = self.ask_about(stage, wants_place), if asked_at.is_some() => {
                    asked_at = None;
                    let soon = Instant::now() + PING_LIMIT;
                    next = match &mut on_whereabouts {
                        None => deadline.checked_sub(BEFORE_END).map_or(soon, |at| at.max(soon)),
                        Some(handler) => {
                            handler(self.known(stage, Some(answer)));
                            soon
                        }
                    };
                    answers = Some(answer);
                    let is_sent = stage.get().is_some();
                    if answer == Whereabouts::Unanswered && is_sent && limits.warns {
                        self.warn_that_nobody_answers(limits.timeout);
                    }
                }
                () = sleep_until(next), if asked_at.is_none() => asked_at = Some(Instant::now()),
            }
        }
        if asked_at.is_some_and(|at| at.elapsed() >= SHORTEST_PING) {
            answers = Some(if self.presence.is_certain() {
                Whereabouts::Accepted
            } else {
                Whereabouts::Unanswered
            });
        }
        let known = self.known(stage, answers);
        Err(self.timed_out(limits.timeout, stage, known))
    }

    /// Returns what is known of a call from its progress reports, or else from the answer to a question.
    fn known(&self, stage: &Stage, answer: Option<Whereabouts>) -> Whereabouts {
        let context = stage.get().copied();
        match context.and_then(|context| self.in_flight.percent(context)) {
            Some(percent) => Whereabouts::Running { percent },
            None => answer.unwrap_or(Whereabouts::Unknown),
        }
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

    /// Asks whether a module answers, and if wanted where a call is that was sent. Calls that ask at the same time
    /// first find out together whether anybody answers.
    async fn ask_about(&self, stage: &Stage, wants_place: bool) -> Whereabouts {
        let mut last = self.presence.last.lock().await;
        match *last {
            Some((at, false)) if at.elapsed() < PING_LIMIT => return Whereabouts::Unanswered,
            Some((at, true)) if at.elapsed() < PING_LIMIT => drop(last),
            _ => {
                let answer = self.ping_about(stage).await;
                let is_answered = answer != Whereabouts::Unanswered;
                if is_answered {
                    self.presence.is_warned.store(false, Ordering::Relaxed);
                }
                *last = Some((Instant::now(), is_answered));
                return answer;
            }
        }
        if !wants_place || stage.get().is_none() {
            return Whereabouts::Accepted;
        }
        match timeout(TURN_LIMIT, self.presence.turns.acquire()).await {
            Ok(Ok(_turn)) => self.ping_about(stage).await,
            _ => Whereabouts::Accepted,
        }
    }

    /// Sends a ping that asks for a call. The module answers it, or the broker if the call waits there.
    async fn ping_about(&self, stage: &Stage) -> Whereabouts {
        let limits = Limits::of_question(PING_LIMIT);
        let mut properties = Properties::new().with_message_type(MessageType::Ping);
        if let Some(context) = stage.get() {
            let context = context.to_smolstr();
            properties = properties.with(key::POSITION_OF, context.as_str());
        }
        let ping = Message {
            properties,
            json: Bytes::new(),
            way: Way::Whole,
            limits,
            trace: None,
        };
        // A ping needs no permit: all may be in use.
        let pong = timeout_at(limits.deadline, self.exchange_whole(ping, &Stage::new())).await;
        match pong {
            Ok(Ok(Answer { properties, .. })) => {
                let number = |key| properties.integer(key);
                let so_far = number(key::RUNS_MS).map(Duration::from_millis);
                let before = number(key::POSITION);
                match (so_far, before) {
                    (Some(so_far), _) => Whereabouts::Begun { so_far },
                    (None, Some(before)) => Whereabouts::Waiting { before },
                    (None, None) => Whereabouts::Accepted,
                }
            }
            _ => Whereabouts::Unanswered,
        }
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
