//! Strings from files, standard input and environment variables: decodes bytes, and removes byte
//! order marks and line breaks. Strings of other programs: makes them printable.

/// The byte order mark, which some editors and shells write at the start of a file.
const MARK: char = '\u{feff}';

/// The reason why bytes cannot be read as a string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The bytes begin with the byte order mark of another encoding.
    #[error("it is encoded as {encoding}; save it as UTF-8")]
    Encoding {
        /// The encoding, for example `UTF-16`.
        encoding: &'static str,
    },
    /// The bytes are not UTF-8.
    #[error("it is not UTF-8 from byte {position} on; save it as UTF-8")]
    NotUtf8 {
        /// The position of the first invalid byte, counted from 1.
        position: usize,
    },
}

/// The error of a value with several lines where only one line is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it contains a line break; use a single line")]
pub struct NotOneLine;

/// Decodes the bytes of a file, and removes a byte order mark at the start.
///
/// ```
/// use dasf_protocol::text::decode;
///
/// assert_eq!(decode(b"\xef\xbb\xbf{}".to_vec())?, "{}");
/// let error = decode(b"\xff\xfe{\0}\0".to_vec()).unwrap_err();
/// assert_eq!(error.to_string(), "it is encoded as UTF-16; save it as UTF-8");
/// # Ok::<(), dasf_protocol::text::TextError>(())
/// ```
///
/// # Errors
/// Returns a [`TextError`] if the bytes are not UTF-8.
pub fn decode(bytes: Vec<u8>) -> Result<String, TextError> {
    let length = bytes.len();
    let rest = skip_mark(&bytes)?.len();
    let mut text = String::from_utf8(bytes).map_err(|error| TextError::NotUtf8 {
        position: error.utf8_error().valid_up_to() + 1,
    })?;
    text.drain(..length - rest);
    Ok(text)
}

/// Removes a UTF-8 byte order mark from the start of a file. The other bytes may have any encoding.
///
/// # Errors
/// Returns [`TextError::Encoding`] if the mark belongs to another encoding.
pub fn skip_mark(bytes: &[u8]) -> Result<&[u8], TextError> {
    let encoding = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Ok(rest),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        _ => return Ok(bytes),
    };
    Err(TextError::Encoding { encoding })
}

/// Removes a byte order mark from the start of a string.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Removes the line breaks at the end of a value. Values from files often have one.
///
/// ```
/// use dasf_protocol::text::one_line;
///
/// assert_eq!(one_line("secret\n"), Ok("secret"));
/// assert!(one_line("se\ncret").is_err());
/// ```
///
/// # Errors
/// Returns [`NotOneLine`] if the value contains another line break.
pub fn one_line(value: &str) -> Result<&str, NotOneLine> {
    let line = value.trim_end_matches(['\n', '\r']);
    if line.contains(['\n', '\r']) {
        Err(NotOneLine)
    } else {
        Ok(line)
    }
}

/// Returns whether a character is invisible but changes other characters: a control character, or a
/// character for the direction of writing. With such a character, a name could forge a line of a log,
/// control a terminal, or make a comment look like code.
pub fn is_hidden(character: char) -> bool {
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

/// Makes a text of another program printable, as one line: a space stands for each character that
/// [is hidden](is_hidden), and `; ` for line breaks between lines.
///
/// ```
/// use dasf_protocol::text::printable;
///
/// assert_eq!(printable("no data\n  INFO \u{1b}]0;title\u{7}"), "no data; INFO  ]0;title");
/// ```
pub fn printable(text: &str) -> String {
    if !text.contains('\n') {
        return text.replace(is_hidden, " ");
    }
    let text = text.replace(|symbol| is_hidden(symbol) && symbol != '\n', " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// Returns the beginning of a text, at most `max` characters, with spaces for those that [are
/// hidden](is_hidden), and whether this is the whole text.
///
/// ```
/// use dasf_protocol::text::excerpt;
///
/// assert_eq!(excerpt("a\u{1b}b", 9), ("a b".to_owned(), true));
/// assert_eq!(excerpt("abc", 2), ("ab".to_owned(), false));
/// ```
pub fn excerpt(text: &str, max: usize) -> (String, bool) {
    let mut characters = text.chars();
    let shown = characters.by_ref().take(max);
    let shown = shown.map(|it| if is_hidden(it) { ' ' } else { it });
    (shown.collect(), characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mark_at_the_start_is_skipped() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"\xef\xbb\xbf", ""),
            ("\u{feff}\u{feff}a".as_bytes(), "\u{feff}a"),
            ("a\u{feff}".as_bytes(), "a\u{feff}"),
        ] {
            assert_eq!(decode(bytes.to_vec()).as_deref(), Ok(text), "{bytes:?}");
            let given = std::str::from_utf8(bytes).unwrap();
            assert_eq!(without_mark(given), text);
        }
    }

    #[test]
    fn other_encodings_are_named() {
        for (bytes, encoding) in [
            (&b"\xff\xfea\0"[..], "UTF-16"),
            (b"\xfe\xff\0a", "UTF-16"),
            (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
            (b"\0\0\xfe\xff\0\0\0a", "UTF-32"),
        ] {
            let named = Err(TextError::Encoding { encoding });
            assert_eq!(decode(bytes.to_vec()), named, "{bytes:?}");
        }
        let latin = decode(b"Gr\xfc\xdfe".to_vec());
        assert_eq!(latin, Err(TextError::NotUtf8 { position: 3 }));
    }

    #[test]
    fn no_hidden_character_is_printed() {
        for (text, printed) in [
            (" a ", " a "),
            ("a\tb\u{85}c\u{9b}2Jd", "a b c 2Jd"),
            ("\u{202e}a\u{2066}\u{200f}b\u{e0041}", "a  b"),
            ("a\r\n\n  b\rc\u{2028}", "a; b c"),
            ("👩\u{200d}🔬", "👩\u{200d}🔬"),
        ] {
            let found = printable(text);
            assert!(!found.contains(is_hidden), "{text:?}");
            assert_eq!(found.trim(), printed.trim(), "{text:?}");
        }
    }

    #[test]
    fn a_line_ends_where_its_break_begins() {
        assert_eq!(one_line("a"), Ok("a"));
        assert_eq!(one_line("a \r\n\n"), Ok("a "));
        assert_eq!(one_line("\n"), Ok(""));
        assert_eq!(one_line("\na"), Err(NotOneLine));
        assert_eq!(one_line("a\rb"), Err(NotOneLine));
    }
}
