//! The syntax of regular expressions in ECMA-262 with the flag `u`. A backslash may also stand before
//! other characters that are no letters or digits, as without the flag.

/// Returns whether a text is a regular expression.
pub(super) fn is_regular_expression(text: &str) -> bool {
    let reader = Reader {
        rest: text,
        before: Before::Nothing,
        groups: vec![Group::new(Before::Atom)],
        captures: 0,
        last_reference: 0,
        named_references: Vec::new(),
        names: Vec::new(),
    };
    reader.read().is_some()
}

/// The kind of token before the next character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The beginning of the expression, of a group or of an alternative.
    Nothing,
    /// A token that can be repeated.
    Atom,
    /// A token that cannot.
    Other,
}

/// An open group.
struct Group {
    /// What the group is for a repetition after it.
    kind: Before,
    /// The names of groups in the alternative that is being read. Only alternatives may share names.
    names: Vec<String>,
    /// The names of groups in the alternatives before it.
    earlier: Vec<String>,
}

impl Group {
    fn new(kind: Before) -> Self {
        Self {
            kind,
            names: Vec::new(),
            earlier: Vec::new(),
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
    before: Before,
    /// The open groups. The first is the expression itself.
    groups: Vec<Group>,
    captures: u64,
    /// The greatest number of a group that is referred to.
    last_reference: u64,
    named_references: Vec<String>,
    names: Vec<String>,
}

/// Each method reads some part, and returns `None` if it is not valid.
impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut rest = self.rest.chars();
        let next = rest.next();
        self.rest = rest.as_str();
        next
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.eat(text).then_some(())
    }

    fn read(mut self) -> Option<()> {
        while let Some(character) = self.next() {
            self.before = match character {
                '|' => {
                    let group = self.groups.last_mut()?;
                    group.earlier.append(&mut group.names);
                    Before::Nothing
                }
                '(' => {
                    let kind = self.group()?;
                    self.groups.push(Group::new(kind));
                    Before::Nothing
                }
                ')' => self.end_of_group()?,
                '*' | '+' | '?' => self.repetition()?,
                '{' => {
                    self.numbers()?;
                    self.repetition()?
                }
                '}' | ']' => return None,
                '^' | '$' => Before::Other,
                '\\' => self.escape()?,
                '[' => self.class()?,
                _ => Before::Atom,
            };
        }
        let is_known = |name: &String| self.names.contains(name);
        (self.groups.len() == 1
            && self.last_reference <= self.captures
            && self.named_references.iter().all(is_known))
        .then_some(())
    }

    fn repetition(&mut self) -> Option<Before> {
        self.eat("?");
        (self.before == Before::Atom).then_some(Before::Other)
    }

    /// Reads `n}`, `n,}` or `n,m}`.
    fn numbers(&mut self) -> Option<()> {
        let least = self.digits()?;
        if self.eat(",") && self.peek() != Some('}') {
            let most = self.digits()?;
            let (least, most) = (least.trim_start_matches('0'), most.trim_start_matches('0'));
            if (least.len(), least) > (most.len(), most) {
                return None;
            }
        }
        self.expect("}")
    }

    fn digits(&mut self) -> Option<String> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        (count > 0).then(|| digits.to_owned())
    }

    /// Reads the beginning of a group.
    fn group(&mut self) -> Option<Before> {
        if !self.eat("?") {
            self.captures += 1;
            return Some(Before::Atom);
        }
        if self.eat(":") {
            return Some(Before::Atom);
        }
        if ["=", "!", "<=", "<!"].iter().any(|kind| self.eat(kind)) {
            return Some(Before::Other);
        }
        if self.eat("<") {
            self.captures += 1;
            let name = self.name()?;
            if self.groups.iter().any(|group| group.names.contains(&name)) {
                return None;
            }
            self.groups.last_mut()?.names.push(name.clone());
            self.names.push(name);
            return Some(Before::Atom);
        }
        // Flags: `i-ms:`.
        let (flags, rest) = self.rest.split_once(':')?;
        let mut letters = flags.replacen('-', "", 1);
        self.rest = rest;
        let is_valid = !letters.is_empty() && letters.chars().all(|it| "ims".contains(it));
        while let Some(letter) = letters.pop() {
            if letters.contains(letter) {
                return None;
            }
        }
        is_valid.then_some(Before::Atom)
    }

    fn end_of_group(&mut self) -> Option<Before> {
        let mut inner = self.groups.pop()?;
        let outer = self.groups.last_mut()?;
        outer.names.append(&mut inner.names);
        outer.names.append(&mut inner.earlier);
        Some(inner.kind)
    }

    /// Reads the name of a group, up to `>`.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        loop {
            let character = match self.next()? {
                '>' => break,
                '\\' => {
                    self.expect("u")?;
                    char::from_u32(self.code()?)?
                }
                character => character,
            };
            let is_allowed = match character {
                '$' | '_' => true,
                '\u{200C}' | '\u{200D}' => !name.is_empty(),
                letter if name.is_empty() => letter.is_alphabetic(),
                letter => letter.is_alphanumeric(),
            };
            if !is_allowed {
                return None;
            }
            name.push(character);
        }
        (!name.is_empty()).then_some(name)
    }

    /// Reads what follows a backslash outside a class.
    fn escape(&mut self) -> Option<Before> {
        match self.next()? {
            'b' | 'B' => return Some(Before::Other),
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => {}
            'p' | 'P' => self.property()?,
            'k' => {
                self.expect("<")?;
                let name = self.name()?;
                self.named_references.push(name);
            }
            first @ '1'..='9' => {
                let mut number = first.to_string();
                number.push_str(&self.digits().unwrap_or_default());
                let number = number.parse().unwrap_or(u64::MAX);
                self.last_reference = self.last_reference.max(number);
            }
            other => {
                self.character(other)?;
            }
        }
        Some(Before::Atom)
    }

    /// Reads the rest of an escaped character, and returns its code.
    fn character(&mut self, first: char) -> Option<u32> {
        match first {
            'f' | 'n' | 'r' | 't' | 'v' => {
                let code = [('t', 9), ('n', 10), ('v', 11), ('f', 12), ('r', 13)];
                code.iter().find(|(it, _)| *it == first).map(|it| it.1)
            }
            'c' => {
                let letter = self.next()?;
                letter.is_ascii_alphabetic().then_some(letter as u32 % 32)
            }
            '0' => (!self.peek().is_some_and(|it| it.is_ascii_digit())).then_some(0),
            'x' => self.hexadecimal(2),
            'u' => self.code(),
            other => (!other.is_alphanumeric()).then_some(other as u32),
        }
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<u32> {
        (0..digits).try_fold(0, |code, _| Some(code * 16 + self.next()?.to_digit(16)?))
    }

    /// Reads what follows `\u`: four digits, twice for a pair of surrogates, or any in braces.
    fn code(&mut self) -> Option<u32> {
        if self.eat("{") {
            let (digits, rest) = self.rest.split_once('}')?;
            self.rest = rest;
            let digits: Option<Vec<u32>> = digits.chars().map(|it| it.to_digit(16)).collect();
            let digits = digits.filter(|digits| !digits.is_empty())?;
            let code = digits.iter().fold(0_u32, |code, digit| {
                code.saturating_mul(16).saturating_add(*digit)
            });
            return (code <= char::MAX as u32).then_some(code);
        }
        let code = self.hexadecimal(4)?;
        if (0xD800..=0xDBFF).contains(&code) {
            let after = self.rest;
            let low = self.eat("\\u").then(|| self.hexadecimal(4)).flatten();
            match low {
                Some(low @ 0xDC00..=0xDFFF) => {
                    return Some(0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00));
                }
                _ => self.rest = after,
            }
        }
        Some(code)
    }

    /// Reads `{Name}` or `{Name=Value}`.
    fn property(&mut self) -> Option<()> {
        self.expect("{")?;
        let (property, rest) = self.rest.split_once('}')?;
        self.rest = rest;
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || it == b'_')
        };
        let (name, value) = property.split_once('=').unwrap_or((property, "_"));
        (is_word(name) && is_word(value)).then_some(())
    }

    /// Reads a class, up to `]`.
    fn class(&mut self) -> Option<Before> {
        self.eat("^");
        while !self.eat("]") {
            let start = self.class_part()?;
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.eat("-");
                let end = self.class_part()?;
                if start? > end? {
                    return None;
                }
            }
        }
        Some(Before::Atom)
    }

    /// Reads a character or set in a class. Returns the code of a character.
    fn class_part(&mut self) -> Option<Option<u32>> {
        let character = self.next()?;
        if character != '\\' {
            return Some(Some(character as u32));
        }
        match self.next()? {
            'b' => Some(Some(8)),
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => Some(None),
            'p' | 'P' => self.property().map(|()| None),
            other => self.character(other).map(Some),
        }
    }
}
