//! A call on its way: an accepted request, then a call whose function is known, then a job.

use dasf_protocol::payload::Payload;
use dasf_protocol::{MessageId, Properties, TraceContext};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::alone::LastAttempt;
use crate::context::Context;
use crate::host::acknowledgement::Unacknowledged;
use crate::host::budget::Charge;
use crate::host::duplicates::Ticket;
use crate::host::redelivery::Redelivery;
use crate::host::reply_to::ReplyTo;
use crate::module::{Invocation, Outcome, Target};
use crate::progress::ReportSink;

/// An accepted request.
pub(in crate::host) struct Request {
    pub(in crate::host) payload: Payload,
    pub(in crate::host) properties: Properties,
    pub(in crate::host) call: Call,
}

/// A call that needs a response, and whose messages need an acknowledgement.
pub(in crate::host) struct Call {
    pub(in crate::host) message_id: MessageId,
    pub(in crate::host) reply: ReplyTo,
    pub(in crate::host) ticket: Ticket,
    /// How many calls had been cancelled before this one came.
    pub(in crate::host) cancellations: u64,
    pub(in crate::host) redelivery: Redelivery,
    pub(in crate::host) message: Unacknowledged,
    /// Counts the call as accepted until it is dropped.
    pub(in crate::host) admitted: OwnedSemaphorePermit,
    /// Counts a large payload until the function has returned.
    pub(in crate::host) charge: Option<Box<Charge>>,
    /// The trace to which the call belongs, with the span of its caller.
    pub(in crate::host) caller_trace: Option<Box<TraceContext>>,
    /// Kept until the response is acknowledged, if this is the last attempt of the request. In a box,
    /// because nearly no call has it.
    pub(in crate::host) last: Option<Box<LastAttempt>>,
}

/// A call whose function is found, and what the function needs.
pub(super) struct Ready {
    pub(super) call: Call,
    pub(super) target: Target,
    pub(super) context: Context,
    pub(super) report: Option<ReportSink>,
    /// When the request had been read, if the log has a line of the end of the call.
    pub(super) begun: Option<Instant>,
}

/// A call of a plain function.
pub(in crate::host) struct Job {
    pub(super) ready: Ready,
    pub(super) function: fn(Invocation) -> Outcome,
    /// Whether the broker knows already that the call begins, if it must know it before the function
    /// runs.
    pub(super) is_ours: bool,
}

impl Job {
    pub(super) fn new(ready: Ready, function: fn(Invocation) -> Outcome) -> Self {
        Self {
            ready,
            function,
            is_ours: false,
        }
    }
}
