//! Identifiers in Rust.

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::{Ident, Span};

use crate::names::{Folding, Names, identifier};

/// The names in one scope.
#[derive(Debug, Default)]
pub(super) struct Idents(Names);

impl Idents {
    /// Returns a scope in which these names are reserved.
    pub(super) fn without<'a>(reserved: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Names::without(reserved))
    }

    /// Claims a free name for a type or a variant.
    pub(super) fn type_name(&mut self, name: &str) -> Ident {
        let spelled = Folding::Compatible.fold(name).to_upper_camel_case();
        let spelled = identifier(&spelled, "Value", Folding::Compatible);
        ident(&self.0.claim(&spelled))
    }

    /// Claims a free name for a function, a field or a variable.
    pub(super) fn value_name(&mut self, name: &str) -> Ident {
        let spelled = Folding::Compatible.fold(name).to_snake_case();
        let spelled = identifier(&spelled, "value", Folding::Compatible);
        ident(&self.0.claim(&spelled))
    }
}

/// Returns an identifier. A keyword becomes a raw identifier, or gets an underscore if it cannot be
/// raw.
fn ident(name: &str) -> Ident {
    // `gen` is a keyword since the edition 2024, but not for `syn`.
    if name != "gen" && syn::parse_str::<Ident>(name).is_ok() {
        return Ident::new(name, Span::call_site());
    }
    match name {
        "self" | "Self" | "super" | "crate" => Ident::new(&format!("{name}_"), Span::call_site()),
        name => Ident::new_raw(name, Span::call_site()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_an_identifier() {
        let mut idents = Idents::without(["Option"]);
        for (name, expected) in [
            ("type", "r#type"),
            ("gen", "r#gen"),
            ("self", "self_"),
            ("2m temperature", "value2m_temperature"),
            ("größe", "größe"),
            ("", "value"),
            ("-", "value2"),
            // To the compiler, `é` of one character and of two are the same.
            ("\u{e9}t\u{e9}", "\u{e9}t\u{e9}"),
            ("e\u{301}te\u{301}", "\u{e9}t\u{e9}2"),
            // The compiler warns of characters such as the ligature.
            ("ﬁt", "fit"),
            ("fit", "fit2"),
        ] {
            assert_eq!(idents.value_name(name).to_string(), expected, "{name}");
        }
        for (name, expected) in [
            ("Option", "Option2"),
            ("Box_int_", "BoxInt"),
            ("Self", "Self_"),
            ("1", "Value1"),
            ("<", "Value"),
            ("\u{2126}", "\u{3a9}"),
            ("\u{3a9}", "\u{3a9}2"),
        ] {
            assert_eq!(idents.type_name(name).to_string(), expected, "{name}");
        }
    }
}
