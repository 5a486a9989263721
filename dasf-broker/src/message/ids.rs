//! The ids of messages.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// Numbers the messages of a broker, and writes the numbers as UUIDs.
///
/// A program chooses the bits of a UUID of version 8. Here the first half is random and marks the run
/// of the broker, and the second half is a counter. Such an id is as unique as a random one, and
/// cheaper. The broker finds the message of an acknowledgement without a table of ids.
#[derive(Debug)]
pub(crate) struct MessageIds {
    run: u64,
    next: AtomicU64,
}

/// The variant bits of RFC 9562 at the start of the second half.
const VARIANT: u64 = 0b10 << 62;

/// The bits of a number that count the messages since a start of a broker with a store. The broker may
/// start four million times.
const COUNTER_BITS: u32 = 40;

impl MessageIds {
    pub(crate) fn new() -> Self {
        Self {
            run: Self::new_run(),
            next: AtomicU64::new(0),
        }
    }

    /// Returns what differs between this broker and all others. A broker that goes on with a store has what
    /// the earlier one had.
    pub(crate) fn run(&self) -> String {
        format!("{:016x}", self.run)
    }

    /// Returns a number that marks a broker, or a store.
    pub(crate) fn new_run() -> u64 {
        let (random, _) = Uuid::new_v4().as_u64_pair();
        random & !0xF000 | 0x8000
    }

    /// Returns the ids of a broker with a store. The numbers of each start are above those of the starts
    /// before, so that no number is used again.
    pub(crate) fn restored(run: u64, starts: u64, last: Option<u64>) -> Self {
        let of_start = starts << COUNTER_BITS;
        let next = last.map_or(0, |last| last + 1).max(of_start) & !VARIANT;
        Self {
            run,
            next: AtomicU64::new(next),
        }
    }

    pub(super) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn uuid(&self, sequence: u64) -> Uuid {
        Uuid::from_u64_pair(self.run, VARIANT | sequence)
    }

    /// Returns the id of the message with this number.
    pub(crate) fn id(&self, sequence: u64) -> Hyphenated {
        self.uuid(sequence).hyphenated()
    }

    /// Returns the number of the message with this id, if this run of the broker made the id.
    pub(crate) fn sequence(&self, id: &str) -> Option<u64> {
        let (run, sequence) = Uuid::try_parse(id).ok()?.as_u64_pair();
        (run == self.run && sequence & VARIANT == VARIANT).then_some(sequence & !VARIANT)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_a_uuid_that_finds_its_message() {
        let ids = MessageIds::new();
        let id = ids.uuid(ids.next());
        assert_eq!(id.get_version_num(), 8);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(ids.sequence(&id.to_string()), Some(0));
        assert_eq!(ids.next(), 1);
        assert_eq!(MessageIds::new().sequence(&id.to_string()), None);
        assert_eq!(ids.sequence("CAAQAA=="), None);
    }

    proptest! {
        #[test]
        fn every_number_survives_its_id(sequence in 0..u64::MAX >> 2) {
            let ids = MessageIds::new();
            prop_assert_eq!(ids.sequence(&ids.uuid(sequence).to_string()), Some(sequence));
        }
    }
}
