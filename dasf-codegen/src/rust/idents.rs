//! Names as Rust spells them.

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::{Ident, Span};

use crate::names::{Folding, Names, identifier};

/// Names in one place.
#[derive(Debug, Default)]
pub(super) struct Idents(Names);

impl Idents {
    /// A place in which these names cannot be had.
    pub(super) fn without<'a>(reserved: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Names::without(reserved))
    }

    /// A name for a type or a variant that is free here.
    pub(super) fn type_name(&mut self, name: &str) -> Ident {
        let spelled = Folding::Canonical.fold(name).to_upper_camel_case();
        let spelled = identifier(&spelled, "Value", Folding::Canonical);
        ident(&self.0.claim(&spelled))
    }

    /// A name for a function, a field or a variable that is free here.
    pub(super) fn value_name(&mut self, name: &str) -> Ident {
        let spelled = Folding::Canonical.fold(name).to_snake_case();
        let spelled = identifier(&spelled, "value", Folding::Canonical);
        ident(&self.0.claim(&spelled))
    }
}

/// An identifier; raw where the name is a keyword, and with an underscore where that cannot be.
fn ident(name: &str) -> Ident {
    // A keyword since the edition 2024, which `syn` does not know of.
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
            // The compiler takes an `é` of two characters for the `é` of one.
            ("\u{e9}t\u{e9}", "\u{e9}t\u{e9}"),
            ("e\u{301}te\u{301}", "\u{e9}t\u{e9}2"),
            ("ﬁt", "ﬁt"),
            ("fit", "fit"),
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
