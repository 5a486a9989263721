//! Names that a language accepts, and that no two things in one place share.

use std::collections::HashMap;

use unicode_ident::{is_xid_continue, is_xid_start};
use unicode_normalization::UnicodeNormalization;

/// Which different spellings a language takes for the same identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folding {
    /// None: JavaScript compares characters.
    Exact,
    /// Spellings that are equal in Unicode, such as `é` in one character and in two: Rust compares
    /// identifiers in NFC.
    Canonical,
    /// Spellings whose letters differ only in their look, too, such as `ﬁ` and `fi`: Python
    /// compares identifiers in NFKC.
    Compatible,
}

impl Folding {
    /// The name as the language compares it.
    pub(crate) fn fold(self, name: &str) -> String {
        match self {
            Self::Exact => name.to_owned(),
            Self::Canonical => name.nfc().collect(),
            Self::Compatible => name.nfkc().collect(),
        }
    }
}

/// The names in one place, such as a file, a class, or the parameters of a function.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// The names that are taken, with the number that is tried next.
    taken: HashMap<String, usize>,
}

impl Names {
    /// A place in which these names cannot be had.
    pub(crate) fn without<'a>(reserved: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            taken: reserved
                .into_iter()
                .map(|name| (name.to_owned(), 2))
                .collect(),
        }
    }

    /// The wanted name, or that with the first number that makes it free.
    pub(crate) fn claim(&mut self, wanted: &str) -> String {
        let Some(&number) = self.taken.get(wanted) else {
            self.taken.insert(wanted.to_owned(), 2);
            return wanted.to_owned();
        };
        let mut numbered = (number..).map(|number| (number, format!("{wanted}{number}")));
        // Every number is tried, so one is free.
        let free = numbered.find(|(_, name)| !self.taken.contains_key(name));
        let (number, name) = free.unwrap_or_default();
        self.taken
            .insert(wanted.to_owned(), number.saturating_add(1));
        self.taken.insert(name.clone(), 2);
        name
    }
}

/// Makes an identifier of what a language's usual spelling of a name gave: `start` is put in front
/// of what does not begin with a letter, and characters that no identifier has are left out.
///
/// If no character can be used, the name is `start`. The result has the form in which the language
/// compares names: two names are the same to the language only if their texts are equal.
pub(crate) fn identifier(spelled: &str, start: &str, folding: Folding) -> String {
    let folded = folding.fold(spelled);
    // Folding turns letters into letters, but may join two between which one is left out.
    let characters = folded.chars();
    // Characters that only choose the look of the character before them are invisible, too.
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

/// Whether a character is not seen itself, but changes how others are: a control character, or one
/// that turns the direction of writing, by which a comment could look like code. In a comment a blank
/// stands for it.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a character needs an escape in a literal: a hidden character, or a joiner, as texts in
/// some languages and composed emoji have it.
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
        for folding in [Folding::Exact, Folding::Canonical, Folding::Compatible] {
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
        for (spelled, exact, canonical, compatible) in [
            ("ﬁt", "ﬁt", "ﬁt", "fit"),
            ("ϵϑµϕℓ", "ϵϑµϕℓ", "ϵϑµϕℓ", "εθμφl"),
            ("e\u{301}", "e\u{301}", "\u{e9}", "\u{e9}"),
            // A character was dropped between two that combine into one.
            ("e-\u{301}", "e\u{301}", "\u{e9}", "\u{e9}"),
            ("\u{301}", "e\u{301}", "\u{e9}", "\u{e9}"),
            ("x\u{ff3f}²", "x\u{ff3f}", "x\u{ff3f}", "x_2"),
        ] {
            assert_eq!(identifier(spelled, "e", Folding::Exact), exact);
            assert_eq!(identifier(spelled, "e", Folding::Canonical), canonical);
            assert_eq!(identifier(spelled, "e", Folding::Compatible), compatible);
        }
    }
}
