//! The layout of strings, comments and nested values in TypeScript.

use serde_json::Value;

use crate::names::{is_escaped, is_hidden};

/// The maximum width of a line that can be broken.
const WIDTH: usize = 100;

/// Returns a string literal.
pub(super) fn literal(text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            hidden if is_escaped(hidden) => {
                for unit in hidden.encode_utf16(&mut [0; 2]) {
                    written.push_str(&format!("\\u{unit:04x}"));
                }
            }
            other => written.push(other),
        }
    }
    written.push('"');
    written
}

/// Returns the name of a property; a literal if it is not an identifier.
pub(super) fn property(name: &str) -> String {
    let is_letter = |character: char| character.is_ascii_alphabetic() || "_$".contains(character);
    let is_identifier = name.starts_with(is_letter)
        && name
            .chars()
            .all(|character| is_letter(character) || character.is_ascii_digit());
    if is_identifier {
        name.to_owned()
    } else {
        literal(name)
    }
}

/// Returns one line of a `//` comment.
pub(super) fn line_comment(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|character| if is_hidden(character) { ' ' } else { character })
        .collect();
    format!("// {text}").trim_end().to_owned()
}

/// The comment before a declaration.
#[derive(Debug, Clone, Default)]
pub(super) struct Comment {
    paragraphs: Vec<String>,
    tags: Vec<String>,
}

impl Comment {
    /// Returns a comment that begins with the module's documentation, if there is any.
    pub(super) fn of(documentation: &str) -> Self {
        Self::default().and(documentation)
    }

    /// Adds a paragraph, unless it is empty.
    pub(super) fn and(mut self, paragraph: &str) -> Self {
        self.paragraphs.push(paragraph.trim().to_owned());
        self
    }

    /// Adds a paragraph of sentences.
    pub(super) fn and_sentences(self, sentences: &[String]) -> Self {
        self.and(&sentences.join(" "))
    }

    /// Adds a tag with a text.
    pub(super) fn tag(mut self, tag: &str, text: &str) -> Self {
        self.tags.push(format!("@{tag} {}", safe(text.trim())));
        self
    }

    /// Adds the tag for deprecated items.
    pub(super) fn deprecated(self, is_deprecated: bool) -> Self {
        if is_deprecated {
            self.tag("deprecated", "The module marks this as deprecated.")
        } else {
            self
        }
    }

    /// Returns the comment with its line break; empty if the comment is empty.
    pub(super) fn write(&self, indent: &str) -> String {
        let room = WIDTH.saturating_sub(indent.len() + 3);
        let mut lines = Vec::new();
        let paragraphs = self.paragraphs.iter().filter(|text| !text.is_empty());
        let paragraphs = paragraphs.map(|text| safe(text));
        for text in paragraphs.chain((!self.tags.is_empty()).then(|| self.tags.join("\n"))) {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            for line in text.lines() {
                wrap(line, room, &mut lines);
            }
        }
        match &lines[..] {
            [] => String::new(),
            [line] if line.chars().count() + 4 <= room => format!("{indent}/** {line} */\n"),
            lines => {
                let lines = lines.iter().map(|line| match line.as_str() {
                    "" => format!("{indent} *\n"),
                    line => format!("{indent} * {line}\n"),
                });
                format!("{indent}/**\n{}{indent} */\n", lines.collect::<String>())
            }
        }
    }
}

/// Escapes the sequences that would end the comment or begin a tag.
fn safe(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let lines = text.split([
        '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
    ]);
    let safe = lines.map(|line| {
        let shown = |character| if is_hidden(character) { ' ' } else { character };
        let line: String = line.chars().map(shown).collect();
        let line = line.trim_end().replace("*/", "*\\/").replace("{@", "{\\@");
        let content = line.trim_start();
        match content.strip_prefix('@') {
            Some(rest) => format!("{}\\@{rest}", &line[..line.len() - content.len()]),
            // With the star at the beginning of the line, it would end the comment.
            None if content.starts_with('/') => format!("\\{content}"),
            None => line,
        }
    });
    safe.collect::<Vec<_>>().join("\n")
}

/// Breaks a line between words if it is too long. It keeps code and tables.
fn wrap(line: &str, room: usize, lines: &mut Vec<String>) {
    if line.chars().count() <= room || line.starts_with([' ', '|']) {
        lines.push(line.to_owned());
        return;
    }
    let mut current = String::new();
    for word in line.split(' ') {
        if !current.is_empty() && current.chars().count() + 1 + word.chars().count() > room {
            lines.push(std::mem::take(&mut current));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(current);
}

/// Returns `prefix` and a union of types, on one line or with one line for each type.
pub(super) fn union(prefix: &str, types: &[String], indent: &str) -> String {
    let flat = format!("{indent}{prefix} {};\n", types.join(" | "));
    if types.len() < 2 || flat.chars().count() <= WIDTH + 1 {
        return flat;
    }
    let members = types.iter().map(|ty| format!("\n{indent}  | {ty}"));
    format!("{indent}{prefix}{};\n", members.collect::<String>())
}

/// Returns the head of a method, on one line or with one line for each parameter.
pub(super) fn signature(name: &str, parameters: &[String], result: &str) -> String {
    let flat = format!("  {name}({}): {result} {{\n", parameters.join(", "));
    if parameters.is_empty() || flat.chars().count() <= WIDTH + 1 {
        return flat;
    }
    let parameters = parameters.iter().map(|it| format!("    {it},\n"));
    format!(
        "  {name}(\n{}  ): {result} {{\n",
        parameters.collect::<String>()
    )
}

/// An expression. It is broken into lines if it is too long for one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A text without line breaks.
    Word(String),
    /// An object.
    Object(Vec<(String, Expression)>),
    /// A list.
    List(Vec<Expression>),
    /// A call of a function.
    Call(String, Vec<Expression>),
}

impl Expression {
    pub(super) fn word(word: impl Into<String>) -> Self {
        Self::Word(word.into())
    }

    /// Returns an object with one property.
    pub(super) fn pair(key: &str, value: Self) -> Self {
        Self::Object(vec![(key.to_owned(), value)])
    }

    /// Returns the literal of a JSON value.
    pub(super) fn json(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Word(literal(text)),
            Value::Array(items) => Self::List(items.iter().map(Self::json).collect()),
            Value::Object(fields) => Self::Object(
                fields
                    .iter()
                    .map(|(name, value)| (key(name), Self::json(value)))
                    .collect(),
            ),
            other => Self::Word(other.to_string()),
        }
    }

    /// Returns whether the expression contains a table: a list of several objects with several
    /// properties. Each object has its own line.
    fn has_rows(&self) -> bool {
        let is_row = |item: &Self| matches!(item, Self::Object(fields) if fields.len() > 1);
        match self {
            Self::Word(_) => false,
            Self::Call(_, items) => items.iter().any(Self::has_rows),
            Self::List(items) => {
                (items.len() > 1 && items.iter().all(is_row)) || items.iter().any(Self::has_rows)
            }
            Self::Object(fields) => fields.iter().any(|(_, value)| value.has_rows()),
        }
    }

    fn flat(&self) -> String {
        let list = |items: &[Self]| {
            let items: Vec<String> = items.iter().map(Self::flat).collect();
            items.join(", ")
        };
        match self {
            Self::Word(word) => word.clone(),
            Self::List(items) => format!("[{}]", list(items)),
            Self::Call(function, arguments) => format!("{function}({})", list(arguments)),
            Self::Object(fields) if fields.is_empty() => "{}".to_owned(),
            Self::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| field(key, &value.flat()));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Returns the expression at an indentation; `around` is the number of characters before and
    /// after it on its line.
    pub(super) fn write(&self, indent: usize, around: usize) -> String {
        let flat = self.flat();
        if indent + around + flat.chars().count() <= WIDTH && !self.has_rows() {
            return flat;
        }
        let inner = indent + 2;
        let (open, lines, close): (_, Vec<String>, _) = match self {
            Self::Word(_) => return flat,
            Self::List(items) | Self::Call(_, items) if items.is_empty() => return flat,
            Self::Object(fields) if fields.is_empty() => return flat,
            Self::List(items) => {
                let lines = items.iter().map(|item| item.write(inner, 1));
                ("[".to_owned(), lines.collect(), "]")
            }
            Self::Call(function, items) => {
                let lines = items.iter().map(|item| item.write(inner, 1));
                (format!("{function}("), lines.collect(), ")")
            }
            Self::Object(fields) => {
                let lines = fields.iter().map(|(key, value)| {
                    let before = field(key, "").chars().count();
                    field(key, &value.write(inner, before + 1))
                });
                ("{".to_owned(), lines.collect(), "}")
            }
        };
        let indentation = " ".repeat(indent);
        let lines = lines
            .iter()
            .map(|line| format!("{indentation}  {line},\n"))
            .collect::<String>();
        format!("{open}\n{lines}{indentation}{close}")
    }
}

/// Returns a property of an object. The key `...` spreads the value.
fn field(key: &str, value: &str) -> String {
    if key == "..." {
        format!("...{value}")
    } else {
        format!("{key}: {value}")
    }
}

/// Returns the key of a property in an object.
fn key(name: &str) -> String {
    // Without brackets this would set the prototype of the object.
    if name == "__proto__" {
        "[\"__proto__\"]".to_owned()
    } else {
        property(name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_escape_quotes_and_invisible_characters() {
        let text = "a\"\\`${x}\n\t\r\u{0}\u{2028}\u{202e}ä世🌍";
        let written = r#""a\"\\`${x}\n\t\u000d\u0000\u2028\u202eä世🌍""#;
        assert_eq!(literal(text), written);
    }

    #[test]
    fn properties_that_are_not_identifiers_are_quoted() {
        assert_eq!(property("delete"), "delete");
        assert_eq!(property("$a_1"), "$a_1");
        for name in ["1a", "a-b", "", "ä", "a b"] {
            assert_eq!(property(name), format!("\"{name}\""));
        }
    }

    #[test]
    fn documentation_cannot_end_a_comment() {
        assert_eq!(Comment::default().write(""), "");
        assert_eq!(Comment::of(" a ").write("  "), "  /** a */\n");
        let comment = Comment::of("a */ {@link b}\u{2028}@c\r\n/d").deprecated(true);
        assert_eq!(
            comment.write(""),
            "/**\n * a *\\/ {\\@link b}\n * \\@c\n * \\/d\n *\n \
             * @deprecated The module marks this as deprecated.\n */\n"
        );
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let comment = Comment::of(&"word ".repeat(30)).write("");
        assert!(comment.lines().all(|line| line.len() <= WIDTH), "{comment}");
        assert_eq!(comment.lines().count(), 4);
    }

    #[test]
    fn line_comments_have_one_line() {
        assert_eq!(line_comment("a\nb\u{2028}c"), "// a b c");
        assert_eq!(line_comment(""), "//");
    }

    #[test]
    fn long_expressions_are_broken_into_lines() {
        let value = json!({"__proto__": {}, "a": [1, "x"], "b-c": null});
        let flat = r#"{ ["__proto__"]: {}, a: [1, "x"], "b-c": null }"#;
        assert_eq!(Expression::json(&value).write(0, 0), flat);
        let broken = "{\n  [\"__proto__\"]: {},\n  a: [1, \"x\"],\n  \"b-c\": null,\n}";
        assert_eq!(Expression::json(&value).write(0, 90), broken);
    }
}
