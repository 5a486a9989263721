//! Recognizing a request that came before, and remembering what it was answered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dasf_protocol::Properties;
use dasf_protocol::properties::key;

use super::acknowledgement::Unacknowledged;
use super::replies::{Answer, Reply};

/// How many requests are remembered.
const CAPACITY: usize = 4096;
/// How many bytes of answers, in base64, are remembered of all requests.
const ANSWERS_SIZE: usize = 32 << 20;
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
    /// The order of arrival; those of requests that are forgotten stand in it as well.
    order: VecDeque<Ticket>,
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
    /// It is not answered yet. Further messages with it came meanwhile.
    Open(Unacknowledged),
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
    New(Ticket, Unacknowledged),
    /// It came before, and is not answered yet. Its message is kept with the first one, or is here
    /// if there are too many of them.
    Open(Option<Unacknowledged>),
    /// It came before, and was answered like this, as far as that is remembered.
    Answered(Option<Arc<Answer>>, Unacknowledged),
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
        message: Unacknowledged,
    ) -> Arrival {
        let is_repeated = properties.get(key::REPEATED).is_some();
        let mut memory = self.lock();
        if let Some(request) = memory.requests.get_mut(call)
            && (is_repeated || (self.unique_message_ids && request.message_id == message_id))
        {
            return match &mut request.state {
                State::Open(noted) if noted.len() < MAX_REPEATED => {
                    noted.join(message);
                    Arrival::Open(None)
                }
                State::Open(_) => Arrival::Open(Some(message)),
                State::Answered(answer) => Arrival::Answered(answer.clone(), message),
            };
        }
        Arrival::New(memory.insert(call, message_id), message)
    }

    /// Takes the messages that came with a request meanwhile.
    pub(super) fn take_noted(&self, ticket: &Ticket) -> Unacknowledged {
        let mut memory = self.lock();
        let request = memory.request(ticket);
        request.map(Request::take_noted).unwrap_or_default()
    }

    /// Remembers the answer to a request. Returns the messages that came with it meanwhile.
    pub(super) fn answered(&self, ticket: &Ticket, answer: &Arc<Answer>) -> Unacknowledged {
        self.lock().answer(ticket, answer)
    }

    /// Forgets a request, so that it is new when it comes again. Returns the messages that came
    /// with it meanwhile.
    pub(super) fn forget(&self, ticket: &Ticket) -> Unacknowledged {
        let mut memory = self.lock();
        let Some(request) = memory.request(ticket) else {
            return Unacknowledged::default();
        };
        let noted = request.take_noted();
        memory.remove(ticket);
        noted
    }

    /// Forgets a request, unless further messages came with it meanwhile, which are returned.
    pub(super) fn forget_unless_noted(&self, ticket: &Ticket) -> Option<Unacknowledged> {
        let mut memory = self.lock();
        let noted = memory.request(ticket)?.take_noted();
        if noted.len() == 0 {
            memory.remove(ticket);
            return None;
        }
        Some(noted)
    }
}

impl Memory {
    fn insert(&mut self, call: &Reply, message_id: &str) -> Ticket {
        let ticket = Ticket {
            call: call.clone(),
            number: self.next,
        };
        self.next += 1;
        let request = Request {
            number: ticket.number,
            message_id: message_id.to_owned(),
            state: State::Open(Unacknowledged::default()),
        };
        if let Some(before) = self.requests.insert(call.clone(), request) {
            self.forget_answer(&before.state);
        }
        self.order.push_back(ticket.clone());
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.remove(&oldest);
        }
        ticket
    }

    fn request(&mut self, ticket: &Ticket) -> Option<&mut Request> {
        let request = self.requests.get_mut(&ticket.call)?;
        (request.number == ticket.number).then_some(request)
    }

    fn remove(&mut self, ticket: &Ticket) {
        if self.request(ticket).is_some()
            && let Some(request) = self.requests.remove(&ticket.call)
        {
            self.forget_answer(&request.state);
        }
    }

    fn answer(&mut self, ticket: &Ticket, answer: &Arc<Answer>) -> Unacknowledged {
        let is_remembered = answer.is_small();
        let Some(request) = self.request(ticket) else {
            return Unacknowledged::default();
        };
        let noted = request.take_noted();
        request.state = State::Answered(is_remembered.then(|| Arc::clone(answer)));
        if is_remembered {
            self.answers_size += answer.size();
            self.answered.push_back(ticket.clone());
            self.shrink();
        }
        noted
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
    fn take_noted(&mut self) -> Unacknowledged {
        match &mut self.state {
            State::Open(noted) => std::mem::take(noted),
            State::Answered(_) => Unacknowledged::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Subscriber;

    fn call(context: usize) -> Reply {
        Reply {
            response_topic: "caller".parse().unwrap(),
            context: context.to_string(),
            answers_pings: false,
        }
    }

    fn answer(text: &str) -> Arc<Answer> {
        Arc::new(Answer::success(text.as_bytes()))
    }

    fn arrive(
        recent: &RecentRequests,
        context: usize,
        id: &str,
        properties: &Properties,
    ) -> Arrival {
        let (subscriber, _ends) = Subscriber::new();
        let message = Unacknowledged::new(subscriber.verdicts(), id.to_owned());
        recent.arrive(&call(context), id, properties, message)
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
        let recent = RecentRequests::new(true);
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
        let recent = RecentRequests::new(false);
        assert!(is_new(&arrive(&recent, 1, "same", &Properties::new())));
        assert!(is_new(&arrive(&recent, 1, "same", &Properties::new())));
    }

    #[test]
    fn an_answer_is_remembered_and_ends_what_waited_for_it() {
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        let repeated = Properties::new().with(key::REPEATED, "1");
        let ticket = new(&recent, 1, "a");
        let arrival = arrive(&recent, 1, "b", &repeated);
        assert!(matches!(arrival, Arrival::Open(None)));
        let told = answer("42");
        assert_eq!(recent.answered(&ticket, &told).len(), 1);
        let Arrival::Answered(Some(again), _) = arrive(&recent, 1, "a", &plain) else {
            panic!("not remembered")
        };
        assert!(Arc::ptr_eq(&again, &told));
        // Its caller began anew meanwhile: the old answer is not the new one's.
        assert!(is_new(&arrive(&recent, 1, "c", &plain)));
        assert_eq!(recent.answered(&ticket, &told).len(), 0);
        let arrival = arrive(&recent, 1, "c", &plain);
        assert!(matches!(arrival, Arrival::Open(_)));
    }

    #[test]
    fn what_waits_for_one_answer_is_limited() {
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        let ticket = new(&recent, 1, "a");
        for _ in 0..MAX_REPEATED {
            let arrival = arrive(&recent, 1, "a", &plain);
            assert!(matches!(arrival, Arrival::Open(None)));
        }
        let arrival = arrive(&recent, 1, "a", &plain);
        assert!(matches!(arrival, Arrival::Open(Some(_))));
        assert_eq!(recent.answered(&ticket, &answer("1")).len(), MAX_REPEATED);
    }

    #[test]
    fn a_request_that_was_not_run_is_new_again() {
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        let ticket = new(&recent, 1, "a");
        assert!(matches!(
            arrive(&recent, 1, "a", &plain),
            Arrival::Open(None)
        ));
        let noted = recent.forget_unless_noted(&ticket);
        assert_eq!(noted.map(|noted| noted.len()), Some(1));
        assert!(!is_new(&arrive(&recent, 1, "a", &plain)));
        assert_eq!(recent.take_noted(&ticket).len(), 1);
        assert!(recent.forget_unless_noted(&ticket).is_none());
        let again = new(&recent, 1, "a");
        // The first ticket is worth nothing any more.
        assert_eq!(recent.forget(&ticket).len(), 0);
        assert!(!is_new(&arrive(&recent, 1, "a", &plain)));
        assert_eq!(recent.forget(&again).len(), 1);
        new(&recent, 1, "a");
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let recent = RecentRequests::new(true);
        for context in 0..=CAPACITY {
            let ticket = new(&recent, context, "a");
            recent.answered(&ticket, &answer("1"));
        }
        let memory = recent.lock();
        assert_eq!(memory.requests.len(), CAPACITY);
        assert_eq!(memory.order.len(), CAPACITY);
        assert!(memory.answered.len() <= CAPACITY);
        assert_eq!(memory.answers_size, CAPACITY * answer("1").size());
        drop(memory);
        new(&recent, 0, "a");
    }

    #[test]
    fn large_answers_are_forgotten_before_small_ones_are_too_many() {
        const LARGE: usize = 1 << 20;
        let recent = RecentRequests::new(true);
        let plain = Properties::new();
        let large = answer(&"x".repeat(LARGE / 4 * 3));
        assert_eq!(large.size(), LARGE);
        let count = ANSWERS_SIZE / LARGE + 1;
        for context in 0..count {
            let ticket = new(&recent, context, "a");
            recent.answered(&ticket, &large);
        }
        assert_eq!(recent.lock().answers_size, ANSWERS_SIZE);
        let oldest = arrive(&recent, 0, "a", &plain);
        assert!(matches!(oldest, Arrival::Answered(None, _)));
        let next = arrive(&recent, 1, "a", &plain);
        assert!(matches!(next, Arrival::Answered(Some(_), _)));
        let ticket = new(&recent, count, "a");
        recent.answered(&ticket, &answer(&"x".repeat(LARGE)));
        let too_large = arrive(&recent, count, "a", &plain);
        assert!(matches!(too_large, Arrival::Answered(None, _)));
    }
}
