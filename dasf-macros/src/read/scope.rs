//! The meaning of names inside a module.

use syn::{Path, parse_quote};

use crate::types::TypeNames;

/// The crates and types that names in the tokens of a member stand for.
pub(super) struct Scope<'a> {
    /// The path of the crate `dasf`.
    pub(super) krate: &'a Path,
    pub(super) type_names: &'a TypeNames,
}

impl Scope<'_> {
    /// Returns the path of the trait that gives the value of a `Result` with another name.
    pub(super) fn fallible(&self) -> Path {
        let krate = self.krate;
        parse_quote!(#krate::__private::Fallible)
    }
}
