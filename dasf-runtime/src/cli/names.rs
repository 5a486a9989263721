//! The names of arguments, and the message for an unknown name.

use serde_json::Value;

use super::Error;

/// The least likeness of two names for a suggestion.
const LIKENESS: f64 = 0.8;
/// The greatest number of names in a list.
const MAX_LISTED: usize = 20;
/// The keys of a request that are no arguments.
const RESERVED: [&str; 3] = ["func_name", "class_name", "function"];

/// The error for an unknown name. It suggests the closest known name, or lists all known names.
pub fn unknown(kind: &str, name: &str, known: &[String]) -> Error {
    Error::Usage(no_such(kind, name, known))
}

/// The message of [`unknown`].
pub(super) fn no_such(kind: &str, name: &str, known: &[String]) -> String {
    let lower = name.to_lowercase();
    // A method may be named without its class.
    let likeness = |known: &String| {
        let known = known.to_lowercase();
        let method = known.rsplit('.').next().unwrap_or_default();
        strsim::jaro_winkler(&lower, &known).max(strsim::jaro_winkler(&lower, method))
    };
    let closest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match closest.filter(|known| likeness(known) > LIKENESS) {
        Some(closest) => format!("did you mean {closest:?}?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => {
            let more = if known.len() > MAX_LISTED {
                ", …"
            } else {
                ""
            };
            let known = &known[..known.len().min(MAX_LISTED)];
            format!("there is {}{more}", known.join(", "))
        }
    };
    format!("there is no {kind} {name:?}; {hint}")
}

/// The names of the arguments that the schema of a function, method or constructor knows.
///
/// ```
/// use dasf_runtime::cli::ArgumentNames;
/// use serde_json::json;
///
/// let schema = json!({"properties": {"func_name": {"const": "add"}, "a": {}}});
/// let names = ArgumentNames::of(&schema);
/// assert!(names.knows("a") && !names.knows("func_name"));
/// assert!(!names.allows("b"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ArgumentNames<'a> {
    schema: &'a Value,
}

impl<'a> ArgumentNames<'a> {
    /// The arguments of a schema.
    pub fn of(schema: &'a Value) -> Self {
        Self { schema }
    }

    /// All names, in the order of the schema.
    pub fn all(&self) -> Vec<String> {
        let properties = self.schema["properties"].as_object();
        let names = properties.into_iter().flat_map(serde_json::Map::keys);
        let names = names.filter(|name| !RESERVED.contains(&name.as_str()));
        names.cloned().collect()
    }

    /// Whether the schema knows an argument of this name.
    pub fn knows(&self, name: &str) -> bool {
        !RESERVED.contains(&name) && self.schema["properties"].get(name).is_some()
    }

    /// Whether an argument may have this name: the schema has it, or allows names that it does not
    /// have.
    pub fn allows(&self, name: &str) -> bool {
        !RESERVED.contains(&name) && (self.is_open() || self.knows(name))
    }

    /// Whether there may be arguments that the schema does not name.
    fn is_open(&self) -> bool {
        const ELSEWHERE: [&str; 8] = [
            "$ref",
            "$dynamicRef",
            "allOf",
            "anyOf",
            "oneOf",
            "if",
            "dependentSchemas",
            "patternProperties",
        ];
        const OTHERS: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
        let has = |key: &str| self.schema.get(key).is_some();
        let others = |key: &str| self.schema.get(key).is_some_and(|it| *it != false);
        // Without a list of names, or if another schema may add names, every name is allowed. If
        // the schema does not mention further names, none is allowed: a module ignores unknown
        // arguments, but its caller should not send them.
        !self.schema["properties"].is_object()
            || ELSEWHERE.into_iter().any(has)
            || OTHERS.into_iter().any(others)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(name: &str, known: &[&str]) -> String {
        let known: Vec<String> = known.iter().map(|&name| name.to_owned()).collect();
        unknown("function", name, &known).to_string()
    }

    #[test]
    fn the_name_that_was_meant_is_told() {
        let known = ["add", "count", "Greeter.greet", "Greeter.twice"];
        for (name, meant) in [
            ("ad", "add"),
            ("cuont", "count"),
            ("greeter.greet", "Greeter.greet"),
            ("twice", "Greeter.twice"),
        ] {
            assert_eq!(
                text(name, &known),
                format!("there is no function {name:?}; did you mean {meant:?}?")
            );
        }
        assert_eq!(
            text("xyz", &["add", "count"]),
            "there is no function \"xyz\"; there is add, count"
        );
        assert_eq!(
            text("xyz", &[]),
            "there is no function \"xyz\"; there is none"
        );
    }

    #[test]
    fn few_of_many_names_are_listed() {
        let many: Vec<String> = (0..1000).map(|number| format!("f{number}")).collect();
        let text = unknown("function", "zzz", &many).to_string();
        assert!(text.ends_with("f19, …"), "{text}");
    }

    #[test]
    fn other_names_are_allowed_where_the_schema_says_so() {
        let properties = json!({"func_name": {}, "class_name": {}, "function": {}, "a": {}});
        for (schema, allows) in [
            (json!({"properties": properties}), false),
            (
                json!({"properties": {}, "additionalProperties": false}),
                false,
            ),
            (
                json!({"properties": {}, "additionalProperties": true}),
                true,
            ),
            (
                json!({"properties": {}, "additionalProperties": {"type": "number"}}),
                true,
            ),
            (json!({"properties": {}, "unevaluatedProperties": {}}), true),
            (
                json!({"properties": {}, "patternProperties": {"^x": {}}}),
                true,
            ),
            (json!({"properties": {}, "allOf": [{}]}), true),
            (json!({}), true),
            (json!(null), true),
        ] {
            let names = ArgumentNames::of(&schema);
            assert_eq!(names.allows("b"), allows, "{schema}");
            assert!(!names.allows("func_name"), "{schema}");
        }
        let schema = json!({"properties": properties});
        assert_eq!(ArgumentNames::of(&schema).all(), ["a"]);
    }
}
