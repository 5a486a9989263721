//! An error type with the options of its attributes.

use proc_macro2::TokenStream;
use syn::{DeriveInput, LitStr, Path, Type};

use crate::mistakes::Mistakes;

/// A type with the derive.
pub(super) struct ErrorSource<'a> {
    pub(super) item: &'a DeriveInput,
    /// The code in the attribute of the type itself.
    pub(super) code: Option<LitStr>,
    pub(super) krate: Path,
    pub(super) cases: Vec<Case>,
    /// The mistakes in the attribute of the type itself.
    pub(super) mistakes: Mistakes,
}

/// A kind of the error: a variant, or the struct itself.
pub(super) struct Case {
    pub(super) code: String,
    /// The constructor, such as `Self::ByZero`.
    pub(super) path: TokenStream,
    pub(super) fields: Vec<Field>,
    /// Whether the fields have names.
    pub(super) is_named: bool,
    /// The mistakes in the attribute of the variant.
    pub(super) mistakes: Mistakes,
}

pub(super) struct Field {
    /// The name, or the number.
    pub(super) member: syn::Member,
    pub(super) ty: Type,
    /// Whether the field is not sent.
    pub(super) is_skipped: bool,
    /// The mistakes in its attribute.
    pub(super) mistakes: Mistakes,
}
