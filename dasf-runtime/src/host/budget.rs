//! The memory for large payloads: what the host holds for each caller, and for all of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::HostOptions;
use super::reply_to::{CallerId, ReplyTo};
use crate::module::Failure;

/// The largest payload that does not count. `queue_size` limits how many of them wait.
pub(super) const SMALL_PAYLOAD: usize = 64 << 10;

/// Counts the large payloads that a host holds. Clones share the count.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The limit for all callers together, in bytes.
    limit: usize,
    /// The limit for each caller.
    share: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_caller: HashMap<CallerId, usize>,
}

/// Bytes that count for a caller until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Budget,
    caller: CallerId,
    bytes: usize,
}

/// The reason why a payload is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OverBudget {
    /// The payload alone is too large.
    #[error(
        "the request is larger than max_request_size, which is {limit} bytes; send less data at a time, or raise the \
         limit of the module"
    )]
    Request { limit: usize },
    /// The caller has other large requests or responses on the way.
    #[error(
        "the requests and responses of this caller that are on the way are larger than max_request_size, which is \
         {limit} bytes; wait for a response first"
    )]
    Caller { limit: usize },
    /// All callers together have too many.
    #[error(
        "the requests and responses that are on the way are larger than max_held_bytes, which is {limit} bytes"
    )]
    All { limit: usize },
}

impl From<OverBudget> for Failure {
    fn from(error: OverBudget) -> Self {
        match error {
            OverBudget::Request { .. } => Self::validation(error.to_string()),
            OverBudget::Caller { .. } | OverBudget::All { .. } => {
                Self::overflow().because(error.to_string())
            }
        }
    }
}

impl Budget {
    pub(super) fn new(options: &HostOptions) -> Self {
        Self(Arc::new(Shared {
            limit: options.max_held_bytes,
            share: options.max_request_size,
            held: Mutex::default(),
        }))
    }

    /// Returns a charge of no bytes for the caller of a call.
    pub(super) fn charge(&self, call: &ReplyTo) -> Charge {
        Charge {
            budget: self.clone(),
            caller: call.caller(),
            bytes: 0,
        }
    }

    /// Returns a response that counts for its caller until all of it is sent. A response is never
    /// refused: its memory exists already. But it leaves less room for requests.
    pub(super) fn held(&self, call: &ReplyTo, payload: &Bytes) -> Bytes {
        if payload.len() <= SMALL_PAYLOAD {
            return payload.clone();
        }
        let mut charge = self.charge(call);
        charge.replace(payload.len(), |_, _| Ok(())).ok();
        Bytes::from_owner(HeldPayload {
            payload: payload.clone(),
            _charge: charge,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the bytes of all callers.
    #[cfg(feature = "status")]
    pub(super) fn held_bytes(&self) -> usize {
        self.lock().total
    }

    /// Returns the limit for all callers together, in bytes.
    #[cfg(feature = "status")]
    pub(super) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Returns the bytes of all callers, which are those of each one together.
    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        let held = self.lock();
        assert_eq!(held.total, held.by_caller.values().sum::<usize>());
        held.total
    }
}

impl Charge {
    /// Changes the bytes.
    ///
    /// # Errors
    /// Returns the limit that they would exceed. Then the charge stays as it is.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let Shared { limit, share, .. } = *self.budget.0;
        let is_more = bytes > self.bytes;
        self.replace(bytes, |of_caller, total| match () {
            () if !is_more => Ok(()),
            () if bytes > share => Err(OverBudget::Request { limit: share }),
            () if of_caller > share => Err(OverBudget::Caller { limit: share }),
            () if total > limit => Err(OverBudget::All { limit }),
            () => Ok(()),
        })
    }

    /// Changes the bytes to zero.
    pub(super) fn clear(&mut self) {
        // To hold less is always possible.
        let _ = self.set(0);
    }

    /// Changes the bytes, if the caller and all may have the sums that `check` gets.
    fn replace(
        &mut self,
        bytes: usize,
        check: impl FnOnce(usize, usize) -> Result<(), OverBudget>,
    ) -> Result<(), OverBudget> {
        let mut held = self.budget.lock();
        let before = held.by_caller.get(&self.caller).copied().unwrap_or(0);
        let changed = |sum: usize| (sum - self.bytes).saturating_add(bytes);
        let (of_caller, total) = (changed(before), changed(held.total));
        check(of_caller, total)?;
        held.total = total;
        match held.by_caller.entry(self.caller.clone()) {
            Entry::Occupied(entry) if of_caller == 0 => {
                entry.remove();
            }
            Entry::Vacant(_) if of_caller == 0 => {}
            entry => {
                entry.insert_entry(of_caller);
            }
        }
        drop(held);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A response, with the charge for it.
struct HeldPayload {
    payload: Bytes,
    _charge: Charge,
}

impl AsRef<[u8]> for HeldPayload {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl fmt::Debug for HeldPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldPayload")
            .field("size", &self.payload.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(limit: usize, share: usize) -> Budget {
        let options = HostOptions::default()
            .max_held_bytes(limit)
            .max_request_size(share);
        Budget::new(&options)
    }

    fn caller(name: &str) -> ReplyTo {
        ReplyTo {
            response_topic: name.parse().unwrap(),
            context: "1".into(),
            is_job: false,
            answers_pings: false,
            deadline: None,
            user: None,
        }
    }

    #[test]
    fn a_caller_has_a_share_of_the_budget() {
        let budget = budget(100, 60);
        let mut first = budget.charge(&caller("a"));
        assert_eq!(first.set(61), Err(OverBudget::Request { limit: 60 }));
        assert_eq!(first.set(40), Ok(()));
        let mut second = budget.charge(&caller("a"));
        assert_eq!(second.set(30), Err(OverBudget::Caller { limit: 60 }));
        let mut other = budget.charge(&caller("b"));
        assert_eq!(other.set(60), Ok(()));
        assert_eq!(second.set(20), Err(OverBudget::All { limit: 100 }));
        assert_eq!(budget.total(), 100);
        // Less is always possible.
        assert_eq!(first.set(30), Ok(()));
        assert_eq!(second.set(10), Ok(()));
        drop((first, other));
        assert_eq!(budget.total(), 10);
        drop(second);
        assert_eq!(budget.total(), 0);
        assert!(budget.lock().by_caller.is_empty());
    }

    #[test]
    fn a_response_counts_until_its_last_piece_is_sent() {
        let budget = budget(2 * SMALL_PAYLOAD, SMALL_PAYLOAD);
        let small = Bytes::from(vec![1; SMALL_PAYLOAD]);
        let large = Bytes::from(vec![1; 5 * SMALL_PAYLOAD]);
        let kept = budget.held(&caller("a"), &small);
        assert_eq!(budget.total(), 0);
        let answer = budget.held(&caller("a"), &large);
        assert_eq!(answer, large);
        let piece = answer.slice(..10);
        drop(answer);
        assert_eq!(budget.total(), large.len());
        // Beyond the limit, there is no room for requests.
        let mut request = budget.charge(&caller("b"));
        let limit = 2 * SMALL_PAYLOAD;
        assert_eq!(request.set(1), Err(OverBudget::All { limit }));
        drop(piece);
        assert_eq!(budget.total(), 0);
        assert_eq!(request.set(1), Ok(()));
        drop(kept);
    }
}
