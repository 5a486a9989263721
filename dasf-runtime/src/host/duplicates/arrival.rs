//! Requests that arrive: whether each came before.

use std::hash::BuildHasher;
use std::sync::PoisonError;
use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{MessageId, Properties};
use tokio::time::Instant;

use super::{
    Arrival, CAPACITY, MAX_REPEATED, Memory, RecentRequests, Request, State, TIME_DISTANCE, Ticket,
};
use crate::host::acknowledgement::Unacknowledged;
use crate::host::reply_to::{CallId, ReplyTo};

impl RecentRequests {
    /// Looks up a request, and remembers it.
    pub(in crate::host) fn arrive(
        &self,
        reply: &ReplyTo,
        message_id: &MessageId,
        properties: &Properties,
        message: Unacknowledged,
    ) -> Arrival {
        let call = reply.call();
        let is_repeated = properties.get(key::REPEATED).is_some();
        let hash = self.hasher.hash_one(&call);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = memory.latest(hash, &call)
            && (is_repeated || (self.unique_message_ids && request.message_id == *message_id))
        {
            let is_begun = request.is_begun;
            match &mut request.state {
                State::Open(noted) => {
                    let surplus = if noted.len() < MAX_REPEATED {
                        noted.join(message);
                        None
                    } else {
                        Some(message)
                    };
                    return Arrival::Open { surplus, is_begun };
                }
                State::Answered(answer) => return Arrival::Answered(answer.clone(), message),
                State::Forgotten => {}
            }
        }
        if memory.early.contain(hash) {
            return Arrival::Cancelled(message);
        }
        if self.at_most_once && is_repeated && !reply.is_job {
            let age = properties.integer(key::REPEATED).filter(|&age| age > 1);
            if age.is_some_and(|age| !memory.has_all_of_last(Duration::from_millis(age))) {
                return Arrival::Unknown(message);
            }
        }
        let request = Request {
            call,
            hash,
            message_id: message_id.clone(),
            is_begun: false,
            is_cancelled: false,
            state: State::Open(Unacknowledged::default()),
        };
        Arrival::New(memory.insert(request), message)
    }

    /// Returns the number of the latest request of a call, if it has no response yet.
    pub(in crate::host) fn unanswered(&self, call: &CallId) -> Option<Ticket> {
        let hash = self.hasher.hash_one(call);
        let mut memory = self.lock();
        let ticket = Ticket(*memory.latest.get(&hash)?);
        let request = memory.request(ticket)?;
        let is_open = matches!(request.state, State::Open(_));
        (is_open && request.call == *call).then_some(ticket)
    }
}

impl Memory {
    /// Returns the latest request of a call.
    fn latest(&mut self, hash: u64, call: &CallId) -> Option<&mut Request> {
        let ticket = Ticket(*self.latest.get(&hash)?);
        self.request(ticket).filter(|request| request.call == *call)
    }

    pub(super) fn insert(&mut self, request: Request) -> Ticket {
        if self.requests.len() >= CAPACITY {
            self.leave_out_oldest();
        }
        let number = self.first + self.requests.len() as u64;
        if number.is_multiple_of(TIME_DISTANCE) {
            self.times.push_back((number, Instant::now()));
        }
        if let Some(before) = self.latest.insert(request.hash, number) {
            self.forget(Ticket(before));
        }
        self.requests.push_back(request);
        Ticket(number)
    }

    /// Forgets the oldest request, unless it still runs: its redelivery must not run beside it.
    fn leave_out_oldest(&mut self) {
        let number = self.first;
        if let Some(oldest) = self.requests.pop_front() {
            if matches!(oldest.state, State::Open(_)) {
                self.running.insert(number, oldest);
            } else {
                self.remove_traces(number, oldest.hash, oldest.state);
            }
        }
        self.first += 1;
        while let Some(&(number, time)) = self.times.front()
            && number < self.first
        {
            self.times.pop_front();
            // What is left out next came before the next known time.
            self.complete_since = self.times.front().map_or(time, |&(_, next)| next);
        }
    }

    /// Removes what is remembered beside a request: the size of its response, and that it is the latest of
    /// its call.
    pub(super) fn remove_traces(&mut self, number: u64, hash: u64, state: State) {
        if let State::Answered(Some(answer)) = state {
            self.answers_size -= answer.payload.len();
        }
        if self.latest.get(&hash) == Some(&number) {
            self.latest.remove(&hash);
        }
    }

    /// Returns whether no request is left out that came in this time.
    fn has_all_of_last(&self, time: Duration) -> bool {
        self.complete_since.elapsed() >= time
    }
}
