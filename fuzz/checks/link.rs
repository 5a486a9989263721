//! Any bytes as the frames of a link are errors, or frames that are written as they were read.

use bytes::Bytes;
use dasf::protocol::link::{Header, Joiner};

/// The first byte is the size of the first frame, and so on.
pub(crate) fn check(mut bytes: &[u8]) {
    let mut joiner = Joiner::default();
    while let Some((size, rest)) = bytes.split_first() {
        let (frame, rest) = rest.split_at(rest.len().min(usize::from(*size)));
        bytes = rest;
        if let Some((frame, payload)) = joiner.join(Bytes::copy_from_slice(frame)) {
            check_frame(&frame, payload);
        }
    }
}

fn check_frame(frame: &Bytes, apart: Option<Bytes>) {
    let with_properties = Header::read_with_properties(frame);
    let (header, payload) = match Header::read(frame) {
        Ok(read) => read,
        Err(error) => {
            assert!(with_properties.is_err(), "{error}");
            return;
        }
    };
    let (other, _) = with_properties.unwrap();
    assert_eq!(other.properties.is_some(), header.properties.is_some());
    let payload = apart.unwrap_or(payload);
    let written = header.frame(&payload);
    let (again, rest) = Header::read(&written).unwrap();
    assert_eq!(rest, payload);
    assert_eq!(format!("{again:?}"), format!("{header:?}"));
}
