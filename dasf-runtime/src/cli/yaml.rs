//! Reading YAML as JSON, according to the core schema of YAML 1.2 and a JSON schema.
//!
//! Numbers keep their digits. If the JSON schema requires a string, a scalar without quotes is a
//! string: `007`, `true` and `1.50`, for example.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use dasf_protocol::payload::MAX_DEPTH;
use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::Value;

use crate::module::value_types::{Place, Types};

/// The limit for everything that aliases and merge keys repeat, in bytes and nodes.
const MAX_REPEATED: usize = 64 << 20;
/// The merge key. The object gets the entries of the key's value that it does not have itself.
const MERGE: &str = "<<";

/// The reason why a text is not YAML, or cannot be written as JSON.
type Problem = String;

/// A value, with its depth.
#[derive(Debug)]
pub(super) struct Node {
    content: Content,
    depth: usize,
    /// Its size, in bytes and nodes.
    size: usize,
}

#[derive(Debug)]
enum Content {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Object(Vec<(String, Rc<Node>)>),
}

#[derive(Debug)]
struct Scalar {
    written: String,
    /// Whether it has neither quotes nor a tag. Then its meaning depends on the schema.
    is_plain: bool,
    meaning: Meaning,
}

/// The meaning of a scalar in the core schema.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Text,
    Null,
    Bool(bool),
    /// An integer as JSON.
    Integer(String),
    Fraction(String),
    /// Infinity or NaN, which JSON does not have.
    NoNumber,
    /// A hexadecimal or octal number with more than 128 bits.
    TooLarge,
}

/// Reads the only document in a text.
///
/// # Errors
/// Returns the mistake, in one line.
pub(super) fn read(text: &str) -> Result<Rc<Node>, Problem> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        repeated: 0,
    };
    let document = reader.document();
    // Drop outer nodes before the nodes inside, so that no drop recurses deeply.
    let Reader { anchors, .. } = reader;
    let mut anchors: Vec<_> = anchors.into_iter().collect();
    anchors.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
    drop(anchors);
    document
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// `None` for a node that is not complete yet.
    anchors: HashMap<usize, Option<Rc<Node>>>,
    repeated: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(first_line(&error.to_string())),
            None => Err("it ends too early".to_owned()),
        }
    }

    fn document(&mut self) -> Result<Rc<Node>, Problem> {
        let mut document = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                _ if document.is_some() => {
                    return Err("it contains more than one YAML document".to_owned());
                }
                event => document = Some(self.node(event, &span, MAX_DEPTH)?),
            }
        }
        document.ok_or_else(|| "it is empty".to_owned())
    }

    /// Reads the node that starts with an event.
    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Rc<Node>, Problem> {
        let too_deep = || {
            let line = span.start.line();
            format!("line {line}: lists and objects are nested deeper than {MAX_DEPTH} levels")
        };
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        let (content, anchor) = match event {
            Event::Alias(id) => {
                let Some(Some(node)) = self.anchors.get(&id) else {
                    let line = span.start.line();
                    return Err(format!(
                        "line {line}: the alias refers to a value that contains it"
                    ));
                };
                let node = Rc::clone(node);
                if node.depth > depth + 1 {
                    return Err(too_deep());
                }
                self.repeat(node.size)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                // For a missing value, the parser returns "~".
                let is_nothing = style == ScalarStyle::Plain && span.is_empty();
                let text = if is_nothing { "".into() } else { text };
                let scalar = Scalar::new(text.into_owned(), style, tag.as_deref(), span)?;
                (Content::Scalar(scalar), anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), "seq", span)?;
                self.begin(anchor);
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, &span, depth)?),
                    }
                }
                (Content::List(items), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), "map", span)?;
                self.begin(anchor);
                (Content::Object(self.entries(depth)?), anchor)
            }
            _ => return Err(format!("line {}: a value is missing", span.start.line())),
        };
        let node = Rc::new(Node::new(content));
        if anchor != 0 {
            self.anchors.insert(anchor, Some(Rc::clone(&node)));
        }
        Ok(node)
    }

    fn begin(&mut self, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(String, Rc<Node>)>, Problem> {
        let mut entries = Vec::new();
        let mut names = HashSet::new();
        let mut merged = Vec::new();
        loop {
            let (key, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (event, span) => (self.node(event, &span, depth)?, span),
            };
            let line = span.start.line();
            let Content::Scalar(key) = &key.content else {
                return Err(format!("line {line}: the key is not a string"));
            };
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth)?;
            if key.is_plain && key.written == MERGE {
                merged.push(value);
            } else if names.insert(key.written.clone()) {
                entries.push((key.written.clone(), value));
            } else {
                return Err(format!(
                    "line {line}: the key {:?} is a duplicate",
                    key.written
                ));
            }
        }
        for value in merged {
            self.merge(&value, &mut entries, &mut names)?;
        }
        Ok(entries)
    }

    /// Merges the entries of an object, or of a list of objects.
    fn merge(
        &mut self,
        value: &Node,
        entries: &mut Vec<(String, Rc<Node>)>,
        names: &mut HashSet<String>,
    ) -> Result<(), Problem> {
        let objects = match &value.content {
            Content::List(objects) => objects.iter().map(|object| &object.content).collect(),
            content => vec![content],
        };
        for object in objects {
            let Content::Object(merged) = object else {
                return Err(format!(
                    "the value of the merge key {MERGE} is not an object"
                ));
            };
            for (name, value) in merged {
                self.repeat(name.len() + value.size)?;
                if names.insert(name.clone()) {
                    entries.push((name.clone(), Rc::clone(value)));
                }
            }
        }
        Ok(())
    }

    fn repeat(&mut self, size: usize) -> Result<(), Problem> {
        self.repeated = self.repeated.saturating_add(size);
        if self.repeated > MAX_REPEATED {
            return Err(format!("the aliases repeat more than {MAX_REPEATED} bytes"));
        }
        Ok(())
    }
}

/// Rejects a tag that does not fit a list or an object.
fn check_tag(tag: Option<&Tag>, own: &str, span: &Span) -> Result<(), Problem> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema_tag(own) && tag.original() != "!" => {
            Err(unknown_tag(tag, span))
        }
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, span: &Span) -> Problem {
    let line = span.start.line();
    format!(
        "line {line}: JSON has no equivalent of the tag {}",
        tag.original()
    )
}

impl Node {
    fn new(content: Content) -> Self {
        let (depth, size) = match &content {
            Content::Scalar(scalar) => (0, scalar.written.len()),
            Content::List(items) => measure(items.iter().map(|item| ("", item))),
            Content::Object(fields) => {
                measure(fields.iter().map(|(name, value)| (name.as_str(), value)))
            }
        };
        Self {
            content,
            depth: depth + 1,
            size: size.saturating_add(1),
        }
    }

    pub(super) fn is_scalar(&self) -> bool {
        matches!(self.content, Content::Scalar(_))
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self.content, Content::Object(_))
    }

    /// Writes this value as JSON, for a schema.
    ///
    /// # Errors
    /// When JSON has no such value.
    pub(super) fn to_json(&self, schema: &Value) -> Result<String, Problem> {
        let mut json = String::new();
        self.write(&[Place::root(schema)], &mut json)?;
        Ok(json)
    }

    /// Writes this value as JSON, for a property of a schema.
    ///
    /// # Errors
    /// When JSON has no such value.
    pub(super) fn property_to_json(&self, schema: &Value, name: &str) -> Result<String, Problem> {
        let mut json = String::new();
        self.write(&[Place::property(schema, name)], &mut json)?;
        Ok(json)
    }

    fn write(&self, places: &[Place<'_>], json: &mut String) -> Result<(), Problem> {
        match &self.content {
            Content::Scalar(scalar) => scalar.write(places, json),
            Content::List(items) => {
                json.push('[');
                let parts: Vec<_> = places.iter().flat_map(Place::of_list).collect();
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    let places: Vec<_> = parts.iter().filter_map(|it| it.item(index)).collect();
                    item.write(&places, json)?;
                }
                json.push(']');
                Ok(())
            }
            Content::Object(fields) => {
                let by_name: HashMap<&str, &Node> = fields
                    .iter()
                    .map(|(name, value)| (name.as_str(), &**value))
                    .collect();
                let has = |name: &str| by_name.contains_key(name);
                let is = |name: &str, values: &[&Value]| {
                    by_name.get(name).is_some_and(|value| value.is(values))
                };
                let parts = places.iter().flat_map(|it| it.of_object(&has, &is));
                let parts: Vec<_> = parts.collect();
                json.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    push_text(name, json);
                    json.push(':');
                    value.write(&Place::field(&parts, name), json)?;
                }
                json.push('}');
                Ok(())
            }
        }
    }

    /// Returns whether the node can be one of these values.
    fn is(&self, values: &[&Value]) -> bool {
        let Content::Scalar(scalar) = &self.content else {
            return values
                .iter()
                .any(|value| value.is_array() || value.is_object());
        };
        values.iter().any(|value| match value {
            Value::String(text) => *text == scalar.written,
            value => match scalar.meaning.json() {
                Some(json) => serde_json::from_str::<Value>(&json).is_ok_and(|it| it == **value),
                None => false,
            },
        })
    }
}

/// Returns the greatest depth, and the sum of the sizes.
fn measure<'n>(children: impl Iterator<Item = (&'n str, &'n Rc<Node>)>) -> (usize, usize) {
    children.fold((0, 0), |(depth, size), (name, child)| {
        let more = name.len().saturating_add(child.size);
        (depth.max(child.depth), size.saturating_add(more))
    })
}

impl Scalar {
    fn new(
        written: String,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<Self, Problem> {
        let Some(tag) = tag else {
            let is_plain = style == ScalarStyle::Plain;
            let meaning = if is_plain {
                Meaning::of(&written)
            } else {
                Meaning::Text
            };
            return Ok(Self {
                written,
                is_plain,
                meaning,
            });
        };
        let is = |name: &str| tag.is_yaml_core_schema_tag(name);
        let meaning = if is("str") || tag.original() == "!" {
            Meaning::Text
        } else {
            let meaning = Meaning::of(&written);
            let is_right = match &meaning {
                Meaning::Null => is("null"),
                Meaning::Bool(_) => is("bool"),
                Meaning::Integer(_) | Meaning::TooLarge => is("int") || is("float"),
                Meaning::Fraction(_) | Meaning::NoNumber => is("float"),
                Meaning::Text => false,
            };
            if !["null", "bool", "int", "float"].into_iter().any(is) {
                return Err(unknown_tag(tag, span));
            }
            if !is_right {
                let (tag, line) = (tag.original(), span.start.line());
                return Err(format!(
                    "line {line}: {written:?} is not a value of the tag {tag}"
                ));
            }
            meaning
        };
        Ok(Self {
            written,
            is_plain: false,
            meaning,
        })
    }

    fn write(&self, places: &[Place<'_>], json: &mut String) -> Result<(), Problem> {
        let takes = |types: Types| {
            places.is_empty() || places.iter().any(|place| place.types().meets(types))
        };
        let wants_text = self.is_plain
            && !self.written.is_empty()
            && !takes(self.meaning.types())
            && takes(Types::TEXT);
        match self.meaning.json() {
            Some(value) if !wants_text => json.push_str(&value),
            _ if wants_text || self.meaning == Meaning::Text => push_text(&self.written, json),
            _ if self.meaning == Meaning::TooLarge => {
                return Err(format!("{} has more than 128 bits", self.written));
            }
            _ => return Err(format!("JSON has no number {}", self.written)),
        }
        Ok(())
    }
}

fn push_text(text: &str, json: &mut String) {
    json.push_str(&Value::from(text).to_string());
}

impl Meaning {
    /// Returns the meaning of a plain scalar in the core schema of YAML 1.2.
    fn of(written: &str) -> Self {
        match written {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => return Self::NoNumber,
            _ => {}
        }
        for (prefix, radix) in [("0o", 8), ("0x", 16)] {
            let digits = written.strip_prefix(prefix).unwrap_or_default();
            if !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix)) {
                return u128::from_str_radix(digits, radix)
                    .map_or(Self::TooLarge, |number| Self::Integer(number.to_string()));
            }
        }
        let (sign, unsigned) = match written.split_at_checked(1) {
            Some(("-", rest)) => ("-", rest),
            Some(("+", rest)) => ("", rest),
            _ => ("", written),
        };
        if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
            return Self::NoNumber;
        }
        Self::decimal(sign, unsigned).unwrap_or(Self::Text)
    }

    /// Returns the meaning of a decimal number, with all its digits.
    fn decimal(sign: &str, unsigned: &str) -> Option<Self> {
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let digits = whole.len() + fraction.map_or(0, str::len);
        if digits == 0 || !is_digits(whole) || !fraction.is_none_or(is_digits) {
            return None;
        }
        // JSON has no leading zeros, and needs digits on both sides of a point.
        let significant = whole.trim_start_matches('0');
        let whole = if significant.is_empty() {
            "0"
        } else {
            significant
        };
        let mut json = format!("{sign}{whole}");
        if let Some(fraction) = fraction {
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            json = json + "." + fraction;
        }
        if let Some(exponent) = exponent {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            if digits.is_empty() || !is_digits(digits) {
                return None;
            }
            json = json + "e" + exponent;
        }
        Some(if fraction.is_none() && exponent.is_none() {
            Self::Integer(json)
        } else {
            Self::Fraction(json)
        })
    }

    fn types(&self) -> Types {
        match self {
            Self::Text => Types::TEXT,
            Self::Null => Types::NULL,
            Self::Bool(_) => Types::BOOLEAN,
            Self::Integer(_) | Self::TooLarge => Types::INTEGER,
            // In JSON Schema, 2.0 is an integer.
            Self::Fraction(json) => match json.parse::<f64>() {
                Ok(number) if number.fract() == 0.0 => Types::INTEGER,
                _ => Types::FRACTION,
            },
            Self::NoNumber => Types::FRACTION,
        }
    }

    /// Returns the value as JSON; `None` for a string, and for a value that JSON does not have.
    fn json(&self) -> Option<String> {
        match self {
            Self::Text | Self::NoNumber | Self::TooLarge => None,
            Self::Null => Some("null".to_owned()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Integer(json) | Self::Fraction(json) => Some(json.clone()),
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn json_of(text: &str, schema: &Value) -> String {
        match read(text).and_then(|node| node.to_json(schema)) {
            Ok(json) => json,
            Err(problem) => panic!("{text}: {problem}"),
        }
    }

    fn problem(text: &str) -> String {
        let read = read(text).and_then(|node| node.to_json(&json!({})));
        let problem = read.unwrap_err();
        assert!(!problem.contains('\n'), "{problem}");
        problem
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (written, json) in [
            ("no", r#""no""#),
            ("NO", r#""NO""#),
            ("y", r#""y""#),
            ("on", r#""on""#),
            ("Yes", r#""Yes""#),
            ("true", "true"),
            ("FALSE", "false"),
            ("tRue", r#""tRue""#),
            ("~", "null"),
            ("Null", "null"),
            ("none", r#""none""#),
            ("7", "7"),
            ("007", "7"),
            ("-012", "-12"),
            ("+3", "3"),
            ("-0", "-0"),
            ("1_000", r#""1_000""#),
            ("0b11", r#""0b11""#),
            ("0o17", "15"),
            ("0x1F", "31"),
            ("0xfg", r#""0xfg""#),
            (
                "265252859812191058636308480000000",
                "265252859812191058636308480000000",
            ),
            (
                "0.1000000000000000055511151231257827",
                "0.1000000000000000055511151231257827",
            ),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("1e3", "1e3"),
            ("-1.50E-03", "-1.50e-03"),
            ("1e999", "1e999"),
            (".", r#"".""#),
            ("1.2.3", r#""1.2.3""#),
            ("1e", r#""1e""#),
            ("12:30:45", r#""12:30:45""#),
            ("2026-11-27", r#""2026-11-27""#),
            ("\"7\"", r#""7""#),
            ("'true'", r#""true""#),
            ("!!str 7", r#""7""#),
            ("!!int \"7\"", "7"),
            ("!!float 7", "7"),
            ("! 7", r#""7""#),
            ("", "null"),
            ("!!null", "null"),
            ("!!str", r#""""#),
        ] {
            let json_of = json_of(&format!("a: {written}\n"), &json!({}));
            assert_eq!(json_of, format!("{{\"a\":{json}}}"), "{written}");
        }
    }

    #[test]
    fn what_json_does_not_have_is_refused() {
        for (text, expected) in [
            ("a: .inf", "JSON has no number .inf"),
            ("a: [-.INF]", "JSON has no number -.INF"),
            ("a: .nan", "JSON has no number .nan"),
            (
                "a: 0x100000000000000000000000000000000",
                "0x100000000000000000000000000000000 has more than 128 bits",
            ),
            (
                "a: !mine 5",
                "line 1: JSON has no equivalent of the tag !mine",
            ),
            (
                "a: !!set {x}",
                "line 1: JSON has no equivalent of the tag !!set",
            ),
            (
                "a: !!int x",
                "line 1: \"x\" is not a value of the tag !!int",
            ),
            ("[a]: 1", "line 1: the key is not a string"),
            ("a: 1\na: 2", "line 2: the key \"a\" is a duplicate"),
            ("a: 1\n---\nb: 2", "it contains more than one YAML document"),
            (
                "a: &x [*x]",
                "line 1: the alias refers to a value that contains it",
            ),
            ("", "it is empty"),
        ] {
            assert_eq!(problem(text), expected, "{text}");
        }
        for text in ["a: [", "a: *nowhere", "a: \"", "a: - b"] {
            assert!(!problem(text).is_empty());
        }
    }

    #[test]
    fn large_and_deep_documents_are_rejected() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(problem(&deep).contains(": lists and objects are nested deeper than 127 levels"));
        let chain: String = (1..2000)
            .map(|number| format!("a{number}: &a{number} [*a{}]\n", number - 1))
            .collect();
        let chain = format!("a0: &a0 [1]\n{chain}");
        assert!(problem(&chain).contains(": lists and objects are nested deeper than 127 levels"));
        let laughs: String = (1..30)
            .map(|number| {
                let before = format!("*a{}, ", number - 1).repeat(10);
                format!("a{number}: &a{number} [{before}]\n")
            })
            .collect();
        let laughs = format!("a0: &a0 ha\n{laughs}");
        assert!(problem(&laughs).starts_with("the aliases repeat more than"));
    }

    #[test]
    fn aliases_and_merge_keys_repeat() {
        let text =
            "base: &base {x: 1, y: 2}\nall: [*base, {<<: *base, y: 3}, {<<: [{z: 4}, *base]}]\n";
        assert_eq!(
            json_of(text, &json!({})),
            r#"{"base":{"x":1,"y":2},"all":[{"x":1,"y":2},{"y":3,"x":1},{"z":4,"x":1,"y":2}]}"#
        );
        assert_eq!(
            json_of("{\"<<\": 1, true: 2, 3: 4}", &json!({})),
            r#"{"<<":1,"true":2,"3":4}"#
        );
    }

    fn schema() -> Value {
        let text = json!({"type": "string"});
        json!({
            "$defs": {
                "Name": text,
                "Cat": {"type": "object", "properties": {"kind": {"const": "cat"}, "tag": text},
                    "required": ["kind"]},
                "Dog": {"type": "object", "properties": {"kind": {"const": "dog"}, "tag": {"type": "integer"}},
                    "required": ["kind"]},
                "F": {"type": "object", "properties": {
                    "func_name": {"const": "f"},
                    "text": text,
                    "maybe": {"anyOf": [text, {"type": "null"}]},
                    "number": {"type": "number"},
                    "either": {"type": ["string", "integer"]},
                    "any": {},
                    "flag": {"type": "boolean"},
                    "names": {"type": "array", "items": {"$ref": "#/$defs/Name"}},
                    "pair": {"type": "array", "items": [text, {"type": "integer"}]},
                    "map": {"type": "object", "additionalProperties": text},
                    "numbered": {"type": "object", "patternProperties": {r"^\d+$": text}, "additionalProperties": false},
                    "signed": {"type": "object", "patternProperties": {r"^-?\d+$": text}},
                    "rest": {
                        "type": "object",
                        "allOf": [{"properties": {"number": {"type": "integer"}}}],
                        "unevaluatedProperties": text,
                    },
                    "lang": {"enum": ["1", "2"]},
                    "pet": {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]},
                    "pets": {"anyOf": [
                        {"type": "array", "items": {"oneOf": [{"$ref": "#/$defs/Dog"}, {"$ref": "#/$defs/Cat"}]}},
                        {"type": "null"},
                    ]},
                }, "required": ["func_name", "text"]},
                "G": {"type": "object", "properties": {"func_name": {"const": "g"}, "text": {"type": "integer"}},
                    "required": ["func_name"]},
            },
            "anyOf": [{"$ref": "#/$defs/F"}, {"$ref": "#/$defs/G"}],
        })
    }

    #[test]
    fn strings_of_the_schema_are_taken_as_written() {
        for (argument, json) in [
            ("text: 007", r#""text":"007""#),
            ("text: 1_000", r#""text":"1_000""#),
            ("text: true", r#""text":"true""#),
            ("text: 1.50", r#""text":"1.50""#),
            ("text: null", r#""text":"null""#),
            ("text: ~", r#""text":"~""#),
            ("text: .inf", r#""text":".inf""#),
            ("text:", r#""text":null"#),
            ("text: !!int 7", r#""text":7"#),
            ("maybe: null", r#""maybe":null"#),
            ("maybe: 12", r#""maybe":"12""#),
            ("number: 007", r#""number":7"#),
            ("number: \"7\"", r#""number":"7""#),
            ("either: 007", r#""either":7"#),
            ("either: 1.5", r#""either":"1.5""#),
            ("any: 007", r#""any":7"#),
            ("any: no", r#""any":"no""#),
            ("flag: no", r#""flag":"no""#),
            ("flag: 1", r#""flag":1"#),
            ("names: [007, no, 1e3]", r#""names":["007","no","1e3"]"#),
            ("pair: [1, 1]", r#""pair":["1",1]"#),
            ("map: {a: 1, b: null}", r#""map":{"a":"1","b":"null"}"#),
            (
                "numbered: {1: 007, a: 007}",
                r#""numbered":{"1":"007","a":7}"#,
            ),
            (
                "signed: {-1: 1e3, 2: 2, \"-\": 007}",
                r#""signed":{"-1":"1e3","2":"2","-":7}"#,
            ),
            (
                "rest: {number: 007, a: 007}",
                r#""rest":{"number":7,"a":"007"}"#,
            ),
            ("lang: 1", r#""lang":"1""#),
            (
                "pet: {kind: cat, tag: 007}",
                r#""pet":{"kind":"cat","tag":"007"}"#,
            ),
            (
                "pet: {kind: dog, tag: 007}",
                r#""pet":{"kind":"dog","tag":7}"#,
            ),
            (
                "pets: [{kind: cat, tag: 1}, {kind: dog, tag: 1}]",
                r#""pets":[{"kind":"cat","tag":"1"},{"kind":"dog","tag":1}]"#,
            ),
        ] {
            let text = format!("func_name: f\n{argument}\n");
            let expected = format!("{{\"func_name\":\"f\",{json}}}");
            assert_eq!(json_of(&text, &schema()), expected, "{argument}");
        }
        let other = json_of("{func_name: g, text: 007}", &schema());
        assert_eq!(other, r#"{"func_name":"g","text":7}"#);
    }
}
