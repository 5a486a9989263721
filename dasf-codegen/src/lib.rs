//! Typed clients in Rust, Python and TypeScript from the description that a DASF module gives of
//! itself.

pub mod description;
mod names;
