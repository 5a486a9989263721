//! Packets in the stream of bytes that WebSocket frames carry.

use bytes::BytesMut;
use mqtt_proto::v5::{
    Connack, Disconnect, ErrorV5, Header, Packet, PacketType, Puback, Publish, Suback,
};
use mqtt_proto::{Encodable, VarBytes};
use tokio_tungstenite::tungstenite::Message;

use crate::transport::socket::MAX_FRAME_SIZE;

/// The largest packet taken from a broker, which is told so.
pub(super) const MAX_PACKET_SIZE: usize = MAX_FRAME_SIZE;

/// What a broker says that matters here.
#[derive(Debug, PartialEq)]
pub(super) enum Received {
    Connack(Connack),
    Publish(Publish),
    Puback(Puback),
    Suback(Suback),
    Disconnect(Disconnect),
    /// Such as the answer to a ping.
    Other,
}

/// Cuts packets out of the frames that come. A frame may hold several packets, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Packets {
    bytes: BytesMut,
}

impl Packets {
    /// Takes a frame; one that is not binary holds no packets.
    pub(super) fn accept(&mut self, frame: Message) {
        if let Message::Binary(bytes) = frame {
            self.bytes.extend_from_slice(&bytes);
        }
    }

    /// The next packet that is complete.
    ///
    /// # Errors
    /// Why the bytes are no packets, or the packet is too large, which shows before it is complete.
    pub(super) fn next(&mut self) -> Result<Option<Received>, String> {
        let Some((length, start)) = remaining_length(&self.bytes)? else {
            return Ok(None);
        };
        let total = start + length;
        if total > MAX_PACKET_SIZE {
            return Err(format!(
                "the broker sends a packet of {total} bytes, more than the {MAX_PACKET_SIZE} it was told to"
            ));
        }
        if self.bytes.len() < total {
            return Ok(None);
        }
        let packet = self.bytes.split_to(total);
        let received = decode(&packet, start).map_err(|error| format!("no MQTT packet: {error}"));
        received.map(Some)
    }
}

/// The length that a packet announces, and where what it counts begins; `None` while that is not
/// there yet.
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut length = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 2)));
        }
    }
    if bytes.len() > 4 {
        return Err("no MQTT packet: its length does not end".to_owned());
    }
    Ok(None)
}

/// Reads a packet, what it counts beginning at `start`.
fn decode(packet: &[u8], start: usize) -> Result<Received, ErrorV5> {
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let total = size(packet.len());
    let body = size(packet.len().saturating_sub(start));
    let mut offset = start;
    let first = packet.first().copied().unwrap_or_default();
    let header = Header::new_with(first, body, total)?;
    let at = &mut offset;
    Ok(match header.typ {
        PacketType::Connack => Received::Connack(Connack::decode(packet, at, header)?),
        PacketType::Publish => Received::Publish(Publish::decode(packet, at, header)?),
        PacketType::Puback => Received::Puback(Puback::decode(packet, at, header)?),
        PacketType::Suback => Received::Suback(Suback::decode(packet, at, header)?),
        PacketType::Disconnect => Received::Disconnect(Disconnect::decode(packet, at, header)?),
        _ => Received::Other,
    })
}

/// The frame of a packet.
///
/// # Errors
/// What the packet holds that none can hold, in words.
pub(super) fn frame(packet: &Packet) -> Result<Message, String> {
    let bytes = packet.encode().map_err(|error| error.to_string())?;
    Ok(match bytes {
        VarBytes::Dynamic(bytes) => Message::binary(bytes),
        short => Message::binary(short.as_ref().to_vec()),
    })
}

/// How many bytes a message makes as a packet.
pub(super) fn size(publish: &Publish) -> usize {
    let body = publish.encode_len();
    // A body of more bytes than a length can express is larger than any limit.
    mqtt_proto::total_len(body).unwrap_or(usize::MAX)
}
