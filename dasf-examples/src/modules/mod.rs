//! The modules, a file each. A file has the name of the one annotated `mod` in it.
#![allow(clippy::module_inception)]

pub(crate) mod arithmetic;
pub(crate) mod monte_carlo;
pub(crate) mod reference;
