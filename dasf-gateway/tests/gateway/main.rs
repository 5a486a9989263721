//! Whole tests of the gateway: HTTP on one side, modules behind brokers on the other.

// A test and its helpers panic when they fail.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub
)]

mod calls;
mod events;
mod forms;
mod http;
mod jobs;
mod python;
mod statuses;
mod support;
