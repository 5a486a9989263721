//! Valid and unique names in a language.

use std::collections::HashMap;

pub(crate) use dasf_protocol::text::is_hidden;
use unicode_ident::{is_xid_continue, is_xid_start};
use unicode_normalization::UnicodeNormalization;

/// The spellings that a language treats as the same identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folding {
    /// Only equal spellings: JavaScript compares characters.
    Exact,
    /// Spellings with the same compatibility form (NFKC), such as `ﬁ` and `fi`. Python compares
    /// identifiers in this form. Rust compares them in NFC, and warns of identifiers that are not in
    /// NFKC.
    Compatible,
}

impl Folding {
    /// Returns the name in the form that the language compares.
    pub(crate) fn fold(self, name: &str) -> String {
        match self {
            Self::Exact => name.to_owned(),
            Self::Compatible => name.nfkc().collect(),
        }
    }
}

/// The names in one scope, such as a file, a class, or the parameters of a function.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// The used names, each with the number to try next.
    taken: HashMap<String, usize>,
}

impl Names {
    /// Returns a scope in which these names are reserved.
    pub(crate) fn without<'a>(reserved: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            taken: reserved
                .into_iter()
                .map(|name| (name.to_owned(), 2))
                .collect(),
        }
    }

    /// Claims the wanted name, or the name with the first free number.
    pub(crate) fn claim(&mut self, wanted: &str) -> String {
        let Some(&number) = self.taken.get(wanted) else {
            self.taken.insert(wanted.to_owned(), 2);
            return wanted.to_owned();
        };
        let mut numbered = (number..).map(|number| (number, format!("{wanted}{number}")));
        // The search ends, because the numbers are unlimited.
        let free = numbered.find(|(_, name)| !self.taken.contains_key(name));
        let (number, name) = free.unwrap_or_default();
        self.taken
            .insert(wanted.to_owned(), number.saturating_add(1));
        self.taken.insert(name.clone(), 2);
        name
    }
}

/// Returns an identifier for a name in the usual spelling of a language.
///
/// It omits the characters that identifiers cannot have. A name that does not begin with a letter
/// gets `start` as its beginning; a name without usable characters becomes `start`. The result has
/// the form that the language compares, so two different results are two identifiers.
pub(crate) fn identifier(spelled: &str, start: &str, folding: Folding) -> String {
    let folded = folding.fold(spelled);
    // An omitted character may separate two characters that combine. So the result is folded again.
    let characters = folded.chars();
    // Variation selectors and fillers are invisible.
    let is_variant = |it| matches!(it, '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    let is_filler = |it| matches!(it, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    let is_kept = |&it: &char| is_xid_continue(it) && !is_variant(it) && !is_filler(it);
    let kept: String = characters.filter(is_kept).collect();
    if kept.starts_with(is_xid_start) {
        folding.fold(&kept)
    } else {
        folding.fold(&format!("{start}{kept}"))
    }
}

/// Returns whether a character needs an escape in a literal: a hidden character, or a joiner. Some
/// scripts and composed emoji have joiners.
pub(crate) fn is_escaped(character: char) -> bool {
    is_hidden(character) || matches!(character, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut names = Names::without(["Client"]);
        assert_eq!(names.claim("Client"), "Client2");
        assert_eq!(names.claim("Client"), "Client3");
        assert_eq!(names.claim("Point"), "Point");
    }

    #[test]
    fn an_identifier_has_letters_digits_and_underscores() {
        for folding in [Folding::Exact, Folding::Compatible] {
            for (spelled, expected) in [
                ("moving_mean", "moving_mean"),
                ("2m_temperature", "x2m_temperature"),
                ("größe", "größe"),
                ("世-", "世"),
                ("a\u{202e}\u{fe0f}\u{3164}b", "ab"),
                ("<", "x"),
                ("_private", "x_private"),
            ] {
                assert_eq!(identifier(spelled, "x", folding), expected);
            }
        }
    }

    #[test]
    fn an_identifier_is_written_as_its_language_compares_it() {
        for (spelled, exact, compatible) in [
            ("ﬁt", "ﬁt", "fit"),
            ("ϵϑµϕℓ", "ϵϑµϕℓ", "εθμφl"),
            ("e\u{301}", "e\u{301}", "\u{e9}"),
            // A character was omitted between two that combine.
            ("e-\u{301}", "e\u{301}", "\u{e9}"),
            ("\u{301}", "e\u{301}", "\u{e9}"),
            ("x\u{ff3f}²", "x\u{ff3f}", "x_2"),
        ] {
            assert_eq!(identifier(spelled, "e", Folding::Exact), exact);
            assert_eq!(identifier(spelled, "e", Folding::Compatible), compatible);
        }
    }
}
