//! The modules, one in each file. A file has the name of its annotated `mod`.
#![allow(clippy::module_inception)]

pub(crate) mod arithmetic;
pub(crate) mod monte_carlo;
pub(crate) mod reference;
