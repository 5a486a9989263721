//! Recognizing a request that came before.

use std::collections::{HashMap, VecDeque};

use dasf_protocol::Properties;
use dasf_protocol::properties::key;

use super::replies::Reply;

/// How many requests are remembered.
const CAPACITY: usize = 4096;

/// The latest requests, by the call that they belong to.
///
/// A request comes again when the broker did not see its acknowledgement (then with the same
/// message id), or when its caller did not see the broker's receipt and published it once more
/// (then it says so). A caller may well use the same context again for a new request, so the
/// context alone says nothing.
pub(super) struct RecentRequests {
    unique_message_ids: bool,
    message_ids: HashMap<Reply, String>,
    order: VecDeque<Reply>,
}

impl RecentRequests {
    /// With brokers that give several messages one id, the id says nothing either.
    pub(super) fn new(unique_message_ids: bool) -> Self {
        Self {
            unique_message_ids,
            message_ids: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether this request came before; remembers it.
    pub(super) fn is_duplicate(
        &mut self,
        call: &Reply,
        message_id: &str,
        properties: &Properties,
    ) -> bool {
        let is_repeated = properties.get(key::REPEATED).is_some();
        let before = self.message_ids.insert(call.clone(), message_id.to_owned());
        let Some(before) = before else {
            self.order.push_back(call.clone());
            if self.order.len() > CAPACITY
                && let Some(oldest) = self.order.pop_front()
            {
                self.message_ids.remove(&oldest);
            }
            return false;
        };
        is_repeated || (self.unique_message_ids && before == message_id)
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

    #[test]
    fn a_redelivered_or_repeated_request_is_a_duplicate() {
        let mut recent = RecentRequests::new(true);
        let plain = Properties::new();
        let repeated = Properties::new().with(key::REPEATED, "1");
        assert!(!recent.is_duplicate(&call(1), "a", &plain));
        assert!(recent.is_duplicate(&call(1), "a", &plain));
        assert!(
            !recent.is_duplicate(&call(1), "b", &plain),
            "a restarted caller"
        );
        assert!(recent.is_duplicate(&call(1), "c", &repeated));
        assert!(
            !recent.is_duplicate(&call(2), "d", &repeated),
            "the first one never came"
        );
    }

    #[test]
    fn a_shared_message_id_makes_no_duplicate() {
        let mut recent = RecentRequests::new(false);
        assert!(!recent.is_duplicate(&call(1), "same", &Properties::new()));
        assert!(!recent.is_duplicate(&call(1), "same", &Properties::new()));
    }

    #[test]
    fn only_the_latest_are_remembered() {
        let mut recent = RecentRequests::new(true);
        for context in 0..=CAPACITY {
            recent.is_duplicate(&call(context), "a", &Properties::new());
        }
        assert_eq!(recent.message_ids.len(), CAPACITY);
        assert_eq!(recent.order.len(), CAPACITY);
        assert!(!recent.is_duplicate(&call(0), "a", &Properties::new()));
    }
}
