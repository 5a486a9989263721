//! The values of `format` that are checked.

mod expression;
mod host;
mod time;
mod uri;

use std::net::{Ipv4Addr, Ipv6Addr};

/// A format with its check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    name: &'static str,
    accepts: fn(&str) -> bool,
}

/// All formats. `partial-date-time` and `partial-time` are those that `schemars` gives to types
/// without an offset.
const FORMATS: [Format; 19] = [
    format("date", time::is_date),
    format("date-time", time::is_date_time),
    format("duration", time::is_duration),
    format("email", host::is_email),
    format("hostname", host::is_hostname),
    format("ipv4", is_ipv4),
    format("ipv6", is_ipv6),
    format("iri", uri::is_iri),
    format("iri-reference", uri::is_iri_reference),
    format("json-pointer", is_json_pointer),
    format("partial-date-time", time::is_partial_date_time),
    format("partial-time", time::is_partial_time),
    format("regex", expression::is_regular_expression),
    format("relative-json-pointer", is_relative_json_pointer),
    format("time", time::is_time),
    format("uri", uri::is_uri),
    format("uri-reference", uri::is_uri_reference),
    format("uri-template", uri::is_template),
    format("uuid", is_uuid),
];

const fn format(name: &'static str, accepts: fn(&str) -> bool) -> Format {
    Format { name, accepts }
}

impl Format {
    /// Returns a format by its name; `None` if it is not known, and so not checked.
    pub(crate) fn named(name: &str) -> Option<Self> {
        FORMATS.into_iter().find(|format| format.name == name)
    }

    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    pub(crate) fn accepts(self, text: &str) -> bool {
        (self.accepts)(text)
    }
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// Accepts `67e55044-10b1-426f-9247-bb680e5fe0c8`.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit())
}

/// Accepts `/points/0/a~1b` (RFC 6901).
fn is_json_pointer(text: &str) -> bool {
    let mut parts = text.split('~');
    let start = parts.next().unwrap_or_default();
    (text.is_empty() || start.starts_with('/')) && parts.all(|part| part.starts_with(['0', '1']))
}

/// Accepts `1/points/0` and `0#`.
fn is_relative_json_pointer(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (levels, pointer) = text.split_at(digits);
    let is_number = levels == "0" || (!levels.is_empty() && !levels.starts_with('0'));
    is_number && (pointer == "#" || is_json_pointer(pointer))
}
