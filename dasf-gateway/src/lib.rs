//! HTTP, `OpenAPI` and a page for DASF modules, in front of any message broker.

mod body;
mod definitions;
mod description;
mod events;
mod forms;
mod gateway;
mod guard;
mod jobs;
mod modules;
pub mod openapi;
mod options;
mod preferences;
mod problem;
mod serve;
mod signature;
mod users;

pub use gateway::Gateway;
pub use options::{Options, OptionsError};
