//! Classes of characters, in brackets or with a name.

use std::fmt::Write;

use crate::Mistake;
use crate::properties::{BINARY, CATEGORIES, SCRIPTS};
use crate::reader::{Escape, Reader};

/// A set of characters with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Set {
    /// Ranges, in ascending order.
    Ranges(Vec<(char, char)>),
    /// A property, as `\p{…}` or `\P{…}`.
    Property(String),
}

const DIGITS: &[(char, char)] = &[('0', '9')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
/// The white space and the ends of lines in ECMA-262.
const SPACE: &[(char, char)] = &[
    ('\t', '\r'),
    (' ', ' '),
    ('\u{a0}', '\u{a0}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{2000}', '\u{200a}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202f}', '\u{202f}'),
    ('\u{205f}', '\u{205f}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{feff}', '\u{feff}'),
];

impl Set {
    /// Returns the set of a letter after a backslash. A capital letter is the set of all other
    /// characters.
    pub(crate) fn of(letter: char) -> Self {
        let ranges = match letter.to_ascii_lowercase() {
            'd' => DIGITS,
            'w' => WORD,
            _ => SPACE,
        };
        Self::Ranges(if letter.is_ascii_uppercase() {
            others(ranges)
        } else {
            ranges.to_vec()
        })
    }

    /// Returns the set as text for the inside of a class.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::Ranges(ranges) => {
                let mut text = String::new();
                for (first, last) in ranges {
                    push_range(&mut text, *first, *last);
                }
                text
            }
            Self::Property(property) => property.clone(),
        }
    }
}

/// Returns the ranges between ranges.
fn others(ranges: &[(char, char)]) -> Vec<(char, char)> {
    let mut others = Vec::new();
    let mut next = '\0';
    for &(first, last) in ranges {
        // No range is beside another one or beside the surrogates, so both neighbours are characters.
        let before = char::from_u32(first as u32 - 1).unwrap_or(first);
        others.push((next, before));
        next = char::from_u32(last as u32 + 1).unwrap_or(last);
    }
    others.push((next, char::MAX));
    others
}

/// One part of a class.
enum Part {
    Character(char),
    Set(Set),
}

/// Reads a class after its bracket, and writes it in the syntax of the crate `regex`.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<String, Mistake> {
    const NO_END: &str =
        "a class such as `\\d` cannot be the end of a range; write `\\-` for the character";
    let is_negated = reader.eat("^");
    let mut inside = String::new();
    while let Some(part) = next_part(reader)? {
        let is_range = reader.is_next("-") && !reader.is_next("-]");
        match part {
            Part::Set(_) if is_range => {
                return reader.error(NO_END);
            }
            Part::Set(set) => inside.push_str(&set.written()),
            Part::Character(first) if is_range => {
                reader.eat("-");
                let Some(Part::Character(last)) = next_part(reader)? else {
                    return reader.error(NO_END);
                };
                if last < first {
                    return reader.error(format!(
                        "the range from `{first}` to `{last}` is empty; swap its ends, or write \
                         `\\-` for the character"
                    ));
                }
                push_range(&mut inside, first, last);
            }
            Part::Character(character) => push_range(&mut inside, character, character),
        }
    }
    Ok(match (inside.is_empty(), is_negated) {
        (true, false) => r"[^\x{0}-\x{10FFFF}]".to_owned(),
        (true, true) => r"[\x{0}-\x{10FFFF}]".to_owned(),
        (false, false) => format!("[{inside}]"),
        (false, true) => format!("[^{inside}]"),
    })
}

/// Reads the next part of a class; `None` at its end.
fn next_part(reader: &mut Reader<'_>) -> Result<Option<Part>, Mistake> {
    let Some(character) = reader.next() else {
        return reader.error("the class is not closed; add `]`, or write `\\[` for the character");
    };
    Ok(Some(match character {
        ']' => return Ok(None),
        '[' => return reader.error(inner_bracket(reader)),
        '&' if reader.is_next("&") => {
            return reader.error(
                "a class cannot contain `&&`; write the common characters, or `&` once for the \
                 character",
            );
        }
        '~' if reader.is_next("~") => {
            return reader.error("a class cannot contain `~~`; write `~` once for the character");
        }
        '\\' => match reader.escape(true)? {
            Escape::Character(character) => Part::Character(character),
            Escape::Set(set) => Part::Set(set),
            Escape::Boundary(_) => {
                return reader
                    .error("a class can contain only characters; write `\\B` outside of it");
            }
        },
        other => Part::Character(other),
    }))
}

/// Returns the message about a bracket inside a class, with what to write instead.
fn inner_bracket(reader: &Reader<'_>) -> String {
    let names = [
        ("[:alpha:]", r"[\p{L}]` for letters, or `[A-Za-z]"),
        (
            "[:alnum:]",
            r"[\p{L}\p{Nd}]` for letters and digits, or `[A-Za-z0-9]",
        ),
        ("[:digit:]", r"[0-9]"),
        ("[:upper:]", r"[\p{Lu}]` for capitals, or `[A-Z]"),
        ("[:lower:]", r"[\p{Ll}]` for small letters, or `[a-z]"),
        ("[:space:]", r"[\s]"),
        ("[:blank:]", r"[ \t]"),
        ("[:punct:]", r"[\p{P}]"),
        ("[:word:]", r"[\w]"),
        ("[:xdigit:]", r"[0-9A-Fa-f]"),
        ("[:cntrl:]", r"[\p{Cc}]"),
        ("[:ascii:]", r"[\x00-\x7f]"),
    ];
    for (name, instead) in names {
        if reader.is_next(&name[1..]) {
            return format!("`{name}` is not supported; write `{instead}`");
        }
    }
    "a class cannot contain a class; write `\\[` for the character".to_owned()
}

/// Reads a property after `\p` or `\P`.
pub(crate) fn property(reader: &mut Reader<'_>, is_negated: bool) -> Result<Set, Mistake> {
    let letter = if is_negated { 'P' } else { 'p' };
    if !reader.eat("{") {
        return reader.error(format!(
            "`\\{letter}` needs a property in braces, as in `\\{letter}{{L}}`"
        ));
    }
    let mut name = String::new();
    loop {
        match reader.next() {
            Some('}') => break,
            Some(letter) if letter.is_ascii_alphanumeric() || "_=^".contains(letter) => {
                name.push(letter);
            }
            _ => {
                return reader.error(
                    "the name of the property is not valid; write it as in `\\p{L}` or \
                     `\\p{Script=Greek}`",
                );
            }
        }
    }
    let is_in = |list: &str, name: &str| list.split(' ').any(|known| known == name);
    let is_known = match name.split_once('=') {
        None => is_in(CATEGORIES, &name) || is_in(BINARY, &name),
        Some(("General_Category" | "gc", value)) => is_in(CATEGORIES, value),
        Some(("Script" | "sc" | "Script_Extensions" | "scx", value)) => is_in(SCRIPTS, value),
        Some(_) => false,
    };
    if is_known {
        return Ok(Set::Property(format!("\\{letter}{{{name}}}")));
    }
    if let Some(name) = name.strip_prefix('^') {
        let other = if is_negated { 'p' } else { 'P' };
        return reader.error(format!(
            "a property cannot begin with `^`; write `\\{other}{{{name}}}` for all other characters"
        ));
    }
    let meant = [CATEGORIES, BINARY, SCRIPTS]
        .into_iter()
        .flat_map(|list| list.split(' '));
    let meant = { meant }.find(|known| known.eq_ignore_ascii_case(&name));
    let instead = match meant {
        Some(script) if is_in(SCRIPTS, script) => format!("Script={script}"),
        Some(other) => other.to_owned(),
        None => "L}` for letters or `\\p{Script=Greek".to_owned(),
    };
    reader.error(format!(
        "not all engines know the property `{name}`; write `\\{letter}{{{instead}}}`"
    ))
}

fn push_range(class: &mut String, first: char, last: char) {
    push(class, first);
    if first != last {
        class.push('-');
        push(class, last);
    }
}

/// Writes a character inside a class.
fn push(class: &mut String, character: char) {
    if r"[]\^-&~".contains(character) {
        class.push('\\');
        class.push(character);
    } else {
        push_plain(class, character);
    }
}

/// Writes a literal character, or its number if it is invisible.
pub(crate) fn push_plain(text: &mut String, character: char) {
    if character == ' ' || !(character.is_control() || character.is_whitespace()) {
        text.push(character);
    } else {
        let _ = write!(text, "\\x{{{:x}}}", character as u32); // writing to a string cannot fail
    }
}
