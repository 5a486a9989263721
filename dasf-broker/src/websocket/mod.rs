//! One WebSocket: the driver reads and writes frames, and the role of the socket gives them their
//! meaning.

mod consumer;
mod driver;
mod link;
mod outgoing;
mod producer;
mod role;
mod throttle;

#[cfg(test)]
mod test_peer;

pub(crate) use consumer::ConsumerRole;
pub(crate) use driver::{End, MAX_UNREAD_PONGS, Signals, drive};
pub(crate) use link::LinkRole;
pub(crate) use outgoing::Outgoing;
pub(crate) use producer::ProducerRole;
pub(crate) use role::Role;
