//! Recognizing redelivered requests, and remembering their responses.

mod arrival;
mod cancellation;
mod outcome;

use std::collections::VecDeque;
use std::hash::RandomState;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use dasf_protocol::MessageId;
use tokio::time::Instant;

use super::acknowledgement::Unacknowledged;
use super::answer::Answer;
use super::reply_to::CallId;
use crate::number_map::NumberMap;
pub(super) use cancellation::Cancelled;
use cancellation::EarlyCancellations;

/// The number of remembered requests, besides those that still run.
const CAPACITY: usize = 4096;
/// The size of all remembered responses, in bytes.
const ANSWERS_SIZE: usize = 32 << 20;
/// The largest response that is remembered, in bytes.
const MAX_ANSWER_SIZE: usize = 1 << 20;
/// The number of further messages with one request that wait for its response.
const MAX_REPEATED: usize = 64;

/// The latest requests, by call, with their responses.
///
/// A request comes twice for one of two reasons. The broker did not get the acknowledgement: then
/// the second message has the same message id. Or the caller published the request again, because it
/// got no receipt of the broker, or because the broker may have lost the request or the response: then
/// the second message has the property `x_dasf_repeated`. The context alone is not enough, because a
/// caller may use the same context for a new request.
pub(super) struct RecentRequests {
    unique_message_ids: bool,
    /// Whether a request does not run if it may have run before.
    at_most_once: bool,
    /// Its keys are random, so that callers cannot choose calls with one hash.
    hasher: RandomState,
    memory: Mutex<Memory>,
    /// How many requests were cancelled that waited or ran.
    cancellations: AtomicU64,
}

struct Memory {
    /// The requests in the order of their numbers, without gaps.
    requests: VecDeque<Request>,
    /// The number of the oldest one.
    first: u64,
    /// Older requests that have no response yet, by their numbers. The host limits how many it accepts.
    running: NumberMap<Request>,
    /// The number of the latest request, by the hash of its call. Two calls with one hash are too
    /// rare to matter: then a repetition of the older one is a new request.
    latest: NumberMap<u64>,
    /// The requests with a remembered response, in the order of the responses. It also contains
    /// requests that are forgotten.
    answered: VecDeque<Ticket>,
    /// The size of these responses.
    answers_size: usize,
    /// The calls that were cancelled before their requests came.
    early: EarlyCancellations,
    /// No request that came later is left out.
    complete_since: Instant,
    /// When some of the requests came, by their numbers.
    times: VecDeque<(u64, Instant)>,
}

/// The distance of the numbers of requests whose times are known.
const TIME_DISTANCE: u64 = 256;

struct Request {
    call: CallId,
    /// The hash of the call.
    hash: u64,
    message_id: MessageId,
    /// Whether the broker has been told that the request begins.
    is_begun: bool,
    /// Whether its caller has cancelled it before its end.
    is_cancelled: bool,
    state: State,
}

enum State {
    /// The request has no response yet. These are further messages with it.
    Open(Unacknowledged),
    /// The request has a response. It is remembered unless it is large or old.
    Answered(Option<Arc<Answer>>),
    /// The request did not run, or a later one has the same call.
    Forgotten,
}

/// The number of a request. Later requests have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

impl Ticket {
    /// Returns one of so many places among which tickets are spread.
    pub(super) fn place(self, places: usize) -> usize {
        usize::try_from(self.0).map_or(0, |number| number % places)
    }
}

/// The state of a request that arrives.
#[derive(Debug)]
pub(super) enum Arrival {
    /// The request is new.
    New(Ticket, Unacknowledged),
    /// The request came before, and has no response yet.
    Open {
        /// The message, if too many are kept with the first one already.
        surplus: Option<Unacknowledged>,
        /// Whether the broker was told for an earlier message that the request begins.
        is_begun: bool,
    },
    /// The request came before, and had this response, if the response is remembered.
    Answered(Option<Arc<Answer>>, Unacknowledged),
    /// The request may have come before. It must not run, because it may have run.
    Unknown(Unacknowledged),
    /// The caller has cancelled the request before it came.
    Cancelled(Unacknowledged),
}

impl RecentRequests {
    /// Creates an empty memory. Without unique message ids, an equal id does not show a redelivery.
    pub(super) fn new(unique_message_ids: bool, at_most_once: bool) -> Self {
        let memory = Memory {
            requests: VecDeque::new(),
            first: 0,
            running: NumberMap::default(),
            latest: NumberMap::default(),
            answered: VecDeque::new(),
            answers_size: 0,
            early: EarlyCancellations::default(),
            complete_since: Instant::now(),
            times: VecDeque::new(),
        };
        Self {
            unique_message_ids,
            at_most_once,
            hasher: RandomState::new(),
            memory: Mutex::new(memory),
            cancellations: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dasf_protocol::Properties;
    use dasf_protocol::properties::key;

    use super::*;
    use crate::host::reply_to::ReplyTo;
    use crate::transport::{Reading, Subscriber};

    fn call(context: usize) -> ReplyTo {
        ReplyTo {
            response_topic: "caller".parse().unwrap(),
            context: context.to_string().into(),
            is_job: false,
            answers_pings: false,
            deadline: None,
            user: None,
        }
    }

    fn answer(text: &str) -> Arc<Answer> {
        Arc::new(Answer::success(text.into()))
    }

    fn arrive(
        recent: &RecentRequests,
        context: usize,
        id: &str,
        properties: &Properties,
    ) -> Arrival {
        let reading = Reading::caller("reader".parse().unwrap());
        let (subscriber, _ends) = Subscriber::new(&reading);
        let message = Unacknowledged::new(subscriber.acknowledger(), id.into());
        recent.arrive(&call(context), &id.into(), properties, message)
    }

    #[test]
    fn a_request_of_another_user_is_another_call() {
        let recent = RecentRequests::new(true, true);
        let repeated = Properties::new().with(key::REPEATED, "1");
        let of = |user: &str| ReplyTo {
            user: Some(user.into()),
            ..call(1)
        };
        let arrive = |user: &str, id: &str| {
            recent.arrive(&of(user), &id.into(), &repeated, Unacknowledged::default())
        };
        let Arrival::New(ticket, _) = arrive("ada", "a") else {
            panic!("ada has not called before")
        };
        recent.answered(ticket, &answer("for ada"));
        // The id of her message makes no difference.
        for (user, id) in [("bob", "a"), ("eve", "b")] {
            assert!(is_new(&arrive(user, id)), "{user}");
        }
        let again = arrive("ada", "c");
        assert!(matches!(again, Arrival::Answered(Some(_), _)), "{again:?}");
    }

    fn new(recent: &RecentRequests, context: usize, id: &str) -> Ticket {
        match arrive(recent, context, id, &Properties::new()) {
            Arrival::New(ticket, _) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn is_new(arrival: &Arrival) -> bool {
        matches!(arrival, Arrival::New(..))
    }

    #[test]
    fn a_redelivered_or_repeated_request_is_a_duplicate() {
        let recent = RecentRequests::new(true, true);
        let plain = Properties::new();
        let repeated = Properties::new().with(key::REPEATED, "1");
        assert!(is_new(&arrive(&recent, 1, "a", &plain)));
        assert!(!is_new(&arrive(&recent, 1, "a", &plain)));
        assert!(
            is_new(&arrive(&recent, 1, "b", &plain)),
            "a restarted caller"
        );
        assert!(!is_new(&arrive(&recent, 1, "c", &repeated)));
        assert!(
            is_new(&arrive(&recent, 2, "d", &repeated)),
            "the first one never came"
        );
    }

    #[test]
    fn a_shared_message_id_makes_no_duplicate() {
        let recent = RecentRequests::new(false, true);
        assert!(is_new(&arrive(&recent, 1, "same", &Properties::new())));
        assert!(is_new(&arrive(&recent, 1, "same", &Properties::new())));
    }

    #[test]
    fn an_answer_is_remembered_and_ends_what_waited_for_it() {
        let recent = RecentRequests::new(true, true);
        let plain = Properties::new();
        let repeated = Properties::new().with(key::REPEATED, "1");
        let ticket = new(&recent, 1, "a");
        let arrival = arrive(&recent, 1, "b", &repeated);
        assert!(matches!(arrival, Arrival::Open { surplus: None, .. }));
        let told = answer("42");
        assert_eq!(recent.answered(ticket, &told).len(), 1);
        let Arrival::Answered(Some(again), _) = arrive(&recent, 1, "a", &plain) else {
            panic!("not remembered")
        };
        assert!(Arc::ptr_eq(&again, &told));
        // The caller restarted meanwhile, so the old response does not belong to the new request.
        assert!(is_new(&arrive(&recent, 1, "c", &plain)));
        assert_eq!(recent.answered(ticket, &told).len(), 0);
        let arrival = arrive(&recent, 1, "c", &plain);
        assert!(matches!(arrival, Arrival::Open { .. }));
    }

    #[test]
    fn a_cancellation_meets_its_request_before_and_after_it_comes() {
        let recent = RecentRequests::new(true, true);
        let plain = Properties::new();
        let ticket = new(&recent, 1, "a");
        let other = new(&recent, 2, "b");
        assert_eq!(recent.cancellations(), 0);
        assert_eq!(recent.cancel(&call(1)), Cancelled::Open(ticket));
        assert_eq!(recent.cancellations(), 1);
        assert!(recent.is_cancelled(ticket));
        assert!(!recent.is_cancelled(other));
        recent.answered(ticket, &answer("cancelled"));
        assert_eq!(recent.cancel(&call(1)), Cancelled::Ended);
        assert_eq!(recent.cancel(&call(3)), Cancelled::Early);
        let of_another = ReplyTo {
            user: Some("eve".into()),
            ..call(2)
        };
        assert_eq!(recent.cancel(&of_another), Cancelled::Early);
        assert_eq!(recent.cancellations(), 1);
        for id in ["c", "d"] {
            let arrival = arrive(&recent, 3, id, &plain);
            assert!(matches!(arrival, Arrival::Cancelled(_)), "{arrival:?}");
        }
    }

    #[test]
    fn a_request_that_was_forgotten_can_be_cancelled_before_it_comes_again() {
        let recent = RecentRequests::new(true, true);
        let ticket = new(&recent, 1, "a");
        recent.forget(ticket);
        assert_eq!(recent.cancel(&call(1)), Cancelled::Early);
        let arrival = arrive(&recent, 1, "a", &Properties::new());
        assert!(matches!(arrival, Arrival::Cancelled(_)), "{arrival:?}");
    }

    #[test]
    fn only_so_many_cancellations_without_a_request_are_remembered() {
        let recent = RecentRequests::new(true, true);
        for context in 0..1_000_000 {
            assert_eq!(recent.cancel(&call(context)), Cancelled::Early);
        }
        let memory = recent.lock();
        assert_eq!(memory.early.len(), (4096, 4096));
        drop(memory);
        new(&recent, 0, "a");
        let latest = arrive(&recent, 999_999, "b", &Properties::new());
        assert!(matches!(latest, Arrival::Cancelled(_)), "{latest:?}");
    }

    #[test]
    fn what_waits_for_one_answer_is_limited() {
        let recent = RecentRequests::new(true, true);
        let plain = Properties::new();
        let ticket = new(&recent, 1, "a");
        for _ in 0..MAX_REPEATED {
            let arrival = arrive(&recent, 1, "a", &plain);
            assert!(matches!(arrival, Arrival::Open { surplus: None, .. }));
        }
        let arrival = arrive(&recent, 1, "a", &plain);
        assert!(matches!(
            arrival,
            Arrival::Open {
                surplus: Some(_),
                ..
            }
        ));
        assert_eq!(recent.answered(ticket, &answer("1")).len(), MAX_REPEATED);
    }

    #[test]
    fn a_request_that_was_not_run_is_new_again() {
        let recent = RecentRequests::new(true, true);
        let plain = Properties::new();
        let ticket = new(&recent, 1, "a");
        assert!(matches!(
            arrive(&recent, 1, "a", &plain),
            Arrival::Open { surplus: None, .. }
        ));
        let noted = recent.forget_unless_noted(ticket);
        assert_eq!(noted.map(|noted| noted.len()), Some(1));
        assert!(!is_new(&arrive(&recent, 1, "a", &plain)));
        assert_eq!(recent.begin(ticket).len(), 1);
        assert!(recent.forget_unless_noted(ticket).is_none());
        let again = new(&recent, 1, "a");
        // The first ticket is no longer valid.
        assert_eq!(recent.forget(ticket).len(), 0);
        assert!(!is_new(&arrive(&recent, 1, "a", &plain)));
        assert_eq!(recent.forget(again).len(), 1);
        new(&recent, 1, "a");
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let recent = RecentRequests::new(true, true);
        for context in 0..=CAPACITY {
            let ticket = new(&recent, context, "a");
            recent.answered(ticket, &answer("1"));
        }
        let memory = recent.lock();
        assert_eq!(memory.requests.len(), CAPACITY);
        assert_eq!(memory.latest.len(), CAPACITY);
        assert!(memory.answered.len() <= CAPACITY);
        assert_eq!(memory.answers_size, CAPACITY * answer("1").payload.len());
        drop(memory);
        new(&recent, 0, "a");
    }

    #[test]
    fn a_request_that_runs_is_never_forgotten() {
        let recent = RecentRequests::new(true, true);
        let plain = Properties::new();
        let long = new(&recent, 0, "long");
        let lost = new(&recent, 1, "lost");
        for context in 2..3 * CAPACITY {
            let ticket = new(&recent, context, "a");
            recent.answered(ticket, &answer("1"));
        }
        for _ in 0..2 {
            assert!(matches!(
                arrive(&recent, 0, "long", &plain),
                Arrival::Open { surplus: None, .. }
            ));
        }
        assert_eq!(recent.begin(long).len(), 2);
        assert_eq!(recent.lock().requests.len(), CAPACITY);
        // Its response is remembered like that of a new request.
        let told = answer("42");
        assert!(!is_new(&arrive(&recent, 0, "long", &plain)));
        assert_eq!(recent.answered(long, &told).len(), 1);
        let Arrival::Answered(Some(again), _) = arrive(&recent, 0, "long", &plain) else {
            panic!("not remembered")
        };
        assert!(Arc::ptr_eq(&again, &told));
        // A caller that restarted may use the context again.
        new(&recent, 1, "other");
        assert_eq!(recent.answered(lost, &told).len(), 0);
        let memory = recent.lock();
        assert_eq!((memory.running.len(), memory.requests.len()), (0, CAPACITY));
    }

    #[test]
    fn large_answers_are_forgotten_before_small_ones_are_too_many() {
        const LARGE: usize = 1 << 20;
        let recent = RecentRequests::new(true, true);
        let plain = Properties::new();
        let large = answer(&"x".repeat(LARGE));
        let count = ANSWERS_SIZE / LARGE + 1;
        for context in 0..count {
            let ticket = new(&recent, context, "a");
            recent.answered(ticket, &large);
        }
        assert_eq!(recent.lock().answers_size, ANSWERS_SIZE);
        let oldest = arrive(&recent, 0, "a", &plain);
        assert!(matches!(oldest, Arrival::Answered(None, _)));
        let next = arrive(&recent, 1, "a", &plain);
        assert!(matches!(next, Arrival::Answered(Some(_), _)));
        let ticket = new(&recent, count, "a");
        recent.answered(ticket, &answer(&"x".repeat(LARGE + 1)));
        let too_large = arrive(&recent, count, "a", &plain);
        assert!(matches!(too_large, Arrival::Answered(None, _)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_may_be_forgotten_does_not_run() {
        let second = Duration::from_secs(1);
        let repeated = |age: u64| Properties::new().with(key::REPEATED, age);
        for at_most_once in [true, false] {
            let recent = RecentRequests::new(true, at_most_once);
            let is_known = |context, age| {
                let arrival = arrive(&recent, context, "a", &repeated(age));
                !matches!(arrival, Arrival::Unknown(_))
            };
            tokio::time::advance(second).await;
            assert!(is_known(0, 1000), "it came after the module had started");
            assert_eq!(
                is_known(1, 1001),
                !at_most_once,
                "it is older than the module"
            );
            assert!(is_known(2, 1), "the broker may not have had it");
            for context in 10..10 + CAPACITY {
                let ticket = new(&recent, context, "a");
                recent.answered(ticket, &answer("1"));
            }
            tokio::time::advance(second).await;
            // The first 256 are left out.
            for context in 10 + CAPACITY..10 + CAPACITY + 256 {
                new(&recent, context, "a");
            }
            tokio::time::advance(second).await;
            assert!(is_known(10, 2000), "it came when the first were left out");
            assert_eq!(is_known(11, 2001), !at_most_once, "it may be left out");
            assert!(is_known(10 + CAPACITY, 5000), "it is remembered");
        }
    }
}
