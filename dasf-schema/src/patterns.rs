//! The patterns of a schema, all checked by Rust's `regex`, whose time grows only linearly with the
//! length of the string.

use dasf_pattern::to_rust;
use dasf_protocol::api_info::ApiInfo;
use regex::{Regex, RegexBuilder};

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

/// One pattern of a schema.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// The pattern as written.
    pub(crate) source: String,
    /// The compiled pattern; `None` if only the module can check it.
    engine: Option<Regex>,
    /// Whether the compiled pattern is large, so that a search may take many times as long.
    is_large: bool,
}

/// The maximum size of a compiled pattern that is not large.
const SMALL: usize = 1 << 16;
/// The steps for each byte that a large pattern searches.
const STEPS_OF_LARGE: usize = 200;

impl Pattern {
    /// Compiles a pattern. `of` is its place in the schema, for the message.
    pub(crate) fn new(source: &str, dialect: Dialect, of: &str) -> Result<Self, String> {
        let engine = match dialect {
            Dialect::Pydantic => Regex::new(source).ok(),
            Dialect::JsonSchema => Some(translated(source, of)?),
        };
        let is_small = |engine: &Regex| {
            let mut small = RegexBuilder::new(engine.as_str());
            small.size_limit(SMALL).build().is_ok()
        };
        Ok(Self {
            source: source.to_owned(),
            is_large: engine.as_ref().is_some_and(|engine| !is_small(engine)),
            engine,
        })
    }

    /// Returns whether a string matches, as far as it can be checked.
    pub(crate) fn accepts(&self, text: &str) -> bool {
        self.engine
            .as_ref()
            .is_none_or(|engine| engine.is_match(text))
    }

    /// Returns the steps that a search takes.
    pub(crate) fn weight(&self, text: &str) -> usize {
        let steps = if self.is_large { STEPS_OF_LARGE } else { 1 };
        1 + text.len().saturating_mul(steps)
    }

    /// Returns whether only the module can check the pattern.
    pub(crate) fn is_unknown(&self) -> bool {
        self.engine.is_none()
    }
}

fn translated(source: &str, of: &str) -> Result<Regex, String> {
    let rust = to_rust(source).map_err(|mistake| {
        let of = if of.is_empty() {
            String::new()
        } else {
            format!(" of {of}")
        };
        format!("the pattern {source:?}{of} is invalid: {mistake}")
    })?;
    // A valid pattern may be too large for the engine.
    Regex::new(&rust).map_err(|error| {
        format!("the pattern {source:?} is too large ({error}); use fewer or smaller repetitions")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Options, Schema};

    fn built(schema: &Value, patterns: Dialect) -> Result<Schema, String> {
        let options = Options {
            patterns,
            ..Options::default()
        };
        Schema::new(schema, options).map_err(|error| error.reason)
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
                let is_valid = validator.accepts(&json!(text));
                assert_eq!(is_valid, expected, "{pattern} {text:?} {dialect:?}");
            }
        }
    }

    #[test]
    fn what_only_the_peer_can_check_is_left_to_it() {
        for pattern in ["^(?!x)", r"(a)\1", "(", "(?P=n)", r"\Z"] {
            let validator = built(&json!({"pattern": pattern}), Dialect::Pydantic).unwrap();
            assert!(validator.accepts(&json!("x")), "{pattern}");
        }
        for (pattern, text) in [
            ("(?i)^a$", "A"),
            (r"\A[[:alpha:]&&[^b]]\z", "a"),
            ("(?P<n>a)", "a"),
        ] {
            let validator = built(&json!({"pattern": pattern}), Dialect::Pydantic).unwrap();
            assert!(validator.accepts(&json!(text)), "{pattern}");
            assert!(!validator.accepts(&json!("b")), "{pattern}");
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
            assert_eq!(validator.accepts(&names), expected, "{names}");
        }
    }

    #[test]
    fn no_pattern_takes_longer_than_its_text_is_long() {
        let schema = json!({"pattern": r"^(?:[a-z]+-?)*$"});
        let text = "a".repeat(100_000) + "!";
        assert!(
            !built(&schema, Dialect::JsonSchema)
                .unwrap()
                .accepts(&json!(text))
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
