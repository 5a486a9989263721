//! What any broker may send.

use tokio_tungstenite::tungstenite::Message;

use super::announcement::Announcement;
use super::packets::{Packets, Received};
use super::{envelope, names};

/// Reads bytes as the frames of a broker: a byte with the size of a frame, the frame, and so on.
pub(crate) fn read(mut bytes: &[u8]) {
    let mut packets = Packets::default();
    while let Some((size, rest)) = bytes.split_first() {
        let (frame, rest) = rest.split_at(rest.len().min(usize::from(*size)));
        bytes = rest;
        packets.accept(Message::binary(frame.to_vec()));
        loop {
            match packets.next() {
                Ok(Some(Received::Publish(Ok(publish)))) => {
                    let _ = names::module(&publish.topic_name);
                    let _ = Announcement::read(&publish.payload);
                    let _ = envelope::delivery(publish);
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(reason) => {
                    assert!(!reason.is_empty());
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    #[test]
    fn saved_frames_are_read_or_refused() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/mqtt");
        let mut count = 0;
        for file in fs::read_dir(folder).unwrap() {
            super::read(&fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 5, "{count} inputs are saved");
    }

    proptest! {
        #[test]
        fn no_frame_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            super::read(&bytes);
        }
    }
}
