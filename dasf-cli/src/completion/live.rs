//! What the broker and the module of a command line know about it: topics, functions, arguments, values.

use std::time::Duration;

use clap_complete::engine::CompletionCandidate;
use dasf::Caller;
use dasf::broker::list_modules;
use dasf_codegen::description::{Definition, Description, Field, Function, Presence, Schema, Type};
use serde_json::Value;
use tokio::time::timeout;

use super::candidate;
use super::line::Line;
use crate::api;

/// How long the user waits for completions.
const PATIENCE: Duration = Duration::from_secs(2);
/// The greatest nesting of named types.
const MAX_DEPTH: usize = 12;

/// Waits for an answer of the broker or the module. `None` if it fails, or takes too long.
fn wait_for<T>(answer: impl Future<Output = Option<T>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async { timeout(PATIENCE, answer).await.ok()? })
}

/// Returns the topics on which modules listen.
pub(super) fn topics(begin: &str) -> Vec<CompletionCandidate> {
    let listed = || {
        let address = Line::of_process()?.connection()?.address().ok()?;
        wait_for(async { list_modules(address).await.ok() })
    };
    let mut modules = listed().unwrap_or_default();
    modules.dedup_by(|a, b| a.topic == b.topic);
    let topics = modules.iter().filter_map(|it| {
        let help = match it.description.as_str() {
            "" => &it.name,
            description => description,
        };
        candidate(begin, &it.topic, help)
    });
    topics.collect()
}

/// Asks the module of the command line for its description.
fn describe(line: &Line) -> Option<Description> {
    let connection = line.connection()?;
    let builder = connection.caller().ok()?.timeout(PATIENCE);
    let text = wait_for(async {
        let caller: Caller = builder.connect().await.ok()?;
        caller.api_info_text().await.ok()
    })?;
    let document: Value = serde_json::from_str(&text).ok()?;
    dasf_codegen::read(&document).ok()
}

/// Returns the functions, and the methods of the classes.
pub(super) fn functions(begin: &str) -> Vec<CompletionCandidate> {
    callable(begin, false)
}

/// Returns the functions, the classes, and their methods.
pub(super) fn members(begin: &str) -> Vec<CompletionCandidate> {
    callable(begin, true)
}

fn callable(begin: &str, with_classes: bool) -> Vec<CompletionCandidate> {
    let Some(description) = Line::of_process().and_then(|line| describe(&line)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for function in &description.functions {
        found.extend(candidate(begin, &function.name, &function.documentation));
    }
    for class in &description.classes {
        if with_classes {
            found.extend(candidate(begin, &class.name, &class.documentation));
        }
        for method in &class.methods {
            let name = format!("{}.{}", class.name, method.name);
            found.extend(candidate(begin, &name, &method.documentation));
        }
    }
    found
}

/// Returns the arguments of the function that the command line calls, or the values of one of them.
pub(super) fn arguments(begin: &str) -> Vec<CompletionCandidate> {
    fields(begin, "arguments", |description, name| {
        let named = |functions: &[Function], name: &str| {
            let function = functions.iter().find(|function| function.name == name)?;
            Some(function.arguments.clone())
        };
        if let Some(arguments) = named(&description.functions, name) {
            return Some(arguments);
        }
        let (class, method) = name.split_once('.')?;
        let class = description.classes.iter().find(|it| it.name == class)?;
        named(&class.methods, method)
    })
}

/// Returns the arguments of the constructor of the class whose method the command line calls, or the values of
/// one of them.
pub(super) fn constructor_arguments(begin: &str) -> Vec<CompletionCandidate> {
    fields(begin, "new", |description, name| {
        let (class, _) = name.split_once('.')?;
        let class = description.classes.iter().find(|it| it.name == class)?;
        Some(class.arguments.clone())
    })
}

fn fields(
    begin: &str,
    id: &str,
    find: impl Fn(&Description, &str) -> Option<Vec<Field>>,
) -> Vec<CompletionCandidate> {
    let found = || {
        let line = Line::of_process()?;
        let description = describe(&line)?;
        let fields = find(&description, line.function()?)?;
        Some(match begin.split_once('=') {
            None => names(&description, &fields, &line.given(id), begin),
            Some((name, _)) => {
                let field = fields.iter().find(|field| field.name == name)?;
                values(&description, field, begin)
            }
        })
    };
    found().unwrap_or_default()
}

/// Returns the names of the arguments that are not given yet.
fn names(
    description: &Description,
    fields: &[Field],
    given: &[&str],
    begin: &str,
) -> Vec<CompletionCandidate> {
    let missing = fields
        .iter()
        .filter(|field| !given.contains(&field.name.as_str()));
    let named = missing.filter_map(|field| {
        let help = match field.schema.documentation.as_str() {
            "" => api::type_text(description, &field.schema),
            documentation => documentation.to_owned(),
        };
        candidate(begin, &format!("{}=", field.name), &help)
    });
    named.collect()
}

/// Returns the values that an argument can have, if they are few, or its default.
fn values(description: &Description, field: &Field, begin: &str) -> Vec<CompletionCandidate> {
    let mut values = Vec::new();
    collect(description, &field.schema, &mut values, 0);
    if values.is_empty()
        && let Presence::Default(default) = &field.presence
    {
        values.push(default.clone());
    }
    let written = values.iter().filter_map(|value| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Array(_) | Value::Object(_) => return None,
            value => value.to_string(),
        };
        candidate(begin, &format!("{}={value}", field.name), "")
    });
    written.collect()
}

fn collect(description: &Description, schema: &Schema, values: &mut Vec<Value>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match &schema.ty {
        Type::Boolean => values.extend([Value::Bool(true), Value::Bool(false)]),
        Type::Literal(literals) => values.extend_from_slice(literals),
        Type::Nullable(inner) => collect(description, inner, values, depth + 1),
        Type::Union(variants) => {
            for variant in variants {
                collect(description, &variant.schema, values, depth + 1);
            }
        }
        Type::Named(id) => {
            if let Definition::Alias(schema) = &description.declaration(*id).definition {
                collect(description, schema, values, depth + 1);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(candidates: &[CompletionCandidate]) -> Vec<&str> {
        let values = candidates.iter().map(|it| it.get_value().to_str().unwrap());
        values.collect()
    }

    #[test]
    fn names_and_values_of_arguments_are_found() {
        let document = json!({
            "functions": [{
                "name": "f",
                "rpc_schema": {
                    "$defs": {"Lang": {"type": "string", "enum": ["en", "de", "x y"]}},
                    "type": "object",
                    "properties": {
                        "lang": {"$ref": "#/$defs/Lang"},
                        "loud": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": null},
                        "times": {"type": "integer", "default": 3, "description": "How often."},
                        "name": {"type": "string"},
                    },
                    "required": ["lang"],
                },
                "return_schema": {},
            }],
            "classes": [],
            "rpc_schema": {},
        });
        let description = dasf_codegen::read(&document).unwrap();
        let fields = &description.functions[0].arguments;
        let found = names(&description, fields, &["name"], "");
        assert_eq!(texts(&found), ["lang=", "loud=", "times="]);
        let help: Vec<String> = found
            .iter()
            .map(|it| it.get_help().unwrap().to_string())
            .collect();
        assert_eq!(help, ["Lang", "boolean | null", "How often."]);
        assert_eq!(texts(&names(&description, fields, &[], "lo")), ["loud="]);
        for (index, begin, expected) in [
            (0, "lang=", &["lang=en", "lang=de"][..]),
            (0, "lang=d", &["lang=de"]),
            (1, "loud=", &["loud=true", "loud=false"]),
            (2, "times=", &["times=3"]),
            (3, "name=", &[]),
        ] {
            assert_eq!(
                texts(&values(&description, &fields[index], begin)),
                expected
            );
        }
    }
}
