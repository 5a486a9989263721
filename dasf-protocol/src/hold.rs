//! How a reader makes a topic hold its messages for later readers, as the embedded broker offers it.
//!
//! A consumer asks for it with the parameter [`PARAMETER`] of its URL. The topic then keeps all messages, and
//! each reader with this parameter or with `subscriptionInitialPosition=Earliest` gets them first. Of the
//! progress reports of a call, only the latest one stays.

/// The parameter of a consumer: the seconds for which the topic holds its messages after the last use, or 0 to
/// end that.
pub const PARAMETER: &str = "hold";

/// The header of the response to a handshake with [`PARAMETER`]: the seconds that the broker grants, or 0 if
/// the topic holds no messages.
pub const HOLD: &str = "dasf-hold";

/// The header of the response to a handshake with [`PARAMETER`] or `subscriptionInitialPosition=Earliest`:
/// the number of messages that the reader gets first. It is missing if the topic held no messages before.
pub const HELD: &str = "dasf-held";
