//! What DASF programs send each other over a message broker: the frames, their properties, the
//! payload encodings, fragments, progress reports and the description of a module. No I/O happens
//! here.
//!
//! There is no published specification of the protocol. What this crate encodes was read in, and
//! measured on, the programs that speak it: Python `demessaging` 0.6.4 with `deprogressapi` 0.4.3,
//! the broker `dasf-broker-django` 0.0.1.dev1 with the TypeScript client inside it, and Apache
//! Pulsar's WebSocket API.
//!
//! | module | what it holds |
//! |---|---|
//! | [`topic`] | the names of topics and subscriptions |
//! | [`frame`] | the JSON texts on a WebSocket: publish, receipt, delivery, acknowledgement |
//! | [`properties`] | the routing data inside a frame: message type, request context, response topic … |
//! | [`payload`] | how a request, a result or an error text becomes a payload and back |
//! | [`fragment`] | payloads cut into several frames |
//! | [`progress`] | the report tree of a running call |
//! | [`error_info`] | what an error answer says to a program |
//! | [`api_info`] | a module's description of itself |
//! | [`reference`](mod@reference) | what a `$ref` in the schemas of a description points to |
//! | [`text`] | texts out of files and variables |

pub mod api_info;
pub mod error_info;
pub mod fragment;
pub mod frame;
pub mod payload;
pub mod progress;
pub mod properties;
pub mod reference;
pub mod text;
pub mod topic;

pub use error_info::ErrorInfo;
pub use frame::{Acknowledgement, Delivery, FrameError, NegativeAcknowledgement, Publish, Receipt};
pub use properties::{MessageType, Properties, Status};
pub use topic::{Subscription, Topic, TopicError};
