//! Modules in unusual crates: a library in which the crate `dasf` has another name, the prelude is
//! empty, every public item must be documented, and some types have the names of well-known types.

#![no_implicit_prelude]
#![deny(missing_docs, warnings)]
// The tests need arguments by value, and functions that fail.
#![allow(clippy::missing_errors_doc, clippy::needless_pass_by_value)]

pub mod bare;
pub mod conditional;
pub mod namesakes;
