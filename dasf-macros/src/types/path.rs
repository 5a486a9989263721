//! The parts of a type: its path and the types among its parameters.

use syn::{GenericArgument, PathArguments, PathSegment, Type, TypePath};

/// The primitive integer types.
pub(crate) const INTEGERS: [&str; 12] = [
    "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize",
];

/// Returns a type without the groups that a macro puts around it.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        other => other,
    }
}

/// Returns the path of a type that is not written `<… as …>::…`.
pub(crate) fn type_path(ty: &Type) -> Option<&TypePath> {
    match ungrouped(ty) {
        Type::Path(path) if path.qself.is_none() => Some(path),
        _ => None,
    }
}

/// Returns the types among the parameters of a path's segment.
pub(crate) fn parameters(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}
