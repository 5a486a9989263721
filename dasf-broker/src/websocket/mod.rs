//! One WebSocket: the driver reads and writes frames, and the role of the socket gives them their
//! meaning.

mod driver;

pub(crate) use driver::{ConsumerRole, End, ProducerRole, Role, drive};
