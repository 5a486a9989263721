//! Types of arguments and results whose JSON form no other crate gives them.
//!
//! A function of a module takes and returns any type that has a JSON form and a JSON Schema. This
//! crate is for data that has neither of its own, or another one than the callers of today
//! understand. The crate `dasf` re-exports it.

#[cfg(feature = "netcdf")]
pub mod netcdf;
