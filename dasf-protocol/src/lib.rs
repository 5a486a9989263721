//! Reads and writes the messages that DASF programs exchange over a message broker.
//!
//! The crate covers frames, properties, payloads, fragments, progress reports and the API
//! description of a module. It does no I/O.
//!
//! The protocol has no published specification. This crate follows the programs that use it, as
//! read in their sources and measured: Python `demessaging` 0.6.4 with `deprogressapi` 0.4.3, the
//! broker `dasf-broker-django` 0.0.1.dev1 with its TypeScript client, and the WebSocket API of
//! Apache Pulsar.
//!
//! | module | content |
//! |---|---|
//! | [`topic`] | the names of topics and subscriptions |
//! | [`frame`] | the JSON objects on a WebSocket: publish, receipt, delivery, acknowledgement |
//! | [`link`] | the frames of one WebSocket for all topics of a process |
//! | [`properties`] | the routing data in a frame: message type, request context, response topic … |
//! | [`payload`] | conversion between a payload and a request, a result or an error text |
//! | [`fragment`] | payloads cut into several frames |
//! | [`problem`] | the problems of a value, as the text of an error lists them |
//! | [`progress`] | the tree of progress reports of a running call |
//! | [`error_info`] | the code and the details of an error |
//! | [`hold`] | how a reader makes a topic keep its messages |
//! | [`job`] | calls whose answers a broker keeps |
//! | [`api_info`] | the API description of a module |
//! | [`put_aside`] | the error of a request that ended the modules that ran it |
//! | [`reference`](mod@reference) | the targets of `$ref` in the schemas of an API description |
//! | [`text`] | strings from files and environment variables |
//! | [`time`] | the times of brokers |
//! | [`trace`] | the traces to which calls belong |

pub mod api_info;
mod ascii_json;
pub mod error_info;
pub mod fragment;
pub mod frame;
pub mod hold;
pub mod job;
mod json;
pub mod link;
mod message_id;
pub mod origin;
pub mod payload;
pub mod problem;
pub mod progress;
pub mod properties;
pub mod put_aside;
pub mod reference;
pub mod text;
pub mod time;
pub mod topic;
pub mod trace;

pub use error_info::ErrorInfo;
pub use frame::{
    Acknowledgement, Begun, Delivery, FrameError, NegativeAcknowledgement, Publish, Receipt,
};
pub use job::{JobId, JobIdError, JobState};
pub use message_id::MessageId;
pub use properties::{MessageType, Properties, Status};
pub use topic::{Subscription, Topic, TopicError};
pub use trace::{SpanId, TraceContext, TraceError, TraceId};
