//! The attributes that an item passes on to generated code.

use syn::Attribute;

use super::find::named;

/// The attributes of an item that generated code needs.
#[derive(Default)]
pub(crate) struct OuterAttributes {
    /// The documentation comment.
    pub(crate) docs: Vec<Attribute>,
    /// The attributes `#[cfg(…)]`.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) deprecated: Option<Attribute>,
}

impl OuterAttributes {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        Self {
            docs: named(attributes, "doc"),
            conditions: named(attributes, "cfg"),
            deprecated: named(attributes, "deprecated").pop(),
        }
    }
}
