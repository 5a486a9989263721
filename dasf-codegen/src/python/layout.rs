//! The layout of Python, as `black` formats it.

use std::fmt::Write;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::names::is_escaped;

/// The maximum width of a line.
const WIDTH: usize = 88;

/// An expression. It is broken into lines if it is too long for one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A text without line breaks.
    Text(String),
    /// Expressions in brackets.
    Brackets {
        /// The text before the items, with the opening bracket.
        open: String,
        items: Vec<Expression>,
        /// The closing bracket.
        close: &'static str,
    },
    /// A union of types.
    Union {
        /// The text before the types.
        before: String,
        items: Vec<Expression>,
    },
}

impl Expression {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// `name[items]`
    pub(super) fn index(name: &str, items: Vec<Self>) -> Self {
        Self::Brackets {
            open: format!("{name}["),
            items,
            close: "]",
        }
    }

    /// `name(items)`
    pub(super) fn call(name: &str, items: Vec<Self>) -> Self {
        Self::Brackets {
            open: format!("{name}("),
            items,
            close: ")",
        }
    }

    /// `{items}`
    pub(super) fn braces(items: Vec<Self>) -> Self {
        Self::Brackets {
            open: "{".to_owned(),
            items,
            close: "}",
        }
    }

    /// Returns the expression with a text before it.
    pub(super) fn after(self, text: &str) -> Self {
        match self {
            Self::Text(it) => Self::Text(format!("{text}{it}")),
            Self::Brackets { open, items, close } => Self::Brackets {
                open: format!("{text}{open}"),
                items,
                close,
            },
            Self::Union { before, items } => Self::Union {
                before: format!("{text}{before}"),
                items,
            },
        }
    }

    /// Returns the expression on one line.
    pub(super) fn flat(&self) -> String {
        let join = |items: &[Self], separator| {
            let items: Vec<String> = items.iter().map(Self::flat).collect();
            items.join(separator)
        };
        match self {
            Self::Text(text) => text.clone(),
            Self::Brackets { open, items, close } => format!("{open}{}{close}", join(items, ", ")),
            Self::Union { before, items } => format!("{before}{}", join(items, " | ")),
        }
    }

    /// Returns the lines. The first is not indented, and the last leaves space for `rest` columns.
    pub(super) fn lines(&self, indent: usize, rest: usize) -> String {
        let flat = self.flat();
        if fits(&flat, indent, rest) {
            return flat;
        }
        let (open, items, close) = match self {
            Self::Text(_) => return flat,
            Self::Brackets { open, items, close } => (open.clone(), items, *close),
            Self::Union { before, items } => (format!("{before}Union["), items, "]"),
        };
        // With a comma, the only type in an index would become a tuple.
        let comma = if close == "]" && items.len() < 2 {
            ""
        } else {
            ","
        };
        let mut lines = open;
        for item in items {
            let item = item.lines(indent + 4, comma.len());
            let _ = write!(lines, "\n{:1$}{item}{comma}", "", indent + 4);
        }
        let _ = write!(lines, "\n{:1$}{close}", "", indent);
        lines
    }
}

/// Returns whether a line is short enough.
pub(super) fn fits(line: &str, indent: usize, rest: usize) -> bool {
    indent + line.width() + rest <= WIDTH
}

/// Indents each line that is not empty.
pub(super) fn indented(text: &str, indent: usize) -> String {
    let lines = text.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("{:indent$}{line}\n", ""),
    });
    lines.collect()
}

/// Returns a string literal.
pub(super) fn string(text: &str) -> String {
    // As black does: the quotes that need fewer backslashes, or double quotes if both need as many.
    let count = |quote| text.matches(quote).count();
    let quote = if count('"') > count('\'') { '\'' } else { '"' };
    let mut literal = String::from(quote);
    for character in text.chars() {
        match character {
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            '\\' => literal.push_str("\\\\"),
            it if it == quote => literal.extend(['\\', it]),
            it => push_visible(&mut literal, it),
        }
    }
    literal.push(quote);
    literal
}

/// Adds a character; an escape if the character is invisible or changes the line.
fn push_visible(text: &mut String, character: char) {
    let number = u32::from(character);
    let _ = match (is_escaped(character), number) {
        (false, _) => {
            text.push(character);
            Ok(())
        }
        (true, ..=0xFF) => write!(text, "\\x{number:02x}"),
        (true, ..=0xFFFF) => write!(text, "\\u{number:04x}"),
        (true, _) => write!(text, "\\U{number:08x}"),
    };
}

/// Returns the Python literal of a JSON value.
pub(super) fn literal(value: &Value) -> Expression {
    match value {
        Value::Null => Expression::text("None"),
        Value::Bool(true) => Expression::text("True"),
        Value::Bool(false) => Expression::text("False"),
        Value::Number(number) => Expression::Text(self::number(&number.to_string())),
        Value::String(text) => Expression::Text(string(text)),
        Value::Array(items) => Expression::Brackets {
            open: "[".to_owned(),
            items: items.iter().map(literal).collect(),
            close: "]",
        },
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                literal(value).after(&format!("{}: ", string(name)))
            };
            Expression::braces(fields.iter().map(field).collect())
        }
    }
}

/// Returns a number in Python. A large number must not become infinite.
pub(super) fn number(text: &str) -> String {
    let is_integer = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    match text.parse::<f64>() {
        Ok(value) if is_integer || value.is_finite() => text.replace('+', ""),
        _ => format!("float({})", string(text)),
    }
}

/// Returns an indented docstring.
pub(super) fn docstring(text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        let mut escaped = String::new();
        for character in line.trim_end().chars() {
            match character {
                '\t' => escaped.push_str("    "),
                '\\' => escaped.push_str("\\\\"),
                it => push_visible(&mut escaped, it),
            }
        }
        lines.push(escaped);
    }
    // The lines after the first get the same indentation, or more.
    let blanks = |line: &String| line.len() - line.trim_start_matches(' ').len();
    let below = lines.iter().skip(1).filter(|line| !line.is_empty());
    let margin = below.map(blanks).min().unwrap_or(0);
    for line in lines.iter_mut().skip(1) {
        *line = line.get(margin..).unwrap_or_default().to_owned();
    }
    // Escape quotes that would end the docstring, or to which black would add a space.
    let mut text = lines.join("\n").trim().replace("\"\"", "\\\"\\\"");
    if text.starts_with('"') {
        text.insert(0, '\\');
    }
    if !text.contains('\n') {
        let space = if text.ends_with('"') { " " } else { "" };
        return format!("{:indent$}\"\"\"{text}{space}\"\"\"\n", "");
    }
    let quoted = format!("\"\"\"{text}\n\"\"\"");
    indented(&quoted, indent)
}
