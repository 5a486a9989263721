//! Reading a pattern, from its beginning to its end.

use std::collections::BTreeSet;

use crate::class::{self, Set};
use crate::{MAX_DEPTH, MAX_REPETITIONS, Mistake};

/// The characters with a special meaning, which are literal after a backslash.
const SYNTAX: &str = r"^$\.*+?()[]{}|/";

type Read<T> = Result<T, Mistake>;

/// The kind of token before the next character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The beginning of the pattern, of a group or of an alternative.
    Nothing,
    /// A token that can be repeated.
    Atom,
    /// A place in the string, such as `^`.
    Place,
    Repetition,
}

/// The meaning of a backslash and the characters after it.
pub(crate) enum Escape {
    Character(char),
    Set(Set),
    /// `\b` or `\B`.
    Boundary(char),
}

pub(crate) struct Reader<'p> {
    rest: std::str::Chars<'p>,
    /// The number of characters read so far.
    position: usize,
    rust: String,
    before: Before,
    /// The places where the open groups begin.
    groups: Vec<usize>,
    names: BTreeSet<String>,
}

impl<'p> Reader<'p> {
    pub(crate) fn new(pattern: &'p str) -> Self {
        Self {
            rest: pattern.chars(),
            position: 0,
            rust: String::with_capacity(pattern.len() + 16),
            before: Before::Nothing,
            groups: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    pub(crate) fn read(mut self) -> Read<String> {
        while let Some(character) = self.next() {
            self.part(character)?;
        }
        match self.groups.pop() {
            None => Ok(self.rust),
            Some(start) => {
                let reason = "the group is not closed; add `)`, or write `\\(` for the character";
                Err(mistake(start, reason))
            }
        }
    }

    /// Reads the next character.
    pub(crate) fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.position += 1;
        Some(next)
    }

    /// Returns the next character without reading it.
    pub(crate) fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    /// Reads these characters if they are next. Returns whether they were.
    pub(crate) fn eat(&mut self, text: &str) -> bool {
        let is_next = self.is_next(text);
        if is_next {
            for _ in text.chars() {
                self.next();
            }
        }
        is_next
    }

    pub(crate) fn is_next(&self, text: &str) -> bool {
        self.rest.as_str().starts_with(text)
    }

    /// Reports a mistake at the character that was read last.
    pub(crate) fn error<T>(&self, reason: impl Into<String>) -> Read<T> {
        Err(mistake(self.position.saturating_sub(1), reason))
    }

    fn part(&mut self, character: char) -> Read<()> {
        match character {
            '^' | '$' => {
                self.rust.push(character);
                self.before = Before::Place;
            }
            '|' => {
                self.rust.push('|');
                self.before = Before::Nothing;
            }
            '.' => self.atom(r"[^\n\r\x{2028}\x{2029}]"),
            '(' => self.group()?,
            ')' => {
                if self.groups.pop().is_none() {
                    return self.error("`)` closes no group; write `\\)` for the character");
                }
                self.atom(")");
            }
            '[' => {
                let class = class::read(self)?;
                self.atom(&class);
            }
            '*' | '+' | '?' | '{' => self.repetition(character)?,
            ']' | '}' => {
                return self.error(format!(
                    "`{character}` closes nothing here; write `\\{character}` for the character"
                ));
            }
            '\\' => match self.escape(false)? {
                Escape::Character(character) => self.literal(character),
                Escape::Set(set) => self.atom(&format!("[{}]", set.written())),
                Escape::Boundary(letter) => {
                    // For ASCII only, like `\w`.
                    self.rust.push_str(if letter == 'b' {
                        r"(?-u:\b)"
                    } else {
                        r"(?-u:\B)"
                    });
                    self.before = Before::Place;
                }
            },
            other => self.literal(other),
        }
        Ok(())
    }

    fn atom(&mut self, rust: &str) {
        self.rust.push_str(rust);
        self.before = Before::Atom;
    }

    fn literal(&mut self, character: char) {
        if SYNTAX.contains(character) && character != '/' {
            self.rust.push('\\');
            self.rust.push(character);
        } else {
            class::push_plain(&mut self.rust, character);
        }
        self.before = Before::Atom;
    }

    fn group(&mut self) -> Read<()> {
        let start = self.position - 1;
        if self.eat("?") {
            self.marked_group()?;
            // The name is dropped: only a reader of the matches would need it.
            self.rust.push_str("(?:");
        } else {
            self.rust.push('(');
        }
        self.groups.push(start);
        self.before = Before::Nothing;
        if self.groups.len() > MAX_DEPTH {
            return self.error(format!(
                "groups are nested more than {MAX_DEPTH} deep; simplify the pattern"
            ));
        }
        Ok(())
    }

    /// Reads the part of a group between `(?` and its contents.
    fn marked_group(&mut self) -> Read<()> {
        const LINEAR: &str = "because the time of a check must grow only with the length of the string; \
                              describe the string itself";
        match self.next() {
            Some(':') => Ok(()),
            Some('=') => self.error(format!("look-ahead `(?=…)` is not supported, {LINEAR}")),
            Some('!') => self.error(format!("look-ahead `(?!…)` is not supported, {LINEAR}")),
            Some('<') if self.is_next("=") || self.is_next("!") => {
                self.error(format!("look-behind `(?<…)` is not supported, {LINEAR}"))
            }
            Some('<') => self.name(),
            Some('P') if self.is_next("<") => {
                self.error("write a named group as `(?<name>…)`, without the `P`")
            }
            Some('P') => self.error("back references are not supported; write the part again"),
            Some('>') => self.error("atomic groups are not supported; write `(?:…)`"),
            Some('#') => self.error("comments are not supported; remove `(?#…)`"),
            Some('i') => self.error(
                "a pattern cannot contain flags; instead of `(?i)`, write each letter in both cases, \
                 as in `[aA]`",
            ),
            Some('s') => self.error(
                "a pattern cannot contain flags; instead of `(?s)`, write `[^]` for any character",
            ),
            Some('m') => self.error(
                "a pattern cannot contain flags; instead of `(?m)`, write `(?:^|\\n)` for the beginning \
                 of a line",
            ),
            Some('x') => self.error(
                "a pattern cannot contain flags; instead of `(?x)`, remove spaces and comments",
            ),
            Some(flag) if flag.is_ascii_alphabetic() || flag == '-' => {
                self.error("a pattern cannot contain flags; remove them")
            }
            _ => self.error(
                "`(?` must begin a group, `(?:…)` or `(?<name>…)`; write `\\(` for the character",
            ),
        }
    }

    fn name(&mut self) -> Read<()> {
        let mut name = String::new();
        loop {
            match self.next() {
                Some('>') if !name.is_empty() => break,
                Some(letter)
                    if letter == '_'
                        || letter == '$'
                        || letter.is_ascii_alphabetic()
                        || (letter.is_ascii_digit() && !name.is_empty()) =>
                {
                    name.push(letter);
                }
                _ => {
                    return self.error(
                        "the name of a group is not valid; use ASCII letters, digits, `_` and `$`, do \
                         not begin with a digit, or write `(?:…)`",
                    );
                }
            }
        }
        if self.names.insert(name.clone()) {
            Ok(())
        } else {
            self.error(format!(
                "two groups have the name `{name}`; rename one of them"
            ))
        }
    }

    fn repetition(&mut self, character: char) -> Read<()> {
        let counts = match character {
            '{' => Some(self.counts()?),
            _ => None,
        };
        let written = match counts {
            Some((least, None)) => format!("{{{least}}}"),
            Some((least, Some(None))) => format!("{{{least},}}"),
            Some((least, Some(Some(most)))) => format!("{{{least},{most}}}"),
            None => character.to_string(),
        };
        match self.before {
            Before::Atom => {}
            Before::Nothing => {
                return self.error(format!(
                    "`{written}` repeats nothing; write `\\{character}` for the character"
                ));
            }
            Before::Place => {
                return self.error(format!(
                    "`{written}` repeats a place in the string, such as `^` or `\\b`; remove it"
                ));
            }
            Before::Repetition if character == '+' => {
                return self
                    .error("possessive repetitions are not supported; remove the second `+`");
            }
            Before::Repetition => {
                return self.error(format!(
                    "`{written}` repeats a repetition; put the repetition into a group, \
                     `(?:…){written}`"
                ));
            }
        }
        self.rust.push_str(&written);
        if self.eat("?") {
            self.rust.push('?');
        }
        self.before = Before::Repetition;
        Ok(())
    }

    /// Reads the numbers after `{`: the least number, and the greatest one if there is a comma.
    #[allow(clippy::option_option)] // no comma, a comma alone, a comma and a number
    fn counts(&mut self) -> Read<(u32, Option<Option<u32>>)> {
        let Some(least) = self.count()? else {
            if self.is_next(",") {
                return self.error("a repetition needs its least number; write `{0,…}`");
            }
            return self.error(
                "`{` must begin a repetition, such as `{2}` or `{1,3}`; write `\\{` for the character",
            );
        };
        let most = match self.eat(",") {
            true => Some(self.count()?),
            false => None,
        };
        if !self.eat("}") {
            return self.error(
                "the repetition is not valid; write it as `{2}`, `{2,}` or `{2,3}`, or `\\{` for the \
                 character",
            );
        }
        match most {
            Some(Some(most)) if most < least => self.error(format!(
                "the least number of `{{{least},{most}}}` is above the greatest; swap them"
            )),
            most => Ok((least, most)),
        }
    }

    fn count(&mut self) -> Read<Option<u32>> {
        let mut count = None;
        while let Some(digit) = self.peek().and_then(|next| next.to_digit(10)) {
            self.next();
            let larger = count
                .unwrap_or(0_u32)
                .saturating_mul(10)
                .saturating_add(digit);
            if larger > MAX_REPETITIONS {
                return self.error(format!(
                    "a repetition has more than {MAX_REPETITIONS} times; limit the length instead"
                ));
            }
            count = Some(larger);
        }
        Ok(count)
    }

    /// Reads an escape after its backslash.
    pub(crate) fn escape(&mut self, in_class: bool) -> Read<Escape> {
        let Some(letter) = self.next() else {
            return self.error("the backslash escapes nothing; write `\\\\` for the character");
        };
        let character = match letter {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => return Ok(Escape::Set(Set::of(letter))),
            'p' | 'P' => return Ok(Escape::Set(class::property(self, letter == 'P')?)),
            'b' if in_class => '\u{8}',
            'b' | 'B' if !in_class => return Ok(Escape::Boundary(letter)),
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '0' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => '\0',
            'c' => match self.next() {
                Some(letter) if letter.is_ascii_alphabetic() => char::from(letter as u8 % 32),
                _ => return self.error("`\\c` needs a letter, as in `\\cA`"),
            },
            'x' => match self.hexadecimal(2).and_then(char::from_u32) {
                Some(character) => character,
                None => return self.error("`\\x` needs two hexadecimal digits, as in `\\x7f`"),
            },
            'u' => self.unicode()?,
            '-' if in_class => '-',
            other if SYNTAX.contains(other) => other,
            other => return self.error(no_escape(other, in_class)),
        };
        Ok(Escape::Character(character))
    }

    /// Reads this many hexadecimal digits.
    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        let mut number = 0;
        for _ in 0..digits {
            let digit = self.peek()?.to_digit(16)?;
            self.next();
            number = number * 16 + digit;
        }
        Some(number)
    }

    /// Reads a character after `\u`.
    fn unicode(&mut self) -> Read<char> {
        const FORMS: &str = "`\\u` needs four hexadecimal digits, or digits in braces, as in `\\u00e9` \
                             or `\\u{1f30d}`";
        if self.eat("{") {
            let mut number: u32 = 0;
            let mut is_empty = true;
            while let Some(digit) = self.peek().and_then(|next| next.to_digit(16)) {
                self.next();
                number = number.saturating_mul(16).saturating_add(digit);
                is_empty = false;
            }
            if is_empty || !self.eat("}") {
                return self.error(FORMS);
            }
            return match char::from_u32(number) {
                Some(character) => Ok(character),
                None => self.error(format!(
                    "no character has the number {number:x}; use another one, as in `\\u{{1f30d}}`"
                )),
            };
        }
        let Some(unit) = self.hexadecimal(4) else {
            return self.error(FORMS);
        };
        if let Some(character) = char::from_u32(unit) {
            return Ok(character);
        }
        let second = if self.eat("\\u") {
            self.hexadecimal(4)
        } else {
            None
        };
        let units = [Some(unit), second].into_iter().flatten();
        let units: Vec<u16> = units.filter_map(|unit| u16::try_from(unit).ok()).collect();
        match String::from_utf16(&units)
            .ok()
            .and_then(|text| text.chars().next())
        {
            Some(character) => Ok(character),
            None => self.error(format!(
                "`\\u{unit:04x}` is half of a character; write the whole character, as in `\\u{{1f30d}}`"
            )),
        }
    }
}

pub(crate) fn mistake(at: usize, reason: impl Into<String>) -> Mistake {
    Mistake {
        at,
        reason: reason.into(),
    }
}

/// Returns the message about a backslash that escapes nothing, with what to write instead.
fn no_escape(character: char, in_class: bool) -> String {
    let instead = match character {
        'A' => "; write `^` for the beginning of the string",
        'z' | 'Z' => "; write `$` for the end of the string",
        'h' => "; write `[ \\t]` for spaces and tabs",
        'H' => "; write `[^ \\t]` for all characters except spaces and tabs",
        'R' => "; write `(?:\\r\\n|\\n|\\r)` for the end of a line",
        'N' => "; write `.` for a character inside a line",
        'X' => "; write `.` for a character",
        'a' => "; write `\\x07` for the bell",
        'e' => "; write `\\x1b` for the escape character",
        'B' => "; write it outside the class",
        '<' | '>' => {
            "; write `\\b` for the beginning or end of a word, or the character without a \
                      backslash"
        }
        '1'..='9' | 'k' if !in_class => {
            return "back references are not supported, because the time of a check must grow only \
                    with the length of the string; write the part again"
                .to_owned();
        }
        '0'..='9' => "; write the number of a character as `\\x07`",
        'U' => "; write the number of a character as `\\u{1f30d}`",
        _ if character.is_ascii_alphabetic() => "; remove the backslash",
        _ => "; write the character without the backslash",
    };
    format!("`\\{character}` has no meaning{instead}")
}
