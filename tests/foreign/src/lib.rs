//! Modules in a library, written in surroundings that are unlike those of dasf's own examples:
//! the crate `dasf` has another name, nothing is in the prelude, every public item must be
//! documented, and some types are called as everybody's are.

#![no_implicit_prelude]
#![deny(missing_docs, warnings)]
// What is taken by value, and what fails, is what the tests are about.
#![allow(clippy::missing_errors_doc, clippy::needless_pass_by_value)]

pub mod bare;
pub mod conditional;
pub mod namesakes;
