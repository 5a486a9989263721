//! The texts, with the sizes of the frames of dasf.

use dasf_bench_load::{AnyError, Work};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The size of a message of `add`: the mean of request (222 bytes) and response (151), and of the same
/// with what the broker adds (322 and 251).
const MESSAGE: usize = 236;
/// The mean size of the envelope around their payloads.
const ENVELOPE: usize = 212;
/// The size of the JSON around the text in a request of `echo`.
const ARGUMENTS: usize = 30;
/// The largest base64 text in one frame: 700 KiB of payload.
const PIECE: usize = 700 * 1024 / 3 * 4;
/// What the broker answers to a sender.
const RECEIPT: usize = 80;
/// What a reader answers to the broker.
const ACKNOWLEDGEMENT: usize = 53;
/// The number of digits in the client, and in the number of the frames of a message.
const DIGITS: usize = 8;

pub(crate) fn receipt() -> Utf8Bytes {
    "r".repeat(RECEIPT).into()
}

pub(crate) fn acknowledgement() -> Utf8Bytes {
    "a".repeat(ACKNOWLEDGEMENT).into()
}

/// Returns the frames of a request. Each begins with the number of the client, which tells the server
/// where to send the answer, and the number of frames. The answer consists of the same frames.
pub(crate) fn request(client: usize, work: Work) -> Vec<Utf8Bytes> {
    let base64 = match work {
        Work::Add | Work::Wait(_) => MESSAGE - ENVELOPE,
        Work::Echo(bytes) => (bytes + ARGUMENTS).div_ceil(3) * 4,
    };
    let frames = base64.div_ceil(PIECE);
    (0..frames)
        .map(|index| {
            let piece = (base64 - index * PIECE).min(PIECE);
            let size = ENVELOPE - 2 * DIGITS + piece;
            format!("{client:0DIGITS$}{frames:0DIGITS$}{}", "x".repeat(size)).into()
        })
        .collect()
}

/// Returns the client and the number of frames in the head of a frame.
pub(crate) fn head(frame: &str) -> Result<(usize, usize), AnyError> {
    let number = |start| -> Result<usize, AnyError> {
        let digits = frame.get(start..start + DIGITS);
        Ok(digits.ok_or("a frame is too short")?.parse()?)
    };
    Ok((number(0)?, number(DIGITS)?))
}
