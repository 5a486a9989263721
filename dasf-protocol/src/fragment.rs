//! Cuts payloads that do not fit in one frame into fragments, and joins them again.
//!
//! Readers join the base64 text of the fragments, and decode the whole text. Each fragment has its own
//! frame with the properties `fragment` (from 0) and `num_fragments`. Other programs encode the whole
//! payload once and cut the text anywhere. [`split`] cuts the bytes so that the joined text is the same.
//! A payload that fits in one frame must not be cut. Python's client cannot join fragments, and the TypeScript
//! client hangs on a payload of one fragment.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::payload::Payload;
use crate::properties::{Properties, key};

/// Cuts a payload into pieces whose base64 text has at most `width` characters, but at least four. The
/// pieces share the memory of the payload.
///
/// ```
/// use bytes::Bytes;
///
/// let payload = Bytes::from("12345678");
/// let pieces: Vec<Bytes> = dasf_protocol::fragment::split(&payload, 5).collect();
/// assert_eq!(pieces, ["123", "456", "78"]);
/// ```
pub fn split(payload: &Bytes, width: usize) -> impl ExactSizeIterator<Item = Bytes> {
    // Three bytes are four characters, without padding.
    let size = (width / 4).max(1) * 3;
    (0..payload.len().div_ceil(size)).map(move |index| {
        let start = index * size;
        payload.slice(start..payload.len().min(start + size))
    })
}

/// The position of a fragment in its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The index, from 0.
    pub index: usize,
    /// The number of fragments, at least 1.
    pub count: usize,
}

impl Position {
    /// Reads the position from a message's properties. Returns `None` for a complete message.
    ///
    /// # Errors
    /// Returns [`FragmentError::Position`] if only one of the two numbers is present, or if they
    /// contradict each other.
    pub fn of(properties: &Properties) -> Result<Option<Self>, FragmentError> {
        let number = |key| {
            let value = properties.get(key).filter(|value| !value.is_null());
            value.map(|_| {
                properties
                    .integer(key)
                    .and_then(|n| usize::try_from(n).ok())
            })
        };
        match (number(key::FRAGMENT), number(key::NUM_FRAGMENTS)) {
            (None, None) => Ok(None),
            (Some(Some(index)), Some(Some(count))) if index < count => {
                Ok(Some(Self { index, count }))
            }
            _ => Err(FragmentError::Position),
        }
    }
}

/// The reason why fragments cannot be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// `fragment` and `num_fragments` are not integers with `fragment` less than `num_fragments`.
    #[error(
        "the properties fragment and num_fragments must be integers with fragment < num_fragments"
    )]
    Position,
    /// Two fragments of one payload have different values of `num_fragments`.
    #[error("the fragments of one payload disagree on num_fragments: {expected} and {found}")]
    Count {
        /// The value of the first fragment.
        expected: usize,
        /// The value of this fragment.
        found: usize,
    },
    /// The unfinished payloads would take more memory than allowed.
    #[error("the fragments of unfinished payloads exceed the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes, for all payloads together.
        limit: usize,
    },
}

/// Returns the memory for a payload of `count` fragments before its first fragment.
fn announced_size(count: usize) -> usize {
    count.saturating_mul(ENTRY_SIZE).saturating_add(OVERHEAD)
}

/// Joins the fragments of many payloads, within a limit on memory.
///
/// Fragments may come in any order and more than once. If a fragment breaks the rules, its whole
/// payload is dropped.
///
/// ```
/// use std::time::Instant;
/// use dasf_protocol::fragment::{Position, Reassembler};
/// use dasf_protocol::payload::Payload;
///
/// let mut reassembler = Reassembler::new(4096);
/// let now = Instant::now();
/// let piece = Payload::from_base64;
/// assert_eq!(reassembler.insert("call 1", Position { index: 1, count: 2 }, piece("M="), now)?, None);
/// let whole = reassembler.insert("call 1", Position { index: 0, count: 2 }, piece("MT"), now)?;
/// assert_eq!(whole, Some(piece("MTM=")));
/// # Ok::<(), dasf_protocol::fragment::FragmentError>(())
/// ```
#[derive(Debug)]
pub struct Reassembler<K> {
    limit: usize,
    held: usize,
    partial: HashMap<K, Partial>,
}

#[derive(Debug)]
struct Partial {
    pieces: Vec<Option<Payload>>,
    missing: usize,
    size: usize,
    last_seen: Instant,
}

/// The memory for one entry in a payload's list of pieces. A message that announces many fragments
/// costs this much for each, before it brings any data.
const ENTRY_SIZE: usize = size_of::<Option<Payload>>();
/// The memory for an unfinished payload besides its pieces, including its key.
const OVERHEAD: usize = 512;
/// One payload may announce fragments for at most the limit divided by this number. So a single
/// message cannot block all others.
const ANNOUNCEMENT_SHARE: usize = 8;

impl<K: Eq + Hash> Reassembler<K> {
    /// Returns a reassembler for at most `limit` bytes of unfinished payloads.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            held: 0,
            partial: HashMap::new(),
        }
    }

    /// Adds a fragment. Returns the whole payload if no fragment is missing.
    ///
    /// # Errors
    /// Returns [`FragmentError::Count`] or [`FragmentError::TooLarge`]. The payload's other
    /// fragments are then dropped.
    pub fn insert(
        &mut self,
        key: K,
        position: Position,
        piece: Payload,
        now: Instant,
    ) -> Result<Option<Payload>, FragmentError> {
        let Position { index, count } = position;
        if count == 1 {
            return Ok(Some(piece));
        }
        if !self.partial.contains_key(&key) {
            let size = announced_size(count);
            let is_too_large = size - OVERHEAD > self.limit / ANNOUNCEMENT_SHARE;
            if is_too_large || self.held.saturating_add(size) > self.limit {
                return Err(FragmentError::TooLarge { limit: self.limit });
            }
            self.held += size;
        }
        let room = self.limit - self.held;
        let partial = self.partial.entry(key);
        let mut entry = match partial {
            std::collections::hash_map::Entry::Occupied(entry) => entry,
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert_entry(Partial {
                pieces: vec![None; count],
                missing: count,
                size: announced_size(count),
                last_seen: now,
            }),
        };
        let partial = entry.get_mut();
        let failure = if partial.pieces.len() != count {
            Some(FragmentError::Count {
                expected: partial.pieces.len(),
                found: count,
            })
        } else if partial.pieces[index].is_some() {
            partial.last_seen = now;
            return Ok(None);
        } else if piece.len() > room {
            Some(FragmentError::TooLarge { limit: self.limit })
        } else {
            None
        };
        if let Some(failure) = failure {
            self.held -= entry.remove().size;
            return Err(failure);
        }
        partial.missing -= 1;
        partial.size += piece.len();
        partial.last_seen = now;
        self.held += piece.len();
        partial.pieces[index] = Some(piece);
        if partial.missing > 0 {
            return Ok(None);
        }
        let partial = entry.remove();
        self.held -= partial.size;
        let pieces = partial.pieces.into_iter().flatten();
        Ok(Some(Payload::join(pieces.collect())))
    }

    /// Drops the fragments of a payload that is no longer needed.
    pub fn forget(&mut self, key: &K) {
        if let Some(partial) = self.partial.remove(key) {
            self.held -= partial.size;
        }
    }

    /// Drops the payloads that got no fragment for `age`, and returns their keys.
    pub fn forget_older_than(&mut self, age: Duration, now: Instant) -> Vec<K> {
        let held = &mut self.held;
        self.partial
            .extract_if(|_, partial| {
                let stale = now.saturating_duration_since(partial.last_seen) >= age;
                if stale {
                    *held -= partial.size;
                }
                stale
            })
            .map(|(key, _)| key)
            .collect()
    }

    /// Returns the memory of the unfinished payloads, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::encode;
    use proptest::prelude::*;
    use serde_json::json;

    fn at(index: usize, count: usize) -> Position {
        Position { index, count }
    }

    fn text(base64: &str) -> Payload {
        Payload::from_base64(base64)
    }

    #[test]
    fn a_position_needs_two_sound_numbers() {
        let position = |value| Position::of(&serde_json::from_value(value).unwrap());
        assert_eq!(position(json!({})), Ok(None));
        assert_eq!(
            position(json!({"fragment": null, "num_fragments": null})),
            Ok(None)
        );
        assert_eq!(
            position(json!({"fragment": "0", "num_fragments": "3"})),
            Ok(Some(at(0, 3)))
        );
        for bad in [
            json!({"fragment": 0}),
            json!({"num_fragments": 2}),
            json!({"fragment": 2, "num_fragments": 2}),
            json!({"fragment": -1, "num_fragments": 2}),
            json!({"fragment": "x", "num_fragments": 2}),
            json!({"fragment": 0, "num_fragments": 0}),
        ] {
            assert_eq!(position(bad.clone()), Err(FragmentError::Position), "{bad}");
        }
    }

    #[test]
    fn a_single_fragment_is_whole_at_once() {
        let mut reassembler = Reassembler::new(0);
        assert_eq!(
            reassembler.insert(1, at(0, 1), text("abc"), Instant::now()),
            Ok(Some(text("abc")))
        );
    }

    #[test]
    fn duplicates_change_nothing() {
        let mut reassembler = Reassembler::new(10_000);
        let now = Instant::now();
        assert_eq!(reassembler.insert(1, at(0, 2), text("ab"), now), Ok(None));
        assert_eq!(reassembler.insert(1, at(0, 2), text("xy"), now), Ok(None));
        assert_eq!(
            reassembler.insert(1, at(1, 2), text("cd"), now),
            Ok(Some(text("abcd")))
        );
        assert_eq!(reassembler.held_bytes(), 0);
    }

    #[test]
    fn disagreeing_counts_drop_the_payload() {
        let mut reassembler = Reassembler::new(10_000);
        let now = Instant::now();
        reassembler.insert(1, at(0, 2), text("ab"), now).unwrap();
        let error = reassembler.insert(1, at(2, 3), text("ab"), now);
        assert_eq!(
            error,
            Err(FragmentError::Count {
                expected: 2,
                found: 3
            })
        );
        assert_eq!(reassembler.held_bytes(), 0);
    }

    #[test]
    fn the_limit_covers_pieces_and_announcements() {
        let mut reassembler = Reassembler::new(700);
        let now = Instant::now();
        let too_large = Err(FragmentError::TooLarge { limit: 700 });
        for count in [usize::MAX, 10] {
            assert_eq!(
                reassembler.insert(1, at(0, count), Payload::default(), now),
                too_large
            );
        }
        assert_eq!(reassembler.held_bytes(), 0);
        assert_eq!(
            reassembler.insert(1, at(0, 2), text(&"x".repeat(100)), now),
            Ok(None)
        );
        assert_eq!(
            reassembler.insert(1, at(1, 2), text(&"x".repeat(100)), now),
            too_large
        );
        assert_eq!(reassembler.held_bytes(), 0);
    }

    #[test]
    fn stale_payloads_are_forgotten() {
        let mut reassembler = Reassembler::new(10_000);
        let start = Instant::now();
        reassembler.insert(1, at(0, 2), text("ab"), start).unwrap();
        let later = start + Duration::from_secs(10);
        reassembler.insert(2, at(0, 2), text("ab"), later).unwrap();
        assert_eq!(
            reassembler.forget_older_than(Duration::from_secs(5), later),
            [1]
        );
        reassembler.forget(&2);
        assert_eq!(reassembler.held_bytes(), 0);
    }

    /// Joins pieces that come in another order.
    fn join(pieces: &[Payload], order: prop::sample::Index) -> Payload {
        let count = pieces.len();
        let mut indices: Vec<usize> = (0..count).collect();
        indices.rotate_left(order.index(count));
        indices.reverse();
        let mut reassembler = Reassembler::new(100_000);
        let mut whole = None;
        for (nth, index) in indices.into_iter().enumerate() {
            assert!(whole.is_none(), "complete after {nth} of {count}");
            let piece = pieces[index].clone();
            let inserted = reassembler.insert((), at(index, count), piece, Instant::now());
            whole = inserted.unwrap();
        }
        assert_eq!(reassembler.held_bytes(), 0);
        whole.unwrap()
    }

    proptest! {
        #[test]
        fn a_split_payload_is_joined_again(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            width in 0_usize..50,
            order in any::<prop::sample::Index>(),
        ) {
            let whole = Bytes::from(bytes);
            let pieces: Vec<Bytes> = split(&whole, width).collect();
            // Readers that join the text get the text of the whole.
            let texts: Vec<String> = pieces.iter().map(|piece| encode(piece)).collect();
            prop_assert!(texts.iter().all(|text| text.len() <= width.max(4)));
            prop_assert_eq!(texts.concat(), encode(&whole));
            let pieces: Vec<Payload> = pieces.into_iter().map(Payload::from).collect();
            prop_assert_eq!(join(&pieces, order), Payload::from(whole));
        }

        #[test]
        fn text_that_is_cut_anywhere_is_joined_again(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            width in 1_usize..50,
            order in any::<prop::sample::Index>(),
        ) {
            let whole = encode(&bytes);
            let pieces = whole.as_bytes().chunks(width);
            let pieces = pieces.map(|piece| text(std::str::from_utf8(piece).unwrap()));
            let pieces: Vec<Payload> = pieces.collect();
            prop_assert_eq!(join(&pieces, order), Payload::from(Bytes::from(bytes)));
        }
    }
}
