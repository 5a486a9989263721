//! Names that a language accepts, and that no two things in one place share.

use std::collections::HashMap;

use unicode_ident::{is_xid_continue, is_xid_start};

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
/// What is left when nothing can be used is `start` alone.
pub(crate) fn identifier(spelled: &str, start: &str) -> String {
    let characters = spelled.chars();
    // Those that only choose how the character before them looks are seen no more than hidden ones.
    let is_variant = |it| matches!(it, '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    let is_filler = |it| matches!(it, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    let is_kept = |&it: &char| is_xid_continue(it) && !is_variant(it) && !is_filler(it);
    let kept: String = characters.filter(is_kept).collect();
    if kept.starts_with(is_xid_start) {
        kept
    } else {
        format!("{start}{kept}")
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

/// Whether a character in a literal is written by its number: one that is hidden, or that joins its
/// neighbours, which texts in some languages and signs made of several need.
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
        assert_eq!(identifier("moving_mean", "x"), "moving_mean");
        assert_eq!(identifier("2m_temperature", "x"), "x2m_temperature");
        assert_eq!(identifier("größe", "x"), "größe");
        assert_eq!(identifier("世-²", "x"), "世");
        assert_eq!(identifier("a\u{202e}\u{fe0f}\u{3164}b", "x"), "ab");
        assert_eq!(identifier("<", "x"), "x");
        assert_eq!(identifier("_private", "x"), "x_private");
    }
}
