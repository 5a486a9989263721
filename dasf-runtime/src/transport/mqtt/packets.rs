//! Reads and writes MQTT packets in the byte stream of WebSocket frames.

use bytes::BytesMut;
use mqtt_proto::v5::{
    Connack, Disconnect, ErrorV5, Header, Packet, PacketType, Puback, Publish, Suback, Unsuback,
};
use mqtt_proto::{Encodable, Pid, QoS, VarBytes};
use tokio_tungstenite::tungstenite::Message;

use crate::transport::websocket::MAX_FRAME_SIZE;

/// The largest packet accepted from a broker. The login announces this limit.
pub(super) const MAX_PACKET_SIZE: usize = MAX_FRAME_SIZE;

/// A packet from the broker that matters here.
#[derive(Debug, PartialEq)]
pub(super) enum Received {
    Connack(Connack),
    Publish(Result<Publish, Unreadable>),
    Puback(Puback),
    Suback(Suback),
    Unsuback(Unsuback),
    Pingresp,
    Disconnect(Disconnect),
    Other,
}

/// A message that cannot be read. Brokers forward the bytes of its sender and keep the connection
/// open, so this message would come again on every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The number for its acknowledgement, if it needs one.
    pub(super) pid: Option<Pid>,
}

/// Cuts packets out of the received frames. A frame may contain several packets or a part of one.
#[derive(Debug, Default)]
pub(super) struct Packets {
    bytes: BytesMut,
}

impl Packets {
    /// Accepts a frame. Only binary frames contain packets.
    pub(super) fn accept(&mut self, frame: Message) {
        if let Message::Binary(bytes) = frame {
            self.bytes.extend_from_slice(&bytes);
        }
    }

    /// Returns the next complete packet.
    ///
    /// # Errors
    /// Returns why the bytes are not packets, or that the packet is too large. Its size is known
    /// before it is complete.
    pub(super) fn next(&mut self) -> Result<Option<Received>, String> {
        let Some((length, start)) = remaining_length(&self.bytes)? else {
            return Ok(None);
        };
        let total = start + length;
        if total > MAX_PACKET_SIZE {
            return Err(format!(
                "the broker sends a packet of {total} bytes, more than the allowed {MAX_PACKET_SIZE}"
            ));
        }
        if self.bytes.len() < total {
            return Ok(None);
        }
        let packet = self.bytes.split_to(total);
        let received =
            decode(&packet, start).map_err(|error| format!("not an MQTT packet: {error}"));
        received.map(Some)
    }
}

/// Returns the length that a packet announces, and where the counted bytes begin; `None` while they
/// are not complete.
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut length = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 2)));
        }
    }
    if bytes.len() > 4 {
        return Err("not an MQTT packet: its length has more than 4 bytes".to_owned());
    }
    Ok(None)
}

/// Decodes a packet whose counted bytes begin at `start`.
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
        PacketType::Publish => Received::Publish(match Publish::decode(packet, at, header) {
            Ok(publish) => Ok(publish),
            Err(error) => Err(unreadable(packet, start, header.qos).ok_or(error)?),
        }),
        PacketType::Puback => Received::Puback(Puback::decode(packet, at, header)?),
        PacketType::Suback => Received::Suback(Suback::decode(packet, at, header)?),
        PacketType::Unsuback => Received::Unsuback(Unsuback::decode(packet, at, header)?),
        PacketType::Pingresp => Received::Pingresp,
        PacketType::Disconnect => Received::Disconnect(Disconnect::decode(packet, at, header)?),
        _ => Received::Other,
    })
}

/// Returns the known parts of a message that cannot be decoded; `None` if it ends before its
/// number.
fn unreadable(packet: &[u8], start: usize, qos: QoS) -> Option<Unreadable> {
    let number = |at: usize| {
        let bytes = packet.get(at..at.checked_add(2)?)?;
        bytes.try_into().ok().map(u16::from_be_bytes)
    };
    let topic_length = usize::from(number(start)?);
    let pid = match qos {
        QoS::Level0 => None,
        QoS::Level1 | QoS::Level2 => Some(Pid::try_from(number(start + 2 + topic_length)?).ok()?),
    };
    Some(Unreadable { pid })
}

/// Returns the frame of a packet.
///
/// # Errors
/// Returns why the packet cannot be encoded.
pub(super) fn frame(packet: &Packet) -> Result<Message, String> {
    let bytes = packet.encode().map_err(|error| error.to_string())?;
    Ok(match bytes {
        VarBytes::Dynamic(bytes) => Message::binary(bytes),
        short => Message::binary(short.as_ref().to_vec()),
    })
}

/// Returns one frame of several packets.
///
/// # Errors
/// The same as [`frame`].
pub(super) fn frame_of(packets: &[Packet]) -> Result<Message, String> {
    let mut frame = Vec::new();
    for packet in packets {
        let bytes = packet.encode().map_err(|error| error.to_string())?;
        frame.extend_from_slice(bytes.as_ref());
    }
    Ok(Message::binary(frame))
}

/// Returns the size of a message as a packet, in bytes.
pub(super) fn size(publish: &Publish) -> usize {
    let body = publish.encode_len();
    // A body that is too long for a packet's length field exceeds every limit.
    mqtt_proto::total_len(body).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mqtt_proto::{Pid, QosPid, TopicName};
    use proptest::prelude::*;

    use super::*;

    fn message(payload: Vec<u8>) -> Publish {
        let topic = TopicName::try_from("dasf/demo").unwrap();
        Publish::new(QosPid::Level1(Pid::default()), topic, Bytes::from(payload))
    }

    fn encoded(publish: &Publish) -> Vec<u8> {
        let frame = frame(&Packet::Publish(publish.clone())).unwrap();
        frame.into_data().to_vec()
    }

    #[test]
    fn a_packet_that_announces_too_much_is_refused_before_it_comes() {
        let mut packets = Packets::default();
        packets.accept(Message::binary(vec![0x30, 0xff, 0xff, 0xff, 0x7f]));
        let error = packets.next().unwrap_err();
        assert!(error.contains("268435460 bytes"), "{error}");
    }

    #[test]
    fn a_length_that_does_not_end_is_refused() {
        let mut packets = Packets::default();
        packets.accept(Message::binary(vec![0x30, 0xff, 0xff, 0xff]));
        assert_eq!(packets.next(), Ok(None));
        packets.accept(Message::binary(vec![0xff]));
        assert!(packets.next().is_err());
    }

    #[test]
    fn frames_of_text_hold_no_packets() {
        let mut packets = Packets::default();
        packets.accept(Message::text("0123456789"));
        assert_eq!(packets.next(), Ok(None));
    }

    #[test]
    fn a_message_that_nobody_can_read_is_known_by_its_number() {
        // The text of this message should be UTF-8 but is not.
        let wrong_payload = b"\x32\x0a\x00\x02ab\x00\x07\x02\x01\x01\xff";
        // Its Response Topic is a filter that matches several topics.
        let wrong_topic = b"\x32\x0d\x00\x02ab\x00\x07\x06\x08\x00\x03a/#";
        for packet in [&wrong_payload[..], &wrong_topic[..]] {
            let mut packets = Packets::default();
            packets.accept(Message::binary(packet.to_vec()));
            packets.accept(Message::binary(vec![0xd0, 0]));
            let unreadable = Unreadable {
                pid: Pid::try_from(7).ok(),
            };
            let received = packets.next().unwrap();
            assert_eq!(received, Some(Received::Publish(Err(unreadable))));
            assert_eq!(packets.next(), Ok(Some(Received::Pingresp)));
        }
        // A message without acknowledgement has no number.
        let mut packets = Packets::default();
        packets.accept(Message::binary(&b"\x30\x08\x00\x02ab\x02\x01\x01\xff"[..]));
        let received = packets.next().unwrap();
        let unreadable = Unreadable { pid: None };
        assert_eq!(received, Some(Received::Publish(Err(unreadable))));
        let mut packets = Packets::default();
        packets.accept(Message::binary(&b"\x32\x05\x00\x02ab\x00"[..]));
        assert!(packets.next().is_err());
    }

    proptest! {
        #[test]
        fn packets_come_out_however_the_bytes_are_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
            width in 1_usize..400,
        ) {
            let sent: Vec<_> = payloads.into_iter().map(message).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(encoded).collect();
            let mut packets = Packets::default();
            let mut received = Vec::new();
            for piece in bytes.chunks(width) {
                packets.accept(Message::binary(piece.to_vec()));
                while let Some(packet) = packets.next().unwrap() {
                    received.push(packet);
                }
            }
            let sent: Vec<_> = sent.into_iter().map(Ok).map(Received::Publish).collect();
            prop_assert_eq!(received, sent);
        }

        #[test]
        fn the_size_is_that_of_the_packet(length in 0_usize..20_000) {
            let publish = message(vec![0; length]);
            prop_assert_eq!(size(&publish), encoded(&publish).len());
        }

        #[test]
        fn no_bytes_from_the_wire_panic(
            first in any::<u8>(),
            body in prop::collection::vec(any::<u8>(), 0..127),
        ) {
            let length = u8::try_from(body.len()).unwrap();
            let mut packets = Packets::default();
            packets.accept(Message::binary([&[first, length][..], &body].concat()));
            let _ = packets.next();
        }

        #[test]
        fn a_packet_with_one_wrong_byte_does_not_panic(
            payload in prop::collection::vec(any::<u8>(), 0..40),
            index in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut publish = message(payload);
            publish.properties.content_type = Some("text".into());
            publish.properties.correlation_data = Some(Bytes::from_static(b"1"));
            let mut bytes = encoded(&publish);
            let index = index.index(bytes.len());
            bytes[index] = byte;
            let mut packets = Packets::default();
            packets.accept(Message::binary(bytes));
            while let Ok(Some(_)) = packets.next() {}
        }
    }
}
