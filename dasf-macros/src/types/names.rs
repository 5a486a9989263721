//! The meaning of a type's name in a module: the well-known type of that name, or one of the user's
//! own.

use std::collections::HashMap;

use syn::{Item, PathSegment, Type};

use super::path::type_path;

/// A type that the macros treat specially.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnownType {
    Option,
    Result,
    String,
    /// `dasf::ProgressReport`.
    Reporter,
    /// `dasf::Context`.
    Context,
}

/// The types that a module declares, and the name under which the crate `dasf` is known.
#[derive(Debug, Default)]
pub(crate) struct TypeNames {
    krate: String,
    /// The names, each with the type that it is an alias of, if it is an alias.
    declared: HashMap<String, Option<Type>>,
}

impl TypeNames {
    /// Collects the names of a module with these items, which calls the crate `dasf` by this path.
    pub(crate) fn of(items: &[Item], krate: &syn::Path) -> Self {
        let krate = krate.segments.last();
        let declared = items.iter().filter_map(|item| match item {
            Item::Struct(item) => Some((&item.ident, None)),
            Item::Enum(item) => Some((&item.ident, None)),
            Item::Union(item) => Some((&item.ident, None)),
            Item::Type(item) => Some((&item.ident, Some((*item.ty).clone()))),
            _ => None,
        });
        Self {
            krate: krate.map(|it| it.ident.to_string()).unwrap_or_default(),
            declared: declared
                .map(|(ident, alias)| (ident.to_string(), alias))
                .collect(),
        }
    }

    /// Returns whether the module declares this type, and not as an alias.
    pub(crate) fn declares(&self, name: &str) -> bool {
        matches!(self.declared.get(name), Some(None))
    }

    /// Returns the known type that a type is, and its last segment, which has the parameters.
    pub(crate) fn known<'t>(&self, ty: &'t Type) -> Option<(KnownType, &'t PathSegment)> {
        let path = type_path(ty)?;
        let segments: Vec<&PathSegment> = path.path.segments.iter().collect();
        let (last, before) = segments.split_last()?;
        let before: Vec<String> = before.iter().map(|it| it.ident.to_string()).collect();
        let first = before.first().map_or("", String::as_str);
        let name = last.ident.to_string();
        let is_own = path.path.leading_colon.is_none()
            && matches!(before.as_slice(), [] | [_])
            && matches!(first, "" | "self")
            && self.declared.contains_key(&name);
        if is_own {
            // Only the alias of a `Result` counts.
            let alias = self.declared.get(&name)?.as_ref()?;
            let is_result =
                name == "Result" && type_path(alias)?.path.segments.last()?.ident == name;
            return is_result.then_some((KnownType::Result, last));
        }
        let is_of_std = |module: &str| match first {
            "" => true,
            "std" | "core" | "alloc" => true,
            other => before.len() == 1 && other == module,
        };
        let is_ours =
            || before.is_empty() || before.iter().any(|it| it == "dasf" || *it == self.krate);
        let known = match name.as_str() {
            "Option" if is_of_std("option") => KnownType::Option,
            "String" if is_of_std("string") => KnownType::String,
            // Many crates have their own `Result`.
            "Result" => KnownType::Result,
            "ProgressReport" if is_ours() => KnownType::Reporter,
            "Context" if is_ours() => KnownType::Context,
            _ => return None,
        };
        Some((known, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn known(names: &TypeNames, ty: &Type) -> Option<KnownType> {
        names.known(ty).map(|(known, _)| known)
    }

    #[test]
    fn a_type_is_known_by_its_name() {
        let names = TypeNames::of(&[], &parse_quote!(::rpc));
        for (ty, expected) in [
            (parse_quote!(Option<f64>), Some(KnownType::Option)),
            (
                parse_quote!(::std::option::Option<f64>),
                Some(KnownType::Option),
            ),
            (parse_quote!(option::Option<f64>), Some(KnownType::Option)),
            (parse_quote!(super::Option<f64>), None),
            (parse_quote!(std::string::String), Some(KnownType::String)),
            (parse_quote!(io::Result<f64>), Some(KnownType::Result)),
            (parse_quote!(Context), Some(KnownType::Context)),
            (parse_quote!(dasf::Context), Some(KnownType::Context)),
            (
                parse_quote!(::rpc::ProgressReport),
                Some(KnownType::Reporter),
            ),
            (parse_quote!(gis::Context), None),
            (parse_quote!(Vec<Option<f64>>), None),
        ] {
            assert_eq!(known(&names, &ty), expected);
        }
    }

    #[test]
    fn a_type_that_the_module_declares_hides_the_known_one() {
        let items: Vec<Item> = vec![
            parse_quote!(
                struct Context;
            ),
            parse_quote!(
                enum Option<T> {
                    None,
                    Some(T),
                }
            ),
            parse_quote!(
                struct String;
            ),
            parse_quote!(
                type Result<T> = ::std::result::Result<T, Error>;
            ),
        ];
        let names = TypeNames::of(&items, &parse_quote!(::dasf));
        assert_eq!(known(&names, &parse_quote!(Context)), None);
        assert_eq!(known(&names, &parse_quote!(self::Option<f64>)), None);
        assert_eq!(known(&names, &parse_quote!(String)), None);
        assert_eq!(
            known(&names, &parse_quote!(::std::string::String)),
            Some(KnownType::String)
        );
        assert_eq!(
            known(&names, &parse_quote!(Result<f64>)),
            Some(KnownType::Result)
        );
        let names = TypeNames::of(
            &[parse_quote!(
                struct Result;
            )],
            &parse_quote!(::dasf),
        );
        assert_eq!(known(&names, &parse_quote!(Result)), None);
    }
}
