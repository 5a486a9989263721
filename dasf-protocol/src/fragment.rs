//! Cuts payloads that do not fit in one frame into fragments, and joins them again.
//!
//! Readers join the base64 text of the fragments, and decode the whole text. Each fragment has its own
//! frame with the properties `fragment` (from 0) and `num_fragments`. Other programs encode the whole
//! payload once and cut the text anywhere. [`split`] cuts the bytes so that the joined text is the same.
//! A payload that fits in one frame must not be cut. Python's client cannot join fragments, and the TypeScript
//! client hangs on a payload of one fragment.

use std::collections::BTreeMap;

use base64::{DecodeError, Engine};
use bytes::Bytes;

use crate::payload::{self, Payload, PayloadError, STANDARD};
use crate::properties::{Properties, key};

/// Cuts a payload into pieces of at most `size` bytes. The size is rounded down to a multiple of three, but
/// to no less than three, so that only the last base64 text has padding. The pieces share the memory of the
/// payload.
///
/// ```
/// use bytes::Bytes;
///
/// let payload = Bytes::from("12345678");
/// let pieces: Vec<Bytes> = dasf_protocol::fragment::split(&payload, 5).collect();
/// assert_eq!(pieces, ["123", "456", "78"]);
/// ```
pub fn split(payload: &Bytes, size: usize) -> impl ExactSizeIterator<Item = Bytes> + use<> {
    let size = (size / 3).max(1) * 3;
    let payload = payload.clone();
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
    /// The joined text cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

/// Joins the fragments of one payload. They may come in any order and more than once.
///
/// Fragments that come in their order are joined at once. So an assembly holds about what has come,
/// and reserves at most as much again: a message that announces many fragments costs nothing before
/// they come.
///
/// ```
/// use dasf_protocol::fragment::{Assembly, Joined, Position};
/// use dasf_protocol::payload::Payload;
///
/// let mut assembly = Assembly::new(2);
/// let piece = Payload::from_base64;
/// assert_eq!(assembly.insert(Position { index: 1, count: 2 }, piece("M="))?, Joined::Incomplete);
/// let whole = assembly.insert(Position { index: 0, count: 2 }, piece("MT"))?;
/// assert_eq!(whole, Joined::Complete("13".into()));
/// # Ok::<(), dasf_protocol::fragment::FragmentError>(())
/// ```
#[derive(Debug)]
pub struct Assembly {
    count: usize,
    /// The index of the first fragment that is not joined.
    next: usize,
    start: Start,
    /// The fragments that have come before an earlier one, by index.
    early: BTreeMap<usize, Payload>,
    /// Their size in bytes.
    early_size: usize,
}

/// What has become of a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// Other fragments are missing.
    Incomplete,
    /// This fragment has come before. It has changed nothing.
    Duplicate,
    /// The whole payload.
    Complete(Bytes),
}

/// The memory of an assembly besides its pieces, and of what its owner keeps with it.
const OVERHEAD: usize = 512;
/// The memory of a piece that waits for earlier ones, besides its content.
const EARLY_OVERHEAD: usize = 64;

impl Assembly {
    /// Begins a payload of `count` fragments.
    pub fn new(count: usize) -> Self {
        Self::in_buffer(count, Vec::new())
    }

    /// Begins a payload of `count` fragments, which are joined in this buffer. Its content is cleared.
    pub fn in_buffer(count: usize, mut buffer: Vec<u8>) -> Self {
        payload::keep_memory();
        buffer.clear();
        Self {
            count,
            next: 0,
            start: Start {
                bytes: buffer,
                ..Start::default()
            },
            early: BTreeMap::new(),
            early_size: 0,
        }
    }

    /// Adds a fragment. After an error, the payload cannot be joined any more.
    ///
    /// # Errors
    /// Returns [`FragmentError::Count`] if the fragment belongs to another payload,
    /// [`FragmentError::Position`] if its index is too large, and [`FragmentError::Payload`] if the
    /// joined text is not base64.
    pub fn insert(&mut self, position: Position, piece: Payload) -> Result<Joined, FragmentError> {
        let Position { index, count } = position;
        if count != self.count {
            return Err(FragmentError::Count {
                expected: self.count,
                found: count,
            });
        }
        if index >= count {
            return Err(FragmentError::Position);
        }
        if index < self.next || self.early.contains_key(&index) {
            return Ok(Joined::Duplicate);
        }
        if count == 1 {
            self.next = 1;
            return Ok(Joined::Complete(piece.into_bytes()?));
        }
        if index > self.next {
            self.early_size += piece.len() + EARLY_OVERHEAD;
            self.early.insert(index, piece);
            return Ok(Joined::Incomplete);
        }
        self.join(piece)?;
        while let Some(piece) = self.early.remove(&self.next) {
            self.early_size -= piece.len() + EARLY_OVERHEAD;
            self.join(piece)?;
        }
        if self.next < self.count {
            return Ok(Joined::Incomplete);
        }
        Ok(Joined::Complete(std::mem::take(&mut self.start).finish()?))
    }

    fn join(&mut self, piece: Payload) -> Result<(), PayloadError> {
        self.start.append(piece, self.count - self.next)?;
        self.next += 1;
        Ok(())
    }

    /// Returns how many different fragments have come.
    pub fn received(&self) -> usize {
        self.next + self.early.len()
    }

    /// Returns the memory of the fragments, in bytes.
    pub fn held_bytes(&self) -> usize {
        OVERHEAD + self.start.bytes.capacity() + self.early_size
    }
}

/// The start of a payload.
#[derive(Debug, Default)]
struct Start {
    bytes: Vec<u8>,
    /// The text after that: an incomplete group of four characters, because the base64 text was cut
    /// inside it.
    rest: Vec<u8>,
    /// Whether a text has ended with padding. Nothing may follow it.
    has_ended: bool,
}

impl Start {
    /// Appends the next piece. So many pieces are missing, including this one.
    fn append(&mut self, piece: Payload, missing: usize) -> Result<(), PayloadError> {
        match piece {
            Payload::Bytes(bytes) if self.rest.is_empty() && !self.has_ended => {
                self.reserve(bytes.len(), missing);
                self.bytes.extend_from_slice(&bytes);
                Ok(())
            }
            // Only the whole text is base64. By chance, this piece of it is, too.
            Payload::Bytes(bytes) => self.append_text(payload::encode(&bytes).as_bytes(), missing),
            Payload::Base64(text) => self.append_text(text.as_bytes(), missing),
        }
    }

    fn append_text(&mut self, mut text: &[u8], missing: usize) -> Result<(), PayloadError> {
        self.reserve(text.len().div_ceil(4) * 3, missing);
        if !self.rest.is_empty() {
            let (end, others) = text.split_at(text.len().min(GROUP - self.rest.len()));
            self.rest.extend_from_slice(end);
            text = others;
            if self.rest.len() < GROUP {
                return Ok(());
            }
            let group = std::mem::take(&mut self.rest);
            self.decode(&group)?;
        }
        let (groups, rest) = text.split_at(text.len() / GROUP * GROUP);
        self.decode(groups)?;
        self.rest = rest.to_vec();
        Ok(())
    }

    /// Decodes text with complete groups.
    fn decode(&mut self, text: &[u8]) -> Result<(), PayloadError> {
        if text.is_empty() {
            return Ok(());
        }
        // Bytes that are no complete group have padding behind them.
        if self.has_ended || !self.bytes.len().is_multiple_of(3) {
            return Err(DecodeError::InvalidPadding.into());
        }
        let position = self.bytes.len() / 3 * GROUP;
        STANDARD
            .decode_vec(text, &mut self.bytes)
            .map_err(|error| at(position, error))?;
        self.has_ended = text.ends_with(b"=");
        Ok(())
    }

    /// Makes room for a piece, and for others of its size, but for no more than what is held.
    fn reserve(&mut self, size: usize, missing: usize) {
        if self.bytes.capacity() - self.bytes.len() < size {
            let announced = size.saturating_mul(missing);
            self.bytes
                .reserve_exact(announced.min(self.bytes.len()).max(size));
        }
    }

    fn finish(self) -> Result<Bytes, PayloadError> {
        // The text ends inside a group.
        if let Err(error) = STANDARD.decode(&self.rest) {
            return Err(at(self.bytes.len() / 3 * GROUP, error));
        }
        Ok(self.bytes.into())
    }
}

/// The number of characters that stand for three bytes.
const GROUP: usize = 4;

/// Returns an error in a part of the text that begins at this position.
fn at(position: usize, mut error: DecodeError) -> PayloadError {
    match &mut error {
        DecodeError::InvalidByte(place, _)
        | DecodeError::InvalidLength(place)
        | DecodeError::InvalidLastSymbol { offset: place, .. } => *place += position,
        DecodeError::InvalidPadding => {}
    }
    error.into()
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
        assert_eq!(
            Assembly::new(1).insert(at(0, 1), text("MTM=")),
            Ok(Joined::Complete("13".into()))
        );
        let error = Assembly::new(1).insert(at(0, 1), text("abc"));
        assert!(matches!(error, Err(FragmentError::Payload(_))), "{error:?}");
    }

    #[test]
    fn duplicates_change_nothing() {
        let mut assembly = Assembly::new(3);
        assert_eq!(
            assembly.insert(at(0, 3), text("QUJD")),
            Ok(Joined::Incomplete)
        );
        assert_eq!(
            assembly.insert(at(2, 3), text("SEk=")),
            Ok(Joined::Incomplete)
        );
        let held = assembly.held_bytes();
        for index in [0, 2] {
            assert_eq!(
                assembly.insert(at(index, 3), text("xyzw")),
                Ok(Joined::Duplicate)
            );
        }
        assert_eq!(assembly.held_bytes(), held);
        assert_eq!(
            assembly.insert(at(1, 3), text("REVG")),
            Ok(Joined::Complete("ABCDEFHI".into()))
        );
        assert_eq!(
            assembly.insert(at(1, 3), text("REVG")),
            Ok(Joined::Duplicate)
        );
    }

    #[test]
    fn a_fragment_of_another_payload_is_refused() {
        let mut assembly = Assembly::new(2);
        assembly.insert(at(0, 2), text("QUJD")).unwrap();
        let (expected, found) = (2, 3);
        assert_eq!(
            assembly.insert(at(2, 3), text("QUJD")),
            Err(FragmentError::Count { expected, found })
        );
        assert_eq!(
            assembly.insert(at(2, 2), text("QUJD")),
            Err(FragmentError::Position)
        );
    }

    #[test]
    fn an_announcement_costs_nothing() {
        for count in [2, usize::MAX] {
            let mut assembly = Assembly::new(count);
            for index in [0, count - 2, count - 1] {
                assembly
                    .insert(at(index, count), Payload::default())
                    .unwrap();
            }
            assert!(assembly.held_bytes() < 1000, "{}", assembly.held_bytes());
        }
    }

    #[test]
    fn no_more_memory_is_reserved_than_as_much_again() {
        let piece = Bytes::from(vec![7; 999]);
        for (count, announced) in [(100, 100), (100, usize::MAX)] {
            let mut assembly = Assembly::new(announced);
            for index in 0..count - 1 {
                let joined = assembly.insert(at(index, announced), piece.clone().into());
                assert_eq!(joined, Ok(Joined::Incomplete));
                let held = assembly.held_bytes() - OVERHEAD;
                let size = (index + 1) * piece.len();
                assert!((size..=2 * size).contains(&held), "{held} for {size}");
                assert!(announced > count || held <= count * piece.len());
            }
        }
    }

    #[test]
    fn a_given_buffer_is_used() {
        let buffer = Vec::with_capacity(100);
        let place = buffer.as_ptr();
        let mut assembly = Assembly::in_buffer(2, buffer);
        assert_eq!(assembly.held_bytes(), OVERHEAD + 100);
        assembly.insert(at(0, 2), text("QUJD")).unwrap();
        match assembly.insert(at(1, 2), text("REVG")).unwrap() {
            Joined::Complete(whole) => {
                assert_eq!((whole.as_ptr(), &*whole), (place, &b"ABCDEF"[..]));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_that_is_no_base64_is_refused_at_its_place() {
        let error = |pieces: &[&str]| {
            let count = pieces.len();
            let mut assembly = Assembly::new(count);
            let mut joined = Ok(Joined::Incomplete);
            for (index, piece) in pieces.iter().enumerate() {
                joined = joined.and_then(|_| assembly.insert(at(index, count), text(piece)));
            }
            match joined {
                Err(FragmentError::Payload(PayloadError::Base64(error))) => error,
                other => panic!("{pieces:?}: {other:?}"),
            }
        };
        assert_eq!(error(&["QUJDQ", "U!DQ"]), DecodeError::InvalidByte(6, b'!'));
        assert_eq!(
            error(&["QUJDQ", "UJDQUJ!"]),
            DecodeError::InvalidByte(11, b'!')
        );
        assert_eq!(error(&["QUJDQ", "QA"]), DecodeError::InvalidPadding);
        assert!(matches!(
            error(&["QUJDQ", "U=="]),
            DecodeError::InvalidLastSymbol { offset: 5, .. }
        ));
        assert_eq!(
            error(&["QUJDü", "JDQUJ"]),
            DecodeError::InvalidByte(4, 0xc3)
        );
        // Nothing may follow the padding.
        assert_eq!(
            error(&["QUJDQ", "UI=", "QUJD"]),
            DecodeError::InvalidPadding
        );
        assert_eq!(
            error(&["QUI=", "QUJDQ", "UI="]),
            DecodeError::InvalidPadding
        );
    }

    /// Joins pieces that come in another order.
    fn join(pieces: &[Payload], order: prop::sample::Index) -> Bytes {
        let count = pieces.len();
        let mut indices: Vec<usize> = (0..count).collect();
        indices.rotate_left(order.index(count));
        indices.reverse();
        let mut assembly = Assembly::new(count);
        let mut whole = None;
        for (nth, index) in indices.into_iter().enumerate() {
            assert!(whole.is_none(), "complete after {nth} of {count}");
            let piece = pieces[index].clone();
            if let Joined::Complete(bytes) = assembly.insert(at(index, count), piece).unwrap() {
                whole = Some(bytes);
            }
        }
        assert_eq!(assembly.held_bytes(), OVERHEAD);
        whole.unwrap()
    }

    proptest! {
        #[test]
        fn a_split_payload_is_joined_again(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            size in 0_usize..50,
            order in any::<prop::sample::Index>(),
        ) {
            let whole = Bytes::from(bytes);
            let pieces: Vec<Bytes> = split(&whole, size).collect();
            prop_assert!(pieces.iter().all(|piece| piece.len() <= size.max(3)));
            // Readers that join the text get the text of the whole.
            let texts: Vec<String> = pieces.iter().map(|piece| encode(piece)).collect();
            prop_assert_eq!(texts.concat(), encode(&whole));
            let pieces: Vec<Payload> = pieces.into_iter().map(Payload::from).collect();
            prop_assert_eq!(join(&pieces, order), whole);
        }

        #[test]
        fn bytes_that_are_cut_anywhere_are_joined_again(
            bytes in prop::collection::vec(any::<u8>(), 1..200),
            width in 1_usize..50,
            order in any::<prop::sample::Index>(),
        ) {
            let pieces = bytes.chunks(width).map(Bytes::copy_from_slice);
            let pieces: Vec<Payload> = pieces.map(Payload::from).collect();
            prop_assert_eq!(join(&pieces, order), Bytes::from(bytes));
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
            prop_assert_eq!(join(&pieces, order), Bytes::from(bytes));
        }

        #[test]
        fn no_fragments_panic(
            pieces in prop::collection::vec((0_usize..6, "[A-D=ü]{0,9}"), 1..12),
            count in 1_usize..6,
        ) {
            let mut assembly = Assembly::new(count);
            for (index, piece) in pieces {
                if assembly.insert(at(index, count), text(&piece)).is_err() {
                    break;
                }
            }
        }
    }
}
