//! Names of hosts and addresses of emails.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;

/// The prefix of labels with characters beyond ASCII, which are encoded as Punycode.
const ENCODED: &str = "xn--";

/// Accepts `example.org` (RFC 1123), and labels in Punycode (RFC 5891).
pub(super) fn is_hostname(text: &str) -> bool {
    /// The maximum number of bytes of a name.
    const MAX_NAME: usize = 253;
    (1..=MAX_NAME).contains(&text.len()) && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    /// The maximum number of bytes of a label.
    const MAX_LABEL: usize = 63;
    let is_ascii = (1..=MAX_LABEL).contains(&label.len())
        && label
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-');
    if !is_ascii {
        return false;
    }
    match label.strip_prefix(ENCODED) {
        Some(encoded) => decoded(encoded).is_some_and(|label| is_unicode_label(&label)),
        None => label.get(2..4) != Some("--"),
    }
}

/// Accepts `name@example.org`, also with a name before it: `Name <name@example.org>`.
pub(super) fn is_email(text: &str) -> bool {
    let address = match text.rsplit_once(" <") {
        Some((_, address)) => match address.trim().strip_suffix('>') {
            Some(address) => address,
            None => return false,
        },
        None => text,
    };
    let Some((name, domain)) = address.rsplit_once('@') else {
        return false;
    };
    // The part before the `@` may be `""`, but not behind another name.
    let is_allowed = name != r#""""# || address.len() == text.len();
    let is_domain = match domain.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(literal) => is_address_literal(literal),
        None => is_hostname(domain),
    };
    is_mailbox(name) && is_allowed && is_domain
}

/// Accepts the part before the `@` (RFC 5321).
fn is_mailbox(name: &str) -> bool {
    /// The maximum number of bytes.
    const MAX: usize = 64;
    let quoted = name.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let is_atom = |atom: &str| {
        let is_allowed =
            |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&it);
        !atom.is_empty() && atom.bytes().all(is_allowed)
    };
    name.len() <= MAX && quoted.map_or_else(|| name.split('.').all(is_atom), is_quoted)
}

fn is_quoted(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let is_allowed = match character {
            '\\' => characters.next().is_some_and(|it| it.is_ascii_graphic()),
            '"' => false,
            ' ' | '\t' => true,
            other => other.is_ascii_graphic(),
        };
        if !is_allowed {
            return false;
        }
    }
    true
}

/// Accepts `127.0.0.1` and `IPv6:::1`.
fn is_address_literal(text: &str) -> bool {
    const TAG: &str = "IPv6:";
    match text.split_at_checked(TAG.len()) {
        Some((tag, address)) if tag.eq_ignore_ascii_case(TAG) => {
            address.parse::<Ipv6Addr>().is_ok()
        }
        _ => text.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Decodes Punycode (RFC 3492).
fn decoded(encoded: &str) -> Option<String> {
    const BASE: u32 = 36;
    const LEAST: u32 = 1;
    const MOST: u32 = 26;
    let (basic, digits) = match encoded.rsplit_once('-') {
        Some((basic, digits)) if !basic.is_empty() => (basic, digits),
        _ => ("", encoded),
    };
    let mut characters: Vec<char> = basic.chars().collect();
    let (mut code, mut index, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = digits.chars().peekable();
    while digits.peek().is_some() {
        let (start, mut weight, mut position) = (index, 1_u32, BASE);
        loop {
            let digit = match digits.next()? {
                letter @ 'a'..='z' => letter as u32 - 'a' as u32,
                letter @ 'A'..='Z' => letter as u32 - 'A' as u32,
                digit @ '0'..='9' => digit as u32 - '0' as u32 + 26,
                _ => return None,
            };
            index = index.checked_add(digit.checked_mul(weight)?)?;
            let threshold = position.saturating_sub(bias).clamp(LEAST, MOST);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            position += BASE;
        }
        let count = u32::try_from(characters.len()).ok()? + 1;
        let mut delta = (index - start) / if start == 0 { 700 } else { 2 };
        delta += delta / count;
        bias = 0;
        while delta > (BASE - LEAST) * MOST / 2 {
            delta /= BASE - LEAST;
            bias += BASE;
        }
        bias += (BASE - LEAST + 1) * delta / (delta + 38);
        code = code.checked_add(index / count)?;
        index %= count;
        characters.insert(usize::try_from(index).ok()?, char::from_u32(code)?);
        index += 1;
    }
    Some(characters.into_iter().collect())
}

/// Accepts the characters of an internationalized label, each where RFC 5892 allows it.
fn is_unicode_label(label: &str) -> bool {
    let characters: Vec<char> = label.chars().collect();
    let at = |index: Option<usize>| index.and_then(|index| characters.get(index)).copied();
    let any = |is: fn(&char) -> bool| characters.iter().any(is);
    let is_allowed = |(index, character): (usize, &char)| {
        let before = at(index.checked_sub(1));
        let after = at(Some(index + 1));
        match *character {
            // A joiner, after a virama.
            '\u{200D}' => before.is_some_and(|it| VIRAMAS.contains(&it)),
            '\u{200C}' => true,
            // The dot of Catalan, in `l·l`.
            '\u{B7}' => (before, after) == (Some('l'), Some('l')),
            // A Greek numeral sign.
            '\u{375}' => after.is_some_and(|it| ('\u{370}'..='\u{3FF}').contains(&it)),
            // Hebrew punctuation.
            '\u{5F3}' | '\u{5F4}' => before.is_some_and(|it| ('\u{590}'..='\u{5FF}').contains(&it)),
            // The dot of Katakana.
            '\u{30FB}' => any(|it| *it != '\u{30FB}' && is_japanese(*it)),
            it if is_japanese(it) => true,
            '\u{640}'
            | '\u{7FA}'
            | '\u{302E}'
            | '\u{302F}'
            | '\u{3031}'..='\u{3035}'
            | '\u{303B}' => false,
            '\u{6FD}' | '\u{6FE}' | '\u{F0B}' | '\u{3007}' => true,
            other => other.is_ascii() || matches_class(&LETTERS, other),
        }
    };
    // Arabic digits of two kinds are easily mixed up.
    let has_mixed_digits = any(|it| ('\u{660}'..='\u{669}').contains(it))
        && any(|it| ('\u{6F0}'..='\u{6F9}').contains(it));
    !at(Some(0)).is_some_and(|first| matches_class(&MARKS, first))
        && !has_mixed_digits
        && characters.iter().enumerate().all(is_allowed)
}

/// Returns whether a character is Hiragana, Katakana or Han.
fn is_japanese(character: char) -> bool {
    matches!(character, '\u{3040}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}')
}

static LETTERS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{Mn}\p{Mc}\p{Nd}]$").ok());
static MARKS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{M}$").ok());

fn matches_class(class: &LazyLock<Option<Regex>>, character: char) -> bool {
    let text = character.encode_utf8(&mut [0; 4]).to_owned();
    class.as_ref().is_some_and(|class| class.is_match(&text))
}

/// The characters of Unicode with the combining class *virama*.
const VIRAMAS: [char; 50] = [
    '\u{94D}',
    '\u{9CD}',
    '\u{A4D}',
    '\u{ACD}',
    '\u{B4D}',
    '\u{BCD}',
    '\u{C4D}',
    '\u{CCD}',
    '\u{D4D}',
    '\u{DCA}',
    '\u{E3A}',
    '\u{F84}',
    '\u{1039}',
    '\u{1714}',
    '\u{1734}',
    '\u{17D2}',
    '\u{1A60}',
    '\u{1B44}',
    '\u{1BAA}',
    '\u{1BF2}',
    '\u{1BF3}',
    '\u{2D7F}',
    '\u{A806}',
    '\u{A8C4}',
    '\u{A953}',
    '\u{ABED}',
    '\u{10A3F}',
    '\u{11046}',
    '\u{1107F}',
    '\u{110B9}',
    '\u{11133}',
    '\u{111C0}',
    '\u{11235}',
    '\u{112EA}',
    '\u{1134D}',
    '\u{11442}',
    '\u{114C2}',
    '\u{115BF}',
    '\u{1163F}',
    '\u{116B6}',
    '\u{1172B}',
    '\u{11839}',
    '\u{119E0}',
    '\u{11A34}',
    '\u{11A47}',
    '\u{11A99}',
    '\u{11C3F}',
    '\u{11D44}',
    '\u{11D45}',
    '\u{11D97}',
];
