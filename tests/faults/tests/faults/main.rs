//! Calls while their programs are killed and their connections have faults.
//!
//! | module | content |
//! |---|---|
//! | `faults` | every call ends with its own answer or with an error, by its deadline |
//! | `soak` | the memory of all processes stays the same for as long as they run |
//! | `broker`, `modules`, `callers`, `network` | what has the faults |

// A test that fails panics, and the tables are for its reader.
#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod broker;
mod callers;
mod faults;
mod memory;
mod modules;
mod network;
mod soak;
