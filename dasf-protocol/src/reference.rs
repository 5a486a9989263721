//! The targets of `$ref` in schemas.
//!
//! A `$ref` is a JSON pointer in the fragment of a URL, which escapes special characters in names:
//! `Größe` is `Gr%C3%B6%C3%9Fe`, and `a/b~c` is `a~1b~0c`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The keywords for definitions: the current one, and that of draft 7.
pub const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Returns the keyword, one of [`DEFINITIONS`], and the name of the definition to which a `$ref`
/// points; `None` for any other target.
///
/// ```
/// use dasf_protocol::reference::definition;
///
/// assert_eq!(definition("#/$defs/Point"), Some(("$defs", "Point".into())));
/// assert_eq!(definition("#/$defs/Gr%C3%B6%C3%9Fe"), Some(("$defs", "Größe".into())));
/// assert_eq!(definition("#/definitions/a~1b~0c"), Some(("definitions", "a/b~c".into())));
/// assert_eq!(definition("other.json#/$defs/Point"), None);
/// ```
pub fn definition(reference: &str) -> Option<(&'static str, Cow<'_, str>)> {
    let (keyword, name) = reference.strip_prefix("#/")?.split_once('/')?;
    let keyword = decode(keyword);
    let mut keywords = DEFINITIONS.into_iter();
    let keyword = keywords.find(|known| *known == keyword)?;
    Some((keyword, decode(name)))
}

/// Decodes one part of a JSON pointer in the fragment of a URL. `%XX` is a byte of UTF-8, `~1` a
/// slash and `~0` a tilde (RFC 6901, §6). Other characters stay unchanged.
///
/// ```
/// use dasf_protocol::reference::decode;
///
/// assert_eq!(decode("Grid%3C%7BT%7D%3E"), "Grid<{T}>");
/// assert_eq!(decode("100%"), "100%");
/// ```
pub fn decode(part: &str) -> Cow<'_, str> {
    let decoded = percent_decode_str(part).decode_utf8_lossy();
    if decoded.contains('~') {
        return Cow::Owned(decoded.replace("~1", "/").replace("~0", "~"));
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded() {
        for (reference, keyword, name) in [
            ("#/$defs/A", "$defs", "A"),
            ("#/%24defs/A", "$defs", "A"),
            ("#/$defs/", "$defs", ""),
            ("#/definitions/gr%C3%B6%C3%9fe", "definitions", "größe"),
            ("#/$defs/größe", "$defs", "größe"),
            ("#/$defs/A~1B", "$defs", "A/B"),
            ("#/$defs/A%7e1B", "$defs", "A/B"),
            ("#/$defs/A%2FB", "$defs", "A/B"),
            ("#/$defs/A~01", "$defs", "A~1"),
            ("#/$defs/a%2", "$defs", "a%2"),
            ("#/$defs/a%+f%zz%", "$defs", "a%+f%zz%"),
            ("#/$defs/%FF", "$defs", "\u{fffd}"),
        ] {
            let found = definition(reference);
            assert_eq!(found, Some((keyword, name.into())), "{reference}");
        }
    }

    #[test]
    fn other_references_have_no_name() {
        for reference in [
            "",
            "#",
            "#/",
            "#/$defs",
            "#/properties/a",
            "#A",
            "a.json#/$defs/A",
        ] {
            assert_eq!(definition(reference), None, "{reference}");
        }
    }
}
