//! Recognizing a request that came before, and remembering what it was answered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dasf_protocol::Properties;
use dasf_protocol::properties::key;

use super::replies::{Answer, Reply};

/// How many requests are remembered.
const CAPACITY: usize = 4096;
/// How many bytes of answers, in base64, are remembered of all requests.
const ANSWERS_SIZE: usize = 32 << 20;
/// The largest answer that is remembered, in base64.
const MAX_ANSWER_SIZE: usize = 1 << 20;
/// How many further messages with one request wait for its answer.
const MAX_REPEATED: usize = 64;

/// The latest requests, by the call that they belong to, with their answers.
///
/// A request comes again when the broker did not see its acknowledgement (then with the same
/// message id), or when its caller did not see the broker's receipt and published it once more
/// (then it says so). A caller may well use the same context again for a new request, so the
/// context alone says nothing.
pub(super) struct RecentRequests {
    unique_message_ids: bool,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    requests: HashMap<Reply, Request>,
    /// The order of arrival.
    order: VecDeque<Reply>,
    next: u64,
    /// The calls with an answer that is remembered, the oldest first.
    answered: VecDeque<Ticket>,
    /// How large these answers are together.
    answers_size: usize,
}

struct Request {
    number: u64,
    message_id: String,
    state: State,
}

enum State {
    /// It is not answered yet. Messages with the same request are to be acknowledged with it.
    Running { repeated: Vec<String> },
    /// It is answered; the answer is not remembered if it is large, or old.
    Answered(Option<Arc<Answer>>),
}

/// What names one request among those of the same caller and context.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    call: Reply,
    number: u64,
}

/// What is known of a request that arrives.
#[derive(Debug)]
pub(super) enum Arrival {
    /// It was not seen before.
    New(Ticket),
    /// It came before, and is not answered yet. [`RecentRequests::answered`] names its message
    /// again, unless there are too many of them.
    Running { is_noted: bool },
    /// It came before, and was answered like this, as far as that is remembered.
    Answered(Option<Arc<Answer>>),
}

impl RecentRequests {
    /// With brokers that give several messages one id, the id says nothing either.
    pub(super) fn new(unique_message_ids: bool) -> Self {
        Self {
            unique_message_ids,
            memory: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks a request up, and remembers it.
    pub(super) fn arrive(
        &self,
        call: &Reply,
        message_id: &str,
        properties: &Properties,
    ) -> Arrival {
        let is_repeated = properties.get(key::REPEATED).is_some();
        let mut memory = self.lock();
        if let Some(request) = memory.requests.get_mut(call)
            && (is_repeated || (self.unique_message_ids && request.message_id == message_id))
        {
            return match &mut request.state {
                State::Running { repeated } => {
                    let is_noted = repeated.len() < MAX_REPEATED;
                    if is_noted {
                        repeated.push(message_id.to_owned());
                    }
                    Arrival::Running { is_noted }
                }
                State::Answered(answer) => Arrival::Answered(answer.clone()),
            };
        }
        Arrival::New(memory.insert(call, message_id))
    }

    /// Remembers the answer to a request. Returns the messages that came with the same request
    /// meanwhile.
    pub(super) fn answered(&self, ticket: &Ticket, answer: &Arc<Answer>) -> Vec<String> {
        self.lock().answer(ticket, answer)
    }
}

impl Memory {
    fn insert(&mut self, call: &Reply, message_id: &str) -> Ticket {
        let number = self.next;
        self.next += 1;
        let request = Request {
            number,
            message_id: message_id.to_owned(),
            state: State::Running {
                repeated: Vec::new(),
            },
        };
        if let Some(before) = self.requests.insert(call.clone(), request) {
            self.forget_answer(&before.state);
        } else {
            self.order.push_back(call.clone());
            if self.order.len() > CAPACITY
                && let Some(oldest) = self.order.pop_front()
                && let Some(oldest) = self.requests.remove(&oldest)
            {
                self.forget_answer(&oldest.state);
            }
        }
        Ticket {
            call: call.clone(),
            number,
        }
    }

    fn request(&mut self, ticket: &Ticket) -> Option<&mut Request> {
        let request = self.requests.get_mut(&ticket.call)?;
        (request.number == ticket.number).then_some(request)
    }

    fn answer(&mut self, ticket: &Ticket, answer: &Arc<Answer>) -> Vec<String> {
        let size = answer.size();
        let is_remembered = size <= MAX_ANSWER_SIZE;
        let Some(request) = self.request(ticket) else {
            return Vec::new();
        };
        let repeated = request.take_repeated();
        request.state = State::Answered(is_remembered.then(|| Arc::clone(answer)));
        if is_remembered {
            self.answers_size += size;
            self.answered.push_back(ticket.clone());
            self.shrink();
        }
        repeated
    }

    /// Forgets the oldest answers until the rest is within its limits.
    fn shrink(&mut self) {
        while self.answers_size > ANSWERS_SIZE || self.answered.len() > CAPACITY {
            let Some(oldest) = self.answered.pop_front() else {
                return;
            };
            let Some(request) = self.request(&oldest) else {
                continue;
            };
            let state = std::mem::replace(&mut request.state, State::Answered(None));
            self.forget_answer(&state);
        }
    }

    fn forget_answer(&mut self, state: &State) {
        if let State::Answered(Some(answer)) = state {
            self.answers_size -= answer.size();
        }
    }
}

impl Request {
    fn take_repeated(&mut self) -> Vec<String> {
        match &mut self.state {
            State::Running { repeated } => std::mem::take(repeated),
            State::Answered(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(context: usize) -> Reply {
        Reply {
            response_topic: "caller".parse().unwrap(),
            context: context.to_string(),
        }
    }

    fn answer(text: &str) -> Arc<Answer> {
        Arc::new(Answer::success(text.as_bytes()))
    }

    fn is_new(arrival: &Arrival) -> bool {
        matches!(arrival, Arrival::New(_))
    }

    #[test]
    fn a_redelivered_or_repeated_request_is_a_duplicate() {
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        let repeated = Properties::new().with(key::REPEATED, "1");
        assert!(is_new(&recent.arrive(&call(1), "a", &plain)));
        assert!(!is_new(&recent.arrive(&call(1), "a", &plain)));
        assert!(
            is_new(&recent.arrive(&call(1), "b", &plain)),
            "a restarted caller"
        );
        assert!(!is_new(&recent.arrive(&call(1), "c", &repeated)));
        assert!(
            is_new(&recent.arrive(&call(2), "d", &repeated)),
            "the first one never came"
        );
    }

    #[test]
    fn a_shared_message_id_makes_no_duplicate() {
        let recent = RecentRequests::new(false);
        assert!(is_new(&recent.arrive(&call(1), "same", &Properties::new())));
        assert!(is_new(&recent.arrive(&call(1), "same", &Properties::new())));
    }

    #[test]
    fn an_answer_is_remembered_and_names_who_waited_for_it() {
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        let repeated = Properties::new().with(key::REPEATED, "1");
        let Arrival::New(ticket) = recent.arrive(&call(1), "a", &plain) else {
            panic!("not new")
        };
        let arrival = recent.arrive(&call(1), "b", &repeated);
        assert!(matches!(arrival, Arrival::Running { is_noted: true }));
        let told = answer("42");
        assert_eq!(recent.answered(&ticket, &told), ["b"]);
        let Arrival::Answered(Some(again)) = recent.arrive(&call(1), "a", &plain) else {
            panic!("not remembered")
        };
        assert!(Arc::ptr_eq(&again, &told));
        // Its caller began anew meanwhile: the old answer is not the new one's.
        assert!(is_new(&recent.arrive(&call(1), "c", &plain)));
        assert!(recent.answered(&ticket, &told).is_empty());
        let arrival = recent.arrive(&call(1), "c", &plain);
        assert!(matches!(arrival, Arrival::Running { .. }));
    }

    #[test]
    fn what_waits_for_one_answer_is_limited() {
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        let Arrival::New(ticket) = recent.arrive(&call(1), "a", &plain) else {
            panic!("not new")
        };
        for _ in 0..MAX_REPEATED {
            let arrival = recent.arrive(&call(1), "a", &plain);
            assert!(matches!(arrival, Arrival::Running { is_noted: true }));
        }
        let arrival = recent.arrive(&call(1), "a", &plain);
        assert!(matches!(arrival, Arrival::Running { is_noted: false }));
        assert_eq!(recent.answered(&ticket, &answer("1")).len(), MAX_REPEATED);
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        for context in 0..=CAPACITY {
            let Arrival::New(ticket) = recent.arrive(&call(context), "a", &plain) else {
                panic!("not new")
            };
            recent.answered(&ticket, &answer("1"));
        }
        let memory = recent.lock();
        assert_eq!(memory.requests.len(), CAPACITY);
        assert_eq!(memory.order.len(), CAPACITY);
        assert!(memory.answered.len() <= CAPACITY);
        assert_eq!(memory.answers_size, CAPACITY * answer("1").size());
        drop(memory);
        assert!(is_new(&recent.arrive(&call(0), "a", &plain)));
    }

    #[test]
    fn large_answers_are_forgotten_before_small_ones_are_too_many() {
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        let large = answer(&"x".repeat(MAX_ANSWER_SIZE / 4 * 3));
        assert_eq!(large.size(), MAX_ANSWER_SIZE);
        let count = ANSWERS_SIZE / MAX_ANSWER_SIZE + 1;
        for context in 0..count {
            let Arrival::New(ticket) = recent.arrive(&call(context), "a", &plain) else {
                panic!("not new")
            };
            recent.answered(&ticket, &large);
        }
        assert_eq!(recent.lock().answers_size, ANSWERS_SIZE);
        let oldest = recent.arrive(&call(0), "a", &plain);
        assert!(matches!(oldest, Arrival::Answered(None)));
        let next = recent.arrive(&call(1), "a", &plain);
        assert!(matches!(next, Arrival::Answered(Some(_))));
        let Arrival::New(ticket) = recent.arrive(&call(count), "a", &plain) else {
            panic!("not new")
        };
        recent.answered(&ticket, &answer(&"x".repeat(MAX_ANSWER_SIZE)));
        let too_large = recent.arrive(&call(count), "a", &plain);
        assert!(matches!(too_large, Arrival::Answered(None)));
    }
}
