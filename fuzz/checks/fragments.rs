//! Any fragments are joined, or give an error. They need about as much memory as has come.

use bytes::Bytes;
use dasf::protocol::fragment::{Assembly, Joined, Position, split};
use dasf::protocol::payload::Payload;

/// The memory of an assembly and of a fragment besides their content.
const OVERHEAD: usize = 2048;

/// The first two bytes are the number of fragments and the order. Then each fragment has two bytes for its position
/// and its size.
pub(crate) fn check(bytes: &[u8]) {
    let [count, order, rest @ ..] = bytes else {
        return;
    };
    join_any(usize::from(*count) + 1, rest);
    join_all(rest, usize::from(*count) + 1, usize::from(*order));
}

/// Joins what comes.
fn join_any(count: usize, mut bytes: &[u8]) {
    let mut assembly = Assembly::new(count);
    let (mut fragments, mut came) = (1, 0);
    while let [index, size, rest @ ..] = bytes {
        let (piece, rest) = rest.split_at(rest.len().min(usize::from(*size)));
        bytes = rest;
        let payload = match str::from_utf8(piece) {
            Ok(text) if size % 2 == 0 => Payload::from_base64(text),
            _ => Payload::from(Bytes::copy_from_slice(piece)),
        };
        fragments += 1;
        came += payload.len();
        let position = Position {
            index: usize::from(*index),
            count,
        };
        match assembly.insert(position, payload) {
            Ok(Joined::Complete(whole)) => {
                assert!(whole.len() <= came);
                return;
            }
            Ok(Joined::Incomplete | Joined::Duplicate) => {}
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return;
            }
        }
        let held = assembly.held_bytes();
        assert!(held <= 4 * came + OVERHEAD * fragments, "{held} for {came}");
    }
}

/// Cuts the bytes, and joins the pieces in another order.
fn join_all(bytes: &[u8], size: usize, order: usize) {
    let whole = Bytes::copy_from_slice(bytes);
    let mut pieces: Vec<_> = split(&whole, size).enumerate().collect();
    let count = pieces.len();
    if count < 2 {
        return;
    }
    pieces.rotate_left(order % count);
    if order % 2 == 1 {
        pieces.reverse();
    }
    let mut assembly = Assembly::new(count);
    let mut joined = None;
    for (index, piece) in pieces {
        match assembly.insert(Position { index, count }, piece.into()) {
            Ok(Joined::Complete(bytes)) => joined = Some(bytes),
            Ok(other) => assert_eq!(other, Joined::Incomplete),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(joined, Some(whole));
}
