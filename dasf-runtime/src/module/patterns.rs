//! The patterns of a schema, all checked by Rust's `regex`, whose time grows only linearly with the
//! length of the string.

use dasf_pattern::to_rust;
use dasf_protocol::api_info::ApiInfo;
use jsonschema::{Keyword, PatternOptions, ValidationError, ValidationOptions};
use regex::Regex;
use serde_json::{Value, json};

use super::validate::MAX_QUOTED;

/// The dialect of the patterns in a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The dialect of JSON Schema, which modules of this framework use: ECMA-262 with the flag `u`.
    /// See [`dasf_pattern`].
    JsonSchema,
    /// The dialect of Rust's `regex`, which pydantic uses. Patterns that `regex` cannot read are
    /// left to the module, because it may have another engine.
    Pydantic,
}

impl Dialect {
    /// Returns the dialect of a module with this API description.
    pub fn of(api_info: &ApiInfo) -> Self {
        match api_info.x_dasf {
            Some(_) => Self::JsonSchema,
            None => Self::Pydantic,
        }
    }
}

/// Compiles a schema with its patterns.
///
/// # Errors
/// Fails if the schema is invalid, or if a pattern is not in the dialect.
pub(super) fn build(
    options: ValidationOptions<'_>,
    schema: &Value,
    dialect: Dialect,
) -> Result<jsonschema::Validator, String> {
    let mut options = options;
    let mut own = None;
    if dialect == Dialect::JsonSchema {
        let mut all = Patterns::default();
        all.collect(schema, &mut Vec::new());
        if let Some(mistake) = all.mistake {
            return Err(mistake);
        }
        options = options.with_pattern_options(PatternOptions::regex());
        if all.are_of_names {
            // The validator implements `patternProperties` itself, and would read some patterns
            // differently.
            let mut schema = schema.clone();
            translate_names(&mut schema);
            own = Some(schema);
        }
    }
    options
        .with_keyword("pattern", move |_, pattern, _| {
            let Value::String(pattern) = pattern else {
                return Err(ValidationError::custom("a pattern must be a string"));
            };
            let pattern = Pattern::new(pattern, dialect).map_err(ValidationError::custom)?;
            Ok(Box::new(pattern))
        })
        .build(own.as_ref().unwrap_or(schema))
        .map_err(|error| error.to_string())
}

/// One pattern of a schema.
struct Pattern {
    /// The pattern as written.
    source: String,
    /// The compiled pattern; `None` if only the module can check it.
    engine: Option<Regex>,
}

impl Pattern {
    fn new(source: &str, dialect: Dialect) -> Result<Self, String> {
        let engine = match dialect {
            Dialect::Pydantic => Regex::new(source).ok(),
            Dialect::JsonSchema => {
                let rust = to_rust(source).map_err(|mistake| mistake.to_string())?;
                let engine = Regex::new(&rust).map_err(|error| not_compiled(source, &error))?;
                Some(engine)
            }
        };
        Ok(Self {
            source: source.to_owned(),
            engine,
        })
    }
}

/// Returns the message for a valid pattern that is too large for the engine.
fn not_compiled(source: &str, error: &regex::Error) -> String {
    format!("the pattern {source:?} is too large ({error}); use fewer or smaller repetitions")
}

impl<'i> Keyword<'i> for Pattern {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(value) {
            return Ok(());
        }
        let source = &self.source;
        Err(ValidationError::custom(match value.as_str() {
            Some(text) if text.len() > MAX_QUOTED => {
                format!("the value does not match \"{source}\"")
            }
            _ => format!("{value} does not match \"{source}\""),
        }))
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        match (value.as_str(), &self.engine) {
            (Some(text), Some(engine)) => engine.is_match(text),
            _ => true,
        }
    }
}

/// The patterns in a schema.
#[derive(Default)]
struct Patterns {
    /// The message for the first invalid pattern, with its place.
    mistake: Option<String>,
    /// Whether some patterns apply to names of properties.
    are_of_names: bool,
}

impl Patterns {
    /// Checks a schema and the schemas inside it. `path` contains the names that lead there.
    fn collect<'s>(&mut self, schema: &'s Value, path: &mut Vec<&'s str>) {
        match schema {
            Value::Array(schemas) => {
                for schema in schemas {
                    self.collect(schema, path);
                }
            }
            Value::Object(fields) => {
                for (keyword, value) in fields {
                    self.keyword(keyword, value, path);
                }
            }
            _ => {}
        }
    }

    fn keyword<'s>(&mut self, keyword: &str, value: &'s Value, path: &mut Vec<&'s str>) {
        match (keyword, value) {
            ("default" | "const" | "enum" | "examples", _) => {}
            ("pattern", Value::String(pattern)) => self.check(pattern, path),
            ("properties" | "patternProperties" | "$defs", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    if keyword == "patternProperties" {
                        self.are_of_names = true;
                        self.check(name, path);
                    }
                    path.push(name);
                    self.collect(schema, path);
                    path.pop();
                }
            }
            (_, part) => self.collect(part, path),
        }
    }

    fn check(&mut self, pattern: &str, path: &[&str]) {
        if self.mistake.is_some() {
            return;
        }
        if let Err(mistake) = to_rust(pattern) {
            let of = match path.join(".") {
                path if path.is_empty() => path,
                path => format!(" of {path}"),
            };
            self.mistake = Some(format!("the pattern {pattern:?}{of} is invalid: {mistake}"));
        }
    }
}

/// Translates the patterns for names of properties into the syntax of Rust's `regex`.
fn translate_names(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(translate_names),
        Value::Object(fields) => {
            for (keyword, value) in fields {
                match (keyword.as_str(), value) {
                    ("default" | "const" | "enum" | "examples", _) => {}
                    ("patternProperties", Value::Object(schemas)) => {
                        let translated = std::mem::take(schemas);
                        for (pattern, mut schema) in translated {
                            translate_names(&mut schema);
                            let pattern = to_rust(&pattern).unwrap_or(pattern);
                            // Two patterns may become the same in the syntax of the engine.
                            let schema = match schemas.remove(&pattern) {
                                Some(other) => json!({"allOf": [other, schema]}),
                                None => schema,
                            };
                            schemas.insert(pattern, schema);
                        }
                    }
                    ("properties" | "$defs", Value::Object(schemas)) => {
                        schemas.values_mut().for_each(translate_names);
                    }
                    (_, part) => translate_names(part),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonschema::Draft;

    fn built(schema: &Value, dialect: Dialect) -> Result<jsonschema::Validator, String> {
        let options = jsonschema::options().with_draft(Draft::Draft201909);
        build(options, schema, dialect)
    }

    #[test]
    fn each_dialect_is_read_as_it_means() {
        for (pattern, text, of_json_schema, of_pydantic) in [
            (r"^\d$", "٣", false, true),
            (r"^\w$", "é", false, true),
            (r"^\s$", "\u{feff}", true, false),
            (r"\bé", "é", false, true),
            ("^.$", "\r", false, true),
            ("^a$", "a\n", false, false),
            ("^[a&]$", "&", true, true),
        ] {
            for (dialect, expected) in [
                (Dialect::JsonSchema, of_json_schema),
                (Dialect::Pydantic, of_pydantic),
            ] {
                let validator = built(&json!({"pattern": pattern}), dialect).unwrap();
                let is_valid = validator.is_valid(&json!(text));
                assert_eq!(is_valid, expected, "{pattern} {text:?} {dialect:?}");
            }
        }
    }

    #[test]
    fn what_only_the_peer_can_check_is_left_to_it() {
        for pattern in ["^(?!x)", r"(a)\1", "(", "(?P=n)", r"\Z"] {
            let validator = built(&json!({"pattern": pattern}), Dialect::Pydantic).unwrap();
            assert!(validator.is_valid(&json!("x")), "{pattern}");
        }
        for (pattern, text) in [
            ("(?i)^a$", "A"),
            (r"\A[[:alpha:]&&[^b]]\z", "a"),
            ("(?P<n>a)", "a"),
        ] {
            let validator = built(&json!({"pattern": pattern}), Dialect::Pydantic).unwrap();
            assert!(validator.is_valid(&json!(text)), "{pattern}");
            assert!(!validator.is_valid(&json!("b")), "{pattern}");
        }
    }

    #[test]
    fn patterns_of_names_are_of_the_same_dialect() {
        let schema = json!({
            "patternProperties": {r"^\d+$": {"type": "integer"}, "^[0-9]+$": {"minimum": 0}, r"\b$": {"type": "integer"}},
            "additionalProperties": false,
            "propertyNames": {"pattern": r"^\w+$"},
        });
        let validator = built(&schema, Dialect::JsonSchema).unwrap();
        for (names, expected) in [
            (json!({"12": 1}), true),
            (json!({"12": "a"}), false),
            (json!({"12": -1}), false),
            (json!({"٣": 1}), false),
            (json!({"é": 1}), false),
            (json!({"a": 1}), true),
        ] {
            assert_eq!(validator.is_valid(&names), expected, "{names}");
        }
    }

    #[test]
    fn no_pattern_takes_longer_than_its_text_is_long() {
        let schema = json!({"pattern": r"^(?:[a-z]+-?)*$"});
        let text = "a".repeat(100_000) + "!";
        assert!(
            !built(&schema, Dialect::JsonSchema)
                .unwrap()
                .is_valid(&json!(text))
        );
    }

    #[test]
    fn a_pattern_that_is_none_is_told_with_its_place() {
        for (schema, of) in [
            (
                json!({"pattern": "(?i)a"}),
                "the pattern \"(?i)a\" is invalid",
            ),
            (
                json!({"$defs": {"Point": {"properties": {"pattern": {"pattern": "[[:alpha:]]"}}}}}),
                "the pattern \"[[:alpha:]]\" of Point.pattern is invalid",
            ),
            (
                json!({"properties": {"a": {"anyOf": [{"patternProperties": {"(?=a)": {}}}]}}}),
                "the pattern \"(?=a)\" of a is invalid",
            ),
            (
                json!({"items": {"pattern": r"^\p{L}{1,9999}$"}}),
                "is too large (",
            ),
        ] {
            let mistake = built(&schema, Dialect::JsonSchema).unwrap_err();
            assert!(mistake.contains(of), "{mistake}");
        }
        let data = json!({"default": {"pattern": "("}, "examples": [{"pattern": "("}]});
        assert!(built(&data, Dialect::JsonSchema).is_ok());
    }
}
