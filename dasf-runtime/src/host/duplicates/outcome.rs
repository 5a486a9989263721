//! What becomes of a request: it begins, it gets its response, or it is forgotten.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::{
    ANSWERS_SIZE, CAPACITY, MAX_ANSWER_SIZE, Memory, RecentRequests, Request, State, Ticket,
};
use crate::host::acknowledgement::Unacknowledged;
use crate::host::answer::Answer;

impl RecentRequests {
    pub(super) fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the broker is told that a request begins. Takes the further messages with it.
    pub(in crate::host) fn begin(&self, ticket: Ticket) -> Unacknowledged {
        let mut memory = self.lock();
        let Some(request) = memory.request(ticket) else {
            return Unacknowledged::default();
        };
        request.is_begun = true;
        request.take_noted()
    }

    /// Returns whether a response is remembered for a redelivery of its request.
    pub(in crate::host) fn remembers(answer: &Answer) -> bool {
        answer.payload.len() <= MAX_ANSWER_SIZE
    }

    /// Remembers the response to a request. Returns the further messages with the request.
    pub(in crate::host) fn answered(&self, ticket: Ticket, answer: &Arc<Answer>) -> Unacknowledged {
        self.lock().answer(ticket, answer)
    }

    /// Forgets a request, so that it is new when it is redelivered. Returns the further messages
    /// with it.
    pub(in crate::host) fn forget(&self, ticket: Ticket) -> Unacknowledged {
        let mut memory = self.lock();
        let Some(request) = memory.request(ticket) else {
            return Unacknowledged::default();
        };
        let noted = request.take_noted();
        memory.forget(ticket);
        noted
    }

    /// Forgets a request, unless there are further messages with it. If there are some, returns
    /// them.
    pub(in crate::host) fn forget_unless_noted(&self, ticket: Ticket) -> Option<Unacknowledged> {
        let mut memory = self.lock();
        let noted = memory.request(ticket)?.take_noted();
        if noted.len() == 0 {
            memory.forget(ticket);
            return None;
        }
        Some(noted)
    }
}

impl Memory {
    pub(super) fn request(&mut self, Ticket(number): Ticket) -> Option<&mut Request> {
        match number.checked_sub(self.first) {
            Some(index) => self.requests.get_mut(usize::try_from(index).ok()?),
            None => self.running.get_mut(&number),
        }
    }

    /// Forgets a request and its response.
    pub(super) fn forget(&mut self, ticket: Ticket) {
        let Some(request) = self.request(ticket) else {
            return;
        };
        let hash = request.hash;
        let state = std::mem::replace(&mut request.state, State::Forgotten);
        self.remove_traces(ticket.0, hash, state);
        self.running.remove(&ticket.0);
    }

    fn answer(&mut self, ticket: Ticket, answer: &Arc<Answer>) -> Unacknowledged {
        let is_remembered = RecentRequests::remembers(answer);
        let ticket = self.as_latest(ticket);
        let Some(request) = self.request(ticket) else {
            return Unacknowledged::default();
        };
        let noted = match &mut request.state {
            State::Open(noted) => std::mem::take(noted),
            State::Answered(_) | State::Forgotten => return Unacknowledged::default(),
        };
        request.state = State::Answered(is_remembered.then(|| Arc::clone(answer)));
        if is_remembered {
            self.answers_size += answer.payload.len();
            self.answered.push_back(ticket);
            self.shrink();
        }
        noted
    }

    /// Gives an older request that ends a number among the latest ones.
    fn as_latest(&mut self, ticket: Ticket) -> Ticket {
        match self.running.remove(&ticket.0) {
            // It is the latest of its call: a later one would have removed it.
            Some(request) => {
                self.latest.remove(&request.hash);
                self.insert(request)
            }
            None => ticket,
        }
    }

    /// Forgets the oldest responses until the others are within the limits.
    fn shrink(&mut self) {
        while self.answers_size > ANSWERS_SIZE || self.answered.len() > CAPACITY {
            let Some(oldest) = self.answered.pop_front() else {
                return;
            };
            if let Some(request) = self.request(oldest)
                && let State::Answered(answer) = &mut request.state
                && let Some(answer) = answer.take()
            {
                self.answers_size -= answer.payload.len();
            }
        }
    }
}

impl Request {
    fn take_noted(&mut self) -> Unacknowledged {
        match &mut self.state {
            State::Open(noted) => std::mem::take(noted),
            State::Answered(_) | State::Forgotten => Unacknowledged::default(),
        }
    }
}
