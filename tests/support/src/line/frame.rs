//! The frames of WebSockets.

use dasf::protocol::link::{FrameKind, Header};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the program to the broker.
    ToBroker,
    /// From the broker to the program.
    FromBroker,
}

/// The kind of a frame. Of several MQTT packets in one frame, the first one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The broker has accepted messages, or refused one.
    Receipt,
    /// An MQTT broker has accepted a message that nobody reads.
    Unread,
    /// The broker delivers a request, in JSON.
    Request,
    /// The broker delivers any other message.
    Message,
    /// The program acknowledges messages.
    Acknowledgement,
    /// Any other frame.
    Other,
}

/// The number of kinds.
pub(super) const KINDS: usize = 6;

/// What comes from a peer.
pub(super) struct Source {
    pub(super) reader: OwnedReadHalf,
    bytes: Vec<u8>,
}

impl Source {
    pub(super) fn new(reader: OwnedReadHalf) -> Self {
        let bytes = Vec::with_capacity(16 << 10);
        Self { reader, bytes }
    }

    /// Reads more. Returns whether something came.
    async fn more(&mut self) -> bool {
        matches!(self.reader.read_buf(&mut self.bytes).await, Ok(1..))
    }

    /// Returns the request or the answer of the handshake.
    pub(super) async fn head(&mut self) -> Option<Vec<u8>> {
        const END: &[u8] = b"\r\n\r\n";
        loop {
            let end = self.bytes.windows(END.len()).position(|it| it == END);
            if let Some(end) = end {
                return Some(self.bytes.drain(..end + END.len()).collect());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Returns the next frame.
    pub(super) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::split_off(&mut self.bytes) {
                return Some(frame);
            }
            if !self.more().await {
                return None;
            }
        }
    }
}

/// A frame of a WebSocket.
pub(super) struct Frame {
    /// All of it, as it came.
    pub(super) bytes: Vec<u8>,
    payload: Vec<u8>,
}

impl Frame {
    /// Takes a frame from the beginning of the bytes, if it is there.
    fn split_off(bytes: &mut Vec<u8>) -> Option<Self> {
        let second = *bytes.get(1)?;
        let (length, mut start) = match second & 0x7f {
            126 => (
                u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
                4,
            ),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            length => (u64::from(length), 2),
        };
        let mut mask = [0; 4];
        if second & 0x80 != 0 {
            mask.copy_from_slice(bytes.get(start..start + 4)?);
            start += 4;
        }
        let end = start + usize::try_from(length).ok()?;
        if bytes.len() < end {
            return None;
        }
        let frame: Vec<u8> = bytes.drain(..end).collect();
        let masked = frame[start..].iter().zip(mask.iter().cycle());
        let payload = masked.map(|(byte, mask)| byte ^ mask).collect();
        Some(Self {
            bytes: frame,
            payload,
        })
    }

    /// Returns whether it is a text or a binary frame, and all of it.
    pub(super) fn is_message(&self) -> bool {
        matches!(self.bytes.first(), Some(0x81 | 0x82))
    }

    /// Returns whether its message goes on in the next frame: it is a header of a link without its payload.
    pub(super) fn goes_on(&self) -> bool {
        self.bytes.first() == Some(&0x82)
            && self.payload.first().is_some_and(|byte| byte & 0x80 != 0)
    }

    fn is_text(&self) -> bool {
        self.bytes.first() == Some(&0x81)
    }

    fn contains(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.payload.windows(text.len()).any(|it| it == text)
    }

    pub(super) fn kind(&self, way: Way, is_mqtt: bool) -> Kind {
        if !self.is_message() {
            return Kind::Other;
        }
        if is_mqtt {
            return self.mqtt_kind(way);
        }
        if self.is_text() {
            return match way {
                Way::ToBroker if self.contains("\"properties\"") => Kind::Other,
                Way::ToBroker => Kind::Acknowledgement,
                Way::FromBroker if self.contains("\"result\"") => Kind::Receipt,
                Way::FromBroker => self.delivery_kind(),
            };
        }
        let header = self.payload.clone().into();
        let header = Header::read(&header).map(|(header, _)| header.kind);
        match header {
            Ok(FrameKind::Accepted) => Kind::Receipt,
            Ok(FrameKind::Message) => self.delivery_kind(),
            Ok(FrameKind::Acknowledge) => Kind::Acknowledgement,
            _ => Kind::Other,
        }
    }

    /// Some brokers write a space after a colon.
    fn delivery_kind(&self) -> Kind {
        let is_request = [r#""messageType":"request""#, r#""messageType": "request""#]
            .iter()
            .any(|property| self.contains(property));
        match is_request {
            true => Kind::Request,
            false => Kind::Message,
        }
    }

    fn mqtt_kind(&self, way: Way) -> Kind {
        /// The reason code "No matching subscribers".
        const UNREAD: u8 = 0x10;
        match (way, &self.payload[..]) {
            (Way::FromBroker, [0x40, 3 | 4, _, _, UNREAD, ..]) => Kind::Unread,
            (Way::FromBroker, [0x40, ..]) => Kind::Receipt,
            (Way::FromBroker, [0x30..=0x3f, ..]) => Kind::Message,
            (Way::ToBroker, [0x40, ..]) => Kind::Acknowledgement,
            _ => Kind::Other,
        }
    }
}
