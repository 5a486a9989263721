//! Completion of functions, arguments and values.

use std::sync::Arc;

use dasf_protocol::api_info::ApiInfo;
use dasf_protocol::text::printable;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use serde_json::Value;

use super::{COMMANDS, functions};
use crate::module::unknown_arguments::ArgumentNames;

/// How many references and alternatives of a schema are followed.
const MAX_DEPTH: usize = 8;
/// The greatest number of values that are shown.
const MAX_VALUES: usize = 100;

/// What a line may go on with.
pub(super) struct Completions {
    api: Arc<ApiInfo>,
}

impl Completions {
    pub(super) fn new(api: Arc<ApiInfo>) -> Self {
        Self { api }
    }

    /// Returns the start of the last word before the cursor, and the words in its place.
    fn of(&self, line: &str) -> (usize, Vec<String>) {
        let start = line.rfind(char::is_whitespace).map_or(0, |blank| {
            blank + line[blank..].chars().next().map_or(1, char::len_utf8)
        });
        let (before, word) = line.split_at(start);
        let before: Vec<&str> = before.split_whitespace().collect();
        let Some((&function, before)) = before.split_first() else {
            let names = functions(&self.api).map(|(name, ..)| name + " ");
            let commands = COMMANDS.map(|name| name.to_owned() + " ");
            return (start, beginning(word, names.chain(commands)));
        };
        if function == "help" && before.is_empty() {
            let names = functions(&self.api).map(|(name, ..)| name);
            return (start, beginning(word, names));
        }
        let mut all = functions(&self.api);
        let Some((_, found, constructor)) = all.find(|(name, ..)| name == function) else {
            return (start, Vec::new());
        };
        let is_new = before.last() == Some(&"--new");
        let schema = match constructor {
            Some(constructor) if is_new => constructor,
            _ => &found.rpc_schema,
        };
        if let Some((name, value)) = word.split_once('=') {
            let mut values = Vec::new();
            add_values(&schema["properties"][name], schema, 0, &mut values);
            let values = values.into_iter().map(|value| value + " ");
            return (start + name.len() + 1, beginning(value, values));
        }
        let is_given = |name: &str| {
            let given = |it: &&str| it.split_once('=').is_some_and(|(it, _)| it == name);
            before.iter().any(given)
        };
        let names = ArgumentNames::of(schema).all().into_iter();
        let names = names.filter(|name| is_new || !is_given(name));
        let option = (constructor.is_some() && !is_new).then(|| "--new ".to_owned());
        let names = names.map(|name| name + "=").chain(option);
        (start, beginning(word, names))
    }
}

/// Returns the texts that begin so. A module may have names that a terminal must not get.
fn beginning(word: &str, texts: impl Iterator<Item = String>) -> Vec<String> {
    texts
        .filter(|text| text.starts_with(word) && printable(text) == *text)
        .collect()
}

/// Adds the values that a schema names.
fn add_values(schema: &Value, root: &Value, depth: usize, values: &mut Vec<String>) {
    if depth > MAX_DEPTH || values.len() >= MAX_VALUES {
        return;
    }
    if let Some(place) = schema["$ref"].as_str().and_then(|it| it.strip_prefix('#'))
        && let Some(target) = root.pointer(place)
    {
        add_values(target, root, depth + 1, values);
    }
    if schema["type"] == "boolean" {
        values.extend(["true".to_owned(), "false".to_owned()]);
    }
    let listed = schema["enum"].as_array().into_iter().flatten();
    for value in listed.chain(schema.get("const")).take(MAX_VALUES) {
        values.push(match value {
            Value::String(text) if text.contains(char::is_whitespace) => value.to_string(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        });
    }
    for key in ["anyOf", "oneOf"] {
        for variant in schema[key]
            .as_array()
            .into_iter()
            .flatten()
            .take(MAX_VALUES)
        {
            add_values(variant, root, depth + 1, values);
        }
    }
}

impl Completer for Completions {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.of(line.get(..position).unwrap_or(line)))
    }
}

impl Hinter for Completions {
    type Hint = String;
}

impl Highlighter for Completions {}
impl Validator for Completions {}
impl Helper for Completions {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_values_are_completed() {
        let api = serde_json::from_value(json!({
            "functions": [
                {"name": "add", "rpc_schema": {"properties": {"func_name": {}, "a": {}, "b": {"type": "boolean"}}}},
                {"name": "hello", "rpc_schema": {
                    "$defs": {"Lang": {"oneOf": [{"const": "en"}, {"enum": ["de", "d e", 5]}]}},
                    "properties": {"lang": {"anyOf": [{"$ref": "#/$defs/Lang"}, {"type": "null"}]},
                                   "loop": {"$ref": "#/properties/loop"}},
                }},
                {"name": "\u{1b}[2J", "rpc_schema": {}},
            ],
            "classes": [{"name": "Greeter", "rpc_schema": {"properties": {"class_name": {}, "greeting": {}}}, "methods": [
                {"name": "greet", "rpc_schema": {"properties": {"func_name": {}, "name": {}}}},
            ]}],
            "rpc_schema": {},
        }))
        .unwrap();
        let completions = Completions::new(Arc::new(api));
        for (line, start, expected) in [
            (
                "",
                0,
                &[
                    "add ",
                    "hello ",
                    "Greeter.greet ",
                    "help ",
                    "exit ",
                    "quit ",
                ][..],
            ),
            ("he", 0, &["hello ", "help "]),
            ("add ", 4, &["a=", "b="]),
            ("add a=1 ", 8, &["b="]),
            ("add b=t", 6, &["true "]),
            ("hello lang=", 11, &["en ", "de ", "\"d e\" ", "5 "]),
            ("hello loop=", 11, &[]),
            ("Greeter.greet ", 14, &["name=", "--new "]),
            ("Greeter.greet --new g", 20, &["greeting="]),
            ("help a", 5, &["add"]),
            ("nothing ", 8, &[]),
        ] {
            let (at, found) = completions.of(line);
            assert_eq!(
                (at, found),
                (start, expected.iter().map(|&it| it.to_owned()).collect()),
                "{line}"
            );
        }
    }
}
