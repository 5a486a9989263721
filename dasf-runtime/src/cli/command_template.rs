//! Commands with placeholders for the file of a request.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;
use std::str::FromStr;

/// A command in which `{}`, `{path}`, `{basename}` and `{directory}` stand for parts of a path. `{{` and `}}` are
/// the braces themselves, as in Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommandTemplate {
    text: String,
}

/// The part of a path that a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Path,
    Basename,
    Directory,
}

/// A part of a template.
enum Piece {
    Symbol(char),
    Placeholder(Placeholder),
}

/// The error of a text that is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("the command is empty")]
    Empty,
    #[error(
        "{{{0}}} is not a placeholder; write {{}}, {{path}}, {{basename}}, {{directory}}, or {{{{ for a brace"
    )]
    Unknown(String),
    #[error(
        "a brace has no counterpart; write {{{{ or }}}} for a brace that is not part of a placeholder"
    )]
    Brace,
    #[error("a quote has no end")]
    Quote,
    #[error("{0:?} has a meaning only in a shell; quote it, or add --shell")]
    NeedsShell(char),
}

impl FromStr for CommandTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        pieces(text)?;
        if text.trim().is_empty() {
            return Err(TemplateError::Empty);
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }
}

impl CommandTemplate {
    /// Returns the program and its arguments for a file. A blank ends a word outside quotes, as in a shell. A path
    /// never ends one.
    ///
    /// # Errors
    /// Returns a [`TemplateError`] if only a shell can run the command.
    pub(super) fn words(&self, file: &Path) -> Result<Vec<OsString>, TemplateError> {
        let mut words = Vec::new();
        let mut word: Option<OsString> = None;
        let mut quote = None;
        let mut pieces = pieces(&self.text)?.into_iter();
        while let Some(piece) = pieces.next() {
            let symbol = match piece {
                Piece::Placeholder(placeholder) => {
                    let word = word.get_or_insert_default();
                    word.push(placeholder.of(file));
                    continue;
                }
                Piece::Symbol(symbol) => symbol,
            };
            match (quote, symbol) {
                (None, '\'' | '"') => {
                    word.get_or_insert_default();
                    quote = Some(symbol);
                }
                (Some(open), _) if open == symbol => quote = None,
                (None | Some('"'), '\\') => {
                    let word = word.get_or_insert_default();
                    match pieces.next() {
                        Some(Piece::Symbol(next)) => {
                            if quote.is_some() && !matches!(next, '"' | '\\' | '$' | '`') {
                                word.push("\\");
                            }
                            word.push(next.to_string());
                        }
                        Some(Piece::Placeholder(placeholder)) => word.push(placeholder.of(file)),
                        None => word.push("\\"),
                    }
                }
                (None | Some('"'), '$' | '`')
                | (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | '\n') => {
                    return Err(TemplateError::NeedsShell(symbol));
                }
                // They mean something else only at the beginning of a word.
                (None, '~' | '#') if word.is_none() => {
                    return Err(TemplateError::NeedsShell(symbol));
                }
                (None, symbol) if symbol.is_whitespace() => words.extend(word.take()),
                (_, symbol) => word.get_or_insert_default().push(symbol.to_string()),
            }
        }
        if quote.is_some() {
            return Err(TemplateError::Quote);
        }
        words.extend(word);
        match words.first() {
            Some(program) if !program.is_empty() => Ok(words),
            _ => Err(TemplateError::Empty),
        }
    }

    /// Returns the text for a shell. A path with characters that mean something to the shell is quoted.
    ///
    /// # Errors
    /// Returns a [`TemplateError`] if the text is not a template.
    pub(super) fn line(&self, file: &Path) -> Result<OsString, TemplateError> {
        let mut line = OsString::new();
        for piece in pieces(&self.text)? {
            match piece {
                Piece::Symbol(symbol) => line.push(symbol.to_string()),
                Piece::Placeholder(placeholder) => line.push(&*quoted(placeholder.of(file))),
            }
        }
        Ok(line)
    }
}

impl Placeholder {
    fn of(self, file: &Path) -> &std::ffi::OsStr {
        match self {
            Self::Path => file.as_os_str(),
            Self::Basename => file.file_name().unwrap_or_default(),
            Self::Directory => file.parent().unwrap_or(file).as_os_str(),
        }
    }
}

/// Splits a template at its placeholders.
fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(symbol) = rest.chars().next() {
        rest = &rest[symbol.len_utf8()..];
        match symbol {
            '{' | '}' if rest.starts_with(symbol) => {
                rest = &rest[1..];
                pieces.push(Piece::Symbol(symbol));
            }
            '{' => {
                let (name, after) = rest.split_once('}').ok_or(TemplateError::Brace)?;
                rest = after;
                pieces.push(Piece::Placeholder(match name {
                    "" | "0" | "path" => Placeholder::Path,
                    "basename" => Placeholder::Basename,
                    "directory" => Placeholder::Directory,
                    _ => return Err(TemplateError::Unknown(name.to_owned())),
                }));
            }
            '}' => return Err(TemplateError::Brace),
            _ => pieces.push(Piece::Symbol(symbol)),
        }
    }
    Ok(pieces)
}

/// Returns a path as one word of a shell. A path that is one already stays as it is, so that it may stand inside
/// the quotes of a template.
fn quoted(path: &std::ffi::OsStr) -> Cow<'_, std::ffi::OsStr> {
    let text = path.to_string_lossy();
    let is_plain = |symbol: char| symbol.is_ascii_alphanumeric() || "/._-+,:@%=\\".contains(symbol);
    if text.chars().all(is_plain) {
        return path.into();
    }
    OsString::from(format!("'{}'", text.replace('\'', "'\\''"))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(template: &str) -> Result<Vec<String>, TemplateError> {
        let template: CommandTemplate = template.parse()?;
        let words = template.words(Path::new("/tmp/a b/it's.json"))?;
        Ok(words
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect())
    }

    #[test]
    fn placeholders_never_split_a_word() {
        for (template, expected) in [
            ("cat {}", vec!["cat", "/tmp/a b/it's.json"]),
            (
                "cat {path} {0}",
                vec!["cat", "/tmp/a b/it's.json", "/tmp/a b/it's.json"],
            ),
            (
                "  run --to=x/{basename}  '{directory}' ",
                vec!["run", "--to=x/it's.json", "/tmp/a b"],
            ),
            (
                r#"jq '{{"a": .b[0]}}' "{}""#,
                vec!["jq", r#"{"a": .b[0]}"#, "/tmp/a b/it's.json"],
            ),
            (r#"a\ b "c \" \d" ''"#, vec!["a b", r#"c " \d"#, ""]),
            (
                r"x a#b a~ \$HOME '$HOME'",
                vec!["x", "a#b", "a~", "$HOME", "$HOME"],
            ),
        ] {
            assert_eq!(words(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_only_a_shell_understands_is_refused() {
        for (template, symbol) in [
            ("cat {path} && rm {path}", '&'),
            ("cat {} | jq .", '|'),
            ("cat {} > out", '>'),
            ("echo $HOME", '$'),
            ("echo \"`date`\"", '`'),
            ("cat ~/x", '~'),
            ("ls *.json", '*'),
            ("true\nfalse", '\n'),
        ] {
            assert_eq!(
                words(template),
                Err(TemplateError::NeedsShell(symbol)),
                "{template}"
            );
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (template, expected) in [
            ("", TemplateError::Empty),
            ("  ", TemplateError::Empty),
            ("'' {}", TemplateError::Empty),
            ("cat {file}", TemplateError::Unknown("file".to_owned())),
            ("cat {", TemplateError::Brace),
            ("cat }", TemplateError::Brace),
            ("cat 'x", TemplateError::Quote),
        ] {
            assert_eq!(words(template), Err(expected), "{template}");
        }
    }

    #[test]
    fn a_shell_gets_the_path_as_one_word() {
        let line = |template: &str, path: &str| {
            let template: CommandTemplate = template.parse().unwrap();
            template
                .line(Path::new(path))
                .unwrap()
                .into_string()
                .unwrap()
        };
        assert_eq!(
            line("cat {} && rm '{path}'", "/tmp/x.json"),
            "cat /tmp/x.json && rm '/tmp/x.json'"
        );
        assert_eq!(
            line("cat {} | jq .", "/tmp/$(x)/it's"),
            r"cat '/tmp/$(x)/it'\''s' | jq ."
        );
    }
}
