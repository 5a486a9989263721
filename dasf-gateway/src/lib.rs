//! HTTP, `OpenAPI` and a page for DASF modules, in front of any message broker.

mod body;
mod description;
mod events;
mod gateway;
mod guard;
mod jobs;
mod modules;
mod options;
mod preferences;
mod problem;
mod serve;
mod users;

pub use gateway::Gateway;
pub use options::{Options, OptionsError};
