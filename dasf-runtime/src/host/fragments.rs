//! The requests in fragments that are not complete.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::Properties;
use dasf_protocol::fragment::{Assembly, FragmentError, Joined, Position};
use dasf_protocol::payload::Payload;
use dasf_protocol::properties::key;
use tokio::time::Instant;

use super::MAX_CONTEXT_LENGTH;
use super::acknowledgement::Unacknowledged;
use super::budget::{Budget, Charge, OverBudget};
use super::reply_to::{CallId, ReplyTo};
use crate::module::Failure;

/// How long a request waits for its next fragment.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// How long a request without a new fragment keeps its memory when another request needs it.
const PATIENCE_WITHOUT_ROOM: Duration = Duration::from_secs(5);
/// The largest number of requests.
const MAX_REQUESTS: usize = 4096;

/// The requests whose other fragments are missing.
#[derive(Debug)]
pub(super) struct Unfinished {
    budget: Budget,
    requests: HashMap<Key, Request>,
}

/// The call, and what distinguishes its fragments from those that somebody else sends for it.
type Key = (CallId, String);

#[derive(Debug)]
struct Request {
    reply: ReplyTo,
    /// `None` after the request was refused. Its other fragments are ignored.
    assembly: Option<Assembly>,
    charge: Charge,
    /// The unacknowledged messages.
    messages: Unacknowledged,
    /// When the last new fragment came. Copies do not count.
    last_news: Instant,
}

/// What has become of a fragment.
#[derive(Debug)]
pub(super) enum Inserted {
    /// The request is complete.
    Complete(Whole),
    /// Other fragments are missing, or the request is refused.
    Awaited,
    /// The message is not needed.
    Superfluous(Unacknowledged),
}

/// A complete request.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) payload: Bytes,
    pub(super) charge: Charge,
    /// The messages of all fragments.
    pub(super) messages: Unacknowledged,
}

/// A request that cannot be completed.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reply: ReplyTo,
    pub(super) failure: Failure,
    pub(super) messages: Unacknowledged,
}

impl Request {
    fn is_over(&self, now: Instant) -> bool {
        let deadline = self.reply.deadline.as_ref();
        self.is_idle(now, PATIENCE) || deadline.is_some_and(|deadline| deadline.at() <= now)
    }

    fn is_idle(&self, now: Instant, patience: Duration) -> bool {
        now.saturating_duration_since(self.last_news) >= patience
    }

    /// Frees the memory of the fragments. The caller gets the failure once, even if other fragments
    /// come.
    fn refuse(&mut self, failure: Failure) -> Refused {
        self.assembly = None;
        self.charge.clear();
        Refused {
            reply: self.reply.clone(),
            failure,
            messages: std::mem::take(&mut self.messages),
        }
    }
}

impl Unfinished {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            budget,
            requests: HashMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Adds a fragment. If that fails, or other requests make room for it, they are added to `refused`.
    pub(super) fn insert(
        &mut self,
        reply: &ReplyTo,
        properties: &Properties,
        position: Position,
        piece: Payload,
        message: Unacknowledged,
        refused: &mut Vec<Refused>,
    ) -> Inserted {
        let now = Instant::now();
        let id = properties.text(key::REQUEST).unwrap_or_default();
        let id = id.chars().take(MAX_CONTEXT_LENGTH).collect();
        let key = (reply.call(), id);
        let known = self.requests.remove(&key);
        if known.is_none() && self.requests.len() >= MAX_REQUESTS && !self.make_room(now, refused) {
            refused.push(Refused {
                reply: reply.clone(),
                failure: Failure::overflow().because(format!(
                    "the module waits for the fragments of {MAX_REQUESTS} requests, which is the limit"
                )),
                messages: message,
            });
            return Inserted::Awaited;
        }
        let mut request = known.unwrap_or_else(|| Request {
            reply: reply.clone(),
            assembly: Some(Assembly::new(position.count)),
            charge: self.budget.charge(reply),
            messages: Unacknowledged::default(),
            last_news: now,
        });
        let Some(assembly) = &mut request.assembly else {
            self.requests.insert(key, request);
            return Inserted::Superfluous(message);
        };
        let joined = assembly.insert(position, piece);
        let (held, received) = match &joined {
            Ok(Joined::Complete(payload)) => (payload.len(), position.count),
            _ => (assembly.held_bytes(), assembly.received()),
        };
        // The same fragments arrive again and again.
        if joined == Ok(Joined::Duplicate) && request.messages.len() > 2 * received {
            self.requests.insert(key, request);
            return Inserted::Superfluous(message);
        }
        request.messages.join(message);
        let failure = match &joined {
            Ok(Joined::Duplicate) => None,
            Ok(Joined::Incomplete | Joined::Complete(_)) => {
                request.last_news = now;
                let charged = self.charge(&mut request.charge, held, now, refused);
                charged.err().map(Failure::from)
            }
            Err(error) => Some(refused_fragments(error)),
        };
        match (failure, joined) {
            (Some(failure), _) => refused.push(request.refuse(failure)),
            (None, Ok(Joined::Complete(payload))) => {
                return Inserted::Complete(Whole {
                    payload,
                    charge: request.charge,
                    messages: request.messages,
                });
            }
            (None, _) => {}
        }
        self.requests.insert(key, request);
        Inserted::Awaited
    }

    /// Removes the fragments of a call. Returns their messages.
    pub(super) fn cancel(&mut self, reply: &ReplyTo) -> Unacknowledged {
        let mut messages = Unacknowledged::default();
        if self.is_empty() {
            return messages;
        }
        let call = reply.call();
        let cancelled = self.requests.extract_if(|(id, _), _| *id == call);
        for (_, request) in cancelled {
            messages.join(request.messages);
        }
        messages
    }

    /// Charges memory. If all callers hold too much, requests that have stalled make room, and are
    /// added to `refused`.
    ///
    /// # Errors
    /// Returns the limit that would be exceeded.
    pub(super) fn charge(
        &mut self,
        charge: &mut Charge,
        bytes: usize,
        now: Instant,
        refused: &mut Vec<Refused>,
    ) -> Result<(), OverBudget> {
        loop {
            match charge.set(bytes) {
                Err(OverBudget::All { .. }) if self.make_room(now, refused) => {}
                charged => return charged,
            }
        }
    }

    /// Drops the request that has stalled for the longest time. Returns whether there was one.
    fn make_room(&mut self, now: Instant, refused: &mut Vec<Refused>) -> bool {
        let stalled = self.requests.iter_mut();
        let stalled = stalled.filter(|(_, request)| request.is_idle(now, PATIENCE_WITHOUT_ROOM));
        let Some((key, oldest)) = stalled.min_by_key(|(_, request)| request.last_news) else {
            return false;
        };
        if oldest.assembly.is_some() {
            let seconds = PATIENCE_WITHOUT_ROOM.as_secs();
            refused.push(oldest.refuse(Failure::overflow().because(format!(
                "no fragment of the request came for {seconds} s, and another request needed its memory"
            ))));
        }
        let key = key.clone();
        self.requests.remove(&key);
        true
    }

    /// Removes the requests whose other fragments have not come in time.
    pub(super) fn remove_stale(&mut self) -> impl Iterator<Item = Refused> {
        let now = Instant::now();
        let stale = self.requests.extract_if(move |_, it| it.is_over(now));
        stale.filter_map(|(_, request)| {
            request.assembly?;
            Some(Refused {
                reply: request.reply,
                failure: Failure::processing("the other fragments of the request did not come"),
                messages: request.messages,
            })
        })
    }
}

/// Returns the failure of a request whose fragments cannot be joined.
pub(super) fn refused_fragments(error: &FragmentError) -> Failure {
    Failure::validation(error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::HostOptions;
    use crate::module::FailureKind;

    const KIB: usize = 1024;

    /// What a host has for requests in fragments.
    struct Bench {
        unfinished: Unfinished,
        budget: Budget,
    }

    impl Bench {
        fn new(max_held_bytes: usize, max_request_size: usize) -> Self {
            let options = HostOptions::default()
                .max_held_bytes(max_held_bytes)
                .max_request_size(max_request_size);
            let budget = Budget::new(&options);
            Self {
                unfinished: Unfinished::new(budget.clone()),
                budget,
            }
        }

        /// Adds a fragment. Returns the whole request, and the failures with their callers.
        fn insert(
            &mut self,
            caller: &str,
            (index, count): (usize, usize),
            piece: &str,
            more: &serde_json::Value,
        ) -> (Option<Whole>, Vec<(String, Failure)>) {
            let mut properties = json!({"requestContext": "1", "response_topic": caller});
            let more = more.as_object().cloned().unwrap_or_default();
            properties.as_object_mut().unwrap().extend(more);
            let properties: Properties = serde_json::from_value(properties).unwrap();
            let reply = ReplyTo::of(&properties).unwrap();
            let mut refused = Vec::new();
            let inserted = self.unfinished.insert(
                &reply,
                &properties,
                Position { index, count },
                Bytes::copy_from_slice(piece.as_bytes()).into(),
                Unacknowledged::default(),
                &mut refused,
            );
            let refused = refused.into_iter();
            let refused = refused.map(|it| (it.reply.response_topic.to_string(), it.failure));
            let whole = match inserted {
                Inserted::Complete(whole) => Some(whole),
                Inserted::Awaited | Inserted::Superfluous(_) => None,
            };
            (whole, refused.collect())
        }

        /// Adds a fragment that is accepted and does not complete its request.
        fn wait(
            &mut self,
            caller: &str,
            position: (usize, usize),
            piece: &str,
            more: &serde_json::Value,
        ) {
            let (whole, refused) = self.insert(caller, position, piece, more);
            assert!(whole.is_none());
            assert!(refused.is_empty(), "{refused:?}");
        }

        /// Returns the callers whose requests are dropped.
        fn remove_stale(&mut self) -> Vec<String> {
            let stale = self.unfinished.remove_stale();
            stale
                .map(|it| it.reply.response_topic.to_string())
                .collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_counts_until_it_is_dropped() {
        let mut bench = Bench::new(1000 * KIB, 1000 * KIB);
        let piece = "x".repeat(100 * KIB);
        bench.wait("a", (1, 2), &piece, &json!({}));
        assert!(bench.budget.total() >= piece.len());
        let (whole, _) = bench.insert("a", (0, 2), &piece, &json!({}));
        let whole = whole.unwrap();
        assert_eq!(whole.payload.len(), 2 * piece.len());
        assert_eq!(bench.budget.total(), whole.payload.len());
        assert!(bench.unfinished.is_empty());
        drop(whole);
        assert_eq!(bench.budget.total(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn fragments_of_another_sender_are_not_mixed_in() {
        let mut bench = Bench::new(1000 * KIB, 1000 * KIB);
        bench.wait("a", (0, 2), "forged", &json!({}));
        bench.wait("a", (0, 2), "forged", &json!({"x_dasf_request": "guess"}));
        let id = &json!({"x_dasf_request": "secret"});
        bench.wait("a", (0, 2), "true ", id);
        let (whole, _) = bench.insert("a", (1, 2), "text", id);
        assert_eq!(whole.unwrap().payload, "true text");
    }

    #[tokio::test(start_paused = true)]
    async fn fragments_of_another_user_are_not_mixed_in() {
        let mut bench = Bench::new(1000 * KIB, 1000 * KIB);
        let of = |user: &str| json!({"x_dasf_request": "overheard", "x_dasf_user": user});
        bench.wait("a", (0, 2), "forged", &of("bob"));
        bench.wait("a", (0, 2), "true ", &of("ada"));
        let (whole, _) = bench.insert("a", (1, 2), "text", &of("ada"));
        assert_eq!(whole.unwrap().payload, "true text");
        // His own request goes on.
        let (whole, _) = bench.insert("a", (1, 2), " too", &of("bob"));
        assert_eq!(whole.unwrap().payload, "forged too");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_dropped_when_its_caller_stops_waiting() {
        let mut bench = Bench::new(1000 * KIB, 1000 * KIB);
        bench.wait("a", (0, 3), "x", &json!({"x_dasf_timeout_ms": 7000}));
        bench.wait("b", (0, 3), "x", &json!({}));
        tokio::time::advance(Duration::from_secs(6)).await;
        // A later fragment may promise more time, but the call began with less.
        bench.wait("a", (1, 3), "x", &json!({"x_dasf_timeout_ms": 60_000}));
        assert!(bench.remove_stale().is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(bench.remove_stale(), ["a"]);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(bench.remove_stale(), ["b"]);
        assert_eq!(bench.budget.total(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn copies_do_not_keep_a_request() {
        let mut bench = Bench::new(1000 * KIB, 1000 * KIB);
        bench.wait("a", (0, 3), "x", &json!({}));
        tokio::time::advance(PATIENCE / 2).await;
        bench.wait("a", (1, 3), "x", &json!({}));
        for _ in 0..4 {
            tokio::time::advance(PATIENCE / 4).await;
            bench.wait("a", (0, 3), "x", &json!({}));
        }
        assert_eq!(bench.remove_stale(), ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_request_is_refused_once() {
        let mut bench = Bench::new(1000 * KIB, 150 * KIB);
        let piece = "x".repeat(100 * KIB);
        bench.wait("a", (0, 9), &piece, &json!({}));
        let (_, refused) = bench.insert("a", (1, 9), &piece, &json!({}));
        let (caller, failure) = &refused[0];
        assert_eq!((caller.as_str(), refused.len()), ("a", 1));
        assert_eq!(failure.kind(), FailureKind::Validation);
        assert!(failure.message().contains("max_request_size"), "{failure}");
        assert_eq!(bench.budget.total(), 0);
        for index in 2..9 {
            bench.wait("a", (index, 9), &piece, &json!({}));
        }
        assert_eq!(bench.budget.total(), 0);
        tokio::time::advance(PATIENCE).await;
        assert!(bench.remove_stale().is_empty());
        assert!(bench.unfinished.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_have_stalled_make_room() {
        let mut bench = Bench::new(350 * KIB, 300 * KIB);
        let piece = "x".repeat(100 * KIB);
        bench.wait("a", (0, 9), &piece, &json!({}));
        tokio::time::advance(Duration::from_secs(1)).await;
        bench.wait("b", (0, 9), &piece, &json!({}));
        bench.wait("b", (1, 9), &piece, &json!({}));
        // All requests go on, so the next one has to wait.
        let (_, refused) = bench.insert("c", (0, 2), &piece, &json!({}));
        let (caller, failure) = &refused[0];
        assert_eq!((caller.as_str(), refused.len()), ("c", 1));
        assert_eq!(failure.kind(), FailureKind::Overflow);
        assert!(failure.message().contains("max_held_bytes"), "{failure}");
        tokio::time::advance(PATIENCE_WITHOUT_ROOM - Duration::from_millis(500)).await;
        let (_, refused) = bench.insert("d", (0, 2), &piece, &json!({}));
        let (caller, failure) = &refused[0];
        assert_eq!((caller.as_str(), refused.len()), ("a", 1));
        assert_eq!(failure.kind(), FailureKind::Overflow);
        let (whole, _) = bench.insert("d", (1, 2), "y", &json!({}));
        assert_eq!(whole.unwrap().payload.len(), piece.len() + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_requests_is_limited() {
        let mut bench = Bench::new(usize::MAX, usize::MAX);
        for caller in 0..MAX_REQUESTS {
            bench.wait(&format!("c{caller}"), (0, 2), "x", &json!({}));
        }
        let (_, refused) = bench.insert("last", (0, 2), "x", &json!({}));
        assert_eq!(refused[0].0, "last");
        assert_eq!(refused[0].1.kind(), FailureKind::Overflow);
        tokio::time::advance(PATIENCE_WITHOUT_ROOM).await;
        let (_, refused) = bench.insert("last", (0, 2), "x", &json!({}));
        assert_ne!(refused[0].0, "last");
        assert_eq!(bench.unfinished.requests.len(), MAX_REQUESTS);
    }
}
