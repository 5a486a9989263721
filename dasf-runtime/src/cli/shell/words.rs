//! The words of a line.

use super::Error;

/// Splits a line at blanks. Quotes keep a word together, and so do the brackets and braces of JSON, in which quotes
/// stay: `hello name="Ada L" points=[{"x": 1}]` has three words.
pub(super) fn words(line: &str) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut depth = 0_usize;
    let mut symbols = line.chars();
    while let Some(symbol) = symbols.next() {
        if quote.is_none() && depth == 0 && symbol.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        let is_json = depth > 0;
        match (quote, symbol) {
            (Some('"'), '\\') => {
                let next = symbols.next();
                if is_json || !matches!(next, Some('"' | '\\')) {
                    word.push('\\');
                }
                word.extend(next);
                continue;
            }
            (Some(open), _) if open == symbol => quote = None,
            (None, '"') => quote = Some('"'),
            (None, '\'') if !is_json => quote = Some('\''),
            (None, '[' | '{') => {
                depth += 1;
                word.push(symbol);
                continue;
            }
            (None, ']' | '}') => {
                depth = depth.saturating_sub(1);
                word.push(symbol);
                continue;
            }
            _ => {
                word.push(symbol);
                continue;
            }
        }
        if is_json {
            word.push(symbol);
        }
    }
    if quote.is_some() || depth > 0 {
        return Err(Error::usage("a quote, bracket or brace has no end"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_brackets_keep_a_word_together() {
        for (line, expected) in [
            ("", vec![]),
            ("  add  a=1\tb=2 ", vec!["add", "a=1", "b=2"]),
            (
                r#"hello name="Ada L" x='a "b"'"#,
                vec!["hello", "name=Ada L", r#"x=a "b""#],
            ),
            (r#"x="a\"b\\c\d" ''"#, vec![r#"x=a"b\c\d"#, ""]),
            (
                r#"area p=[{"x": 1, "y]": "\"]"}, 2] s=2"#,
                vec!["area", r#"p=[{"x": 1, "y]": "\"]"}, 2]"#, "s=2"],
            ),
            (r#"x='{"a": 1}'"#, vec![r#"x={"a": 1}"#]),
            (r#"x=["it's"]"#, vec![r#"x=["it's"]"#]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
        for line in ["x='", "x=\"\\", "x=[1", "x={"] {
            assert!(matches!(words(line), Err(Error::Usage(_))), "{line}");
        }
    }
}
