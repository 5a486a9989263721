//! URIs (RFC 3986), IRIs (RFC 3987) and templates for them (RFC 6570).

use std::net::Ipv6Addr;

/// The characters that an address may contain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Characters {
    /// Those of a URI.
    Ascii,
    /// Those of an IRI.
    Unicode,
}

/// Accepts `https://example.org/a?b#c`.
pub(super) fn is_uri(text: &str) -> bool {
    is_address(text, Characters::Ascii, false)
}

/// Accepts a URI, or a part of one: `../a`.
pub(super) fn is_uri_reference(text: &str) -> bool {
    is_address(text, Characters::Ascii, true)
}

/// Accepts a URI with characters of any language.
pub(super) fn is_iri(text: &str) -> bool {
    is_address(text, Characters::Unicode, false)
}

/// Accepts an IRI, or a part of one.
pub(super) fn is_iri_reference(text: &str) -> bool {
    is_address(text, Characters::Unicode, true)
}

fn is_address(text: &str, characters: Characters, may_be_part: bool) -> bool {
    let rest = match text.find([':', '/', '?', '#']) {
        Some(end) if text[end..].starts_with(':') => {
            // Without a scheme, the first part of a path contains no colon.
            if !is_scheme(&text[..end]) {
                return false;
            }
            &text[end + 1..]
        }
        _ if may_be_part => text,
        _ => return false,
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", hierarchy),
    };
    is_authority(authority, characters)
        && consists_of(path, ":@/", characters)
        && (consists_of(query, ":@/?", characters)
            || (characters == Characters::Unicode && is_private_query(query)))
        && consists_of(fragment, ":@/?", characters)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it))
}

/// Accepts `user@example.org:80`.
fn is_authority(text: &str, characters: Characters) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let host_end = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, port)) if is_ip_literal(address) => port,
            _ => return false,
        },
        None => {
            let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            if !consists_of(name, "", characters) {
                return false;
            }
            port
        }
    };
    let port = host_end
        .strip_prefix(':')
        .or(host_end.is_empty().then_some(""));
    let is_port = |port: &str| port.bytes().all(|it| it.is_ascii_digit());
    consists_of(user, ":", characters) && port.is_some_and(is_port)
}

/// Accepts `::1` and addresses of future versions, such as `v7.x:y`.
fn is_ip_literal(text: &str) -> bool {
    let Some(future) = text.strip_prefix(['v', 'V']) else {
        return text.parse::<Ipv6Addr>().is_ok();
    };
    let is_future = |(version, address): (&str, &str)| {
        !version.is_empty()
            && version.bytes().all(|it| it.is_ascii_hexdigit())
            && !address.is_empty()
            && !address.contains('%')
            && consists_of(address, ":", Characters::Ascii)
    };
    future.split_once('.').is_some_and(is_future)
}

/// Returns whether a text consists of characters that are allowed everywhere, some others, and
/// characters encoded as `%XX`.
fn consists_of(text: &str, others: &str, characters: Characters) -> bool {
    let is_allowed = |it: char| {
        it.is_ascii_alphanumeric()
            || "-._~!$&'()*+,;=".contains(it)
            || others.contains(it)
            || (characters == Characters::Unicode && is_of_iri(it))
    };
    is_encoded(text, is_allowed)
}

/// Accepts the queries of IRIs, which may contain characters for private use.
fn is_private_query(query: &str) -> bool {
    let is_private = |it: char| matches!(it, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}');
    consists_of(&query.replace(is_private, ""), ":@/?", Characters::Unicode)
}

/// Returns whether a character beyond ASCII may be part of an IRI.
fn is_of_iri(character: char) -> bool {
    match character as u32 {
        0xA0..=0xD7FF | 0xF900..=0xFDCF | 0xFDF0..=0xFFEF => true,
        code @ 0x1_0000..=0xE_FFFD => {
            // The last two of each plane, and the beginning of the last plane, are not characters.
            code & 0xFFFF <= 0xFFFD && !(0xE_0000..=0xE_0FFF).contains(&code)
        }
        _ => false,
    }
}

/// Accepts `/points{/id}{?x,y*}`.
pub(super) fn is_template(text: &str) -> bool {
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((expression, after)) = after.split_once('}') else {
            return false;
        };
        if !is_literal(literal) || !is_expression(expression) {
            return false;
        }
        rest = after;
    }
    is_literal(rest)
}

fn is_literal(text: &str) -> bool {
    let is_allowed =
        |it: char| !it.is_ascii() || (it.is_ascii_graphic() && !r#""<>%\^`{|}"#.contains(it));
    is_encoded(text, is_allowed)
}

/// Accepts the variables of a template, after an operator.
fn is_expression(text: &str) -> bool {
    let variables = text
        .strip_prefix(|it| "+#./;?&=,!@|".contains(it))
        .unwrap_or(text);
    variables.split(',').all(|variable| {
        let (name, length) = match variable.split_once(':') {
            Some((name, length)) => (name, Some(length)),
            None => (variable.strip_suffix('*').unwrap_or(variable), None),
        };
        let is_length = |length: &str| {
            (1..=4).contains(&length.len())
                && !length.starts_with('0')
                && length.bytes().all(|it| it.is_ascii_digit())
        };
        let is_allowed = |it: char| it.is_ascii_alphanumeric() || it == '_';
        let is_part = |part: &str| !part.is_empty() && is_encoded(part, is_allowed);
        name.split('.').all(is_part) && length.is_none_or(is_length)
    })
}

/// Returns whether a text consists of allowed characters and characters encoded as `%XX`.
fn is_encoded(text: &str, is_allowed: impl Fn(char) -> bool) -> bool {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default();
    first.chars().all(&is_allowed)
        && parts.all(|part| {
            let mut part = part.chars();
            let mut is_digit = || part.next().is_some_and(|it| it.is_ascii_hexdigit());
            is_digit() && is_digit() && part.all(&is_allowed)
        })
}
