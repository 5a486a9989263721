//! The kind of the values of a type, which decides the constraints that they take.

use syn::Type;

use super::names::{KnownType, TypeNames};
use super::path::{INTEGERS, parameters, type_path, ungrouped};

/// The kind of the values of a type, as far as its tokens show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    Number,
    String,
    /// A string of one character, whose default is a `char`.
    Char,
    List,
    Boolean,
    /// The progress report or the context, which are not data.
    NotData,
    Unknown,
}

/// Returns the type that a constraint applies to: the type inside an `Option` or behind a reference.
pub(crate) fn constrained_type<'t>(ty: &'t Type, names: &TypeNames) -> &'t Type {
    let ty = ungrouped(ty);
    if let Type::Reference(reference) = ty {
        return constrained_type(&reference.elem, names);
    }
    match names.known(ty) {
        Some((KnownType::Option, segment)) => {
            let inner = parameters(segment).next();
            inner.map_or(ty, |inner| constrained_type(inner, names))
        }
        _ => ty,
    }
}

/// Returns the name of a type that the module does not declare itself.
pub(crate) fn undeclared_name(ty: &Type, names: &TypeNames) -> Option<String> {
    let name = type_path(ty)?.path.segments.last()?.ident.to_string();
    (!names.declares(&name)).then_some(name)
}

impl ValueKind {
    /// Returns the kind of the values of a type.
    pub(crate) fn of(ty: &Type, names: &TypeNames) -> Self {
        let ty = constrained_type(ty, names);
        if let Type::Array(_) | Type::Slice(_) = ty {
            return Self::List;
        }
        match names.known(ty) {
            Some((KnownType::String, _)) => return Self::String,
            Some((KnownType::Reporter | KnownType::Context, _)) => return Self::NotData,
            Some((KnownType::Option | KnownType::Result, _)) | None => {}
        }
        match undeclared_name(ty, names).as_deref() {
            Some(name) if INTEGERS.contains(&name) => Self::Number,
            Some("f32" | "f64") => Self::Number,
            Some("str") => Self::String,
            Some("char") => Self::Char,
            Some("bool") => Self::Boolean,
            Some("Vec" | "VecDeque" | "HashSet" | "BTreeSet") => Self::List,
            _ => Self::Unknown,
        }
    }

    /// Returns the kind in words, and the options that constrain it.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Number => ("numbers", "`gt`, `ge`, `lt`, `le` and `multiple_of`"),
            Self::String | Self::Char => (
                "strings",
                "`min_length`, `max_length`, `pattern` and `format`",
            ),
            Self::List => ("lists", "`min_items` and `max_items`"),
            Self::Boolean => ("booleans", "no constraints"),
            Self::NotData | Self::Unknown => ("progress reports and contexts", "no constraints"),
        }
    }

    /// Returns whether a constraint on values of the kind `other` applies to this kind.
    pub(crate) fn takes(self, other: Self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Char => other == Self::String,
            kind => kind == other,
        }
    }
}
