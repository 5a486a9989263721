//! The type of an argument.

use darling::{Error, Result};
use syn::visit_mut::VisitMut;
use syn::{Type, parse_quote};

use super::names::{KnownType, TypeNames};
use super::owned::{StaticLifetimes, Unowned, find_unowned, owned_form, owned_text};
use super::path::ungrouped;
use super::self_type::ReplaceSelf;

/// The type of an argument, for the module and for its clients.
#[derive(Debug)]
pub(crate) struct ArgumentType {
    /// The type that the module decodes.
    pub(crate) owned: Type,
    /// The type of the parameter of a client's method.
    pub(crate) parameter: Type,
    /// Whether the function takes a reference to the decoded value.
    pub(crate) is_reference: bool,
    /// Whether that reference is mutable.
    pub(crate) is_mutable: bool,
    pub(crate) kind: ArgumentKind,
}

/// The kind of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    /// Data that a client takes as it is.
    Plain,
    /// Data that a client takes as `impl Into<…>`: a string.
    Into,
    /// An optional value, which is null by default.
    Optional,
    /// The progress report of the call.
    Reporter,
    /// The context of the call.
    Context,
}

impl ArgumentType {
    /// Reads the type of an argument. `self_type` replaces `Self`.
    pub(crate) fn of(ty: &Type, self_type: Option<&Type>, names: &TypeNames) -> Result<Self> {
        let mut ty = ungrouped(ty).clone();
        if let Some(self_type) = self_type {
            ReplaceSelf(self_type).visit_type_mut(&mut ty);
        }
        let (mut owned, reference) = match &ty {
            Type::Reference(reference) => (owned_form(&reference.elem), Some(reference)),
            other => (other.clone(), None),
        };
        check_can_be_owned(&ty, &owned)?;
        if let Some(lifetime) = reference.and_then(|it| it.lifetime.as_ref())
            && lifetime.ident == "static"
        {
            let error = "an argument is decoded for one call and does not live for `'static`; remove \
                         the lifetime";
            return Err(Error::custom(error).with_span(lifetime));
        }
        StaticLifetimes.visit_type_mut(&mut owned);
        let known = names.known(&owned).map(|(known, _)| known);
        let kind = match known {
            Some(KnownType::Reporter) => ArgumentKind::Reporter,
            Some(KnownType::Context) => ArgumentKind::Context,
            Some(KnownType::Option) => ArgumentKind::Optional,
            Some(KnownType::String) if reference.is_none() => ArgumentKind::Into,
            Some(KnownType::String | KnownType::Result) | None => ArgumentKind::Plain,
        };
        let is_mutable = reference.is_some_and(|reference| reference.mutability.is_some());
        if is_mutable && kind != ArgumentKind::Reporter {
            let owned = owned_text(&owned);
            let error = format!(
                "a function cannot change the value of its caller; take it by value, as `mut …: \
                 {owned}`"
            );
            return Err(Error::custom(error).with_span(&ty));
        }
        let parameter = match (kind, reference) {
            (ArgumentKind::Into | ArgumentKind::Optional, None) => {
                parse_quote!(impl ::core::convert::Into<#owned>)
            }
            (_, None) => owned.clone(),
            (_, Some(reference)) => {
                let mut lent = (*reference.elem).clone();
                StaticLifetimes.visit_type_mut(&mut lent);
                parse_quote!(&#lent)
            }
        };
        Ok(Self {
            owned,
            parameter,
            is_reference: reference.is_some(),
            is_mutable,
            kind,
        })
    }

    /// Returns whether the argument is part of a request.
    pub(crate) fn is_data(&self) -> bool {
        !matches!(self.kind, ArgumentKind::Reporter | ArgumentKind::Context)
    }
}

/// Refuses references inside the type of an argument: a decoded value owns all its parts.
fn check_can_be_owned(whole: &Type, owned: &Type) -> Result<()> {
    match find_unowned(owned) {
        None => Ok(()),
        Some(Unowned::Reference) => {
            let owned = owned_text(owned);
            let error =
                format!("a reference inside another type cannot be decoded; write `{owned}`");
            Err(Error::custom(error).with_span(whole))
        }
        Some(Unowned::Other(mistake)) => Err(Error::custom(mistake).with_span(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::spaced;
    use quote::ToTokens;

    fn argument(ty: &Type) -> ArgumentType {
        ArgumentType::of(ty, None, &TypeNames::default()).unwrap()
    }

    fn text(ty: &Type) -> String {
        spaced(&ty.to_token_stream().to_string())
    }

    fn mistake(ty: &Type) -> String {
        ArgumentType::of(ty, None, &TypeNames::default())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn borrowed_arguments_are_decoded_as_owned_ones() {
        let owned = |ty: Type| text(&argument(&ty).owned);
        assert_eq!(owned(parse_quote!(&str)), "::std::string::String");
        assert_eq!(owned(parse_quote!(&[Point])), "::std::vec::Vec<Point>");
        assert_eq!(owned(parse_quote!(&Point)), "Point");
        assert_eq!(
            owned(parse_quote!(&std::path::Path)),
            "::std::path::PathBuf"
        );
        assert_eq!(owned(parse_quote!(Cow<'_, str>)), "Cow<'static, str>");
    }

    #[test]
    fn a_client_takes_the_types_of_the_function() {
        let parameter = |ty: Type| text(&argument(&ty).parameter);
        assert_eq!(parameter(parse_quote!(&str)), "&str");
        assert_eq!(parameter(parse_quote!(&[Point])), "&[Point]");
        assert_eq!(parameter(parse_quote!(Point)), "Point");
        assert_eq!(
            parameter(parse_quote!(String)),
            "impl::core::convert::Into<String>"
        );
        assert_eq!(
            parameter(parse_quote!(Option<f64>)),
            "impl::core::convert::Into<Option<f64>>"
        );
    }

    #[test]
    fn the_message_about_a_borrowed_argument_has_the_owned_type() {
        assert!(mistake(&parse_quote!(Option<&str>)).ends_with("write `Option<String>`"));
        assert!(mistake(&parse_quote!(Vec<&[u8]>)).ends_with("write `Vec<Vec<u8>>`"));
        assert!(mistake(&parse_quote!(&mut i64)).ends_with("as `mut …: i64`"));
        assert!(mistake(&parse_quote!(&'static str)).contains("remove the lifetime"));
        assert!(mistake(&parse_quote!(impl Into<String>)).starts_with("`impl` cannot be decoded"));
        assert!(mistake(&parse_quote!(Box<dyn Shape>)).contains("trait object"));
    }
}
