//! Checks requests against the API description of a module before they are sent.

use std::borrow::Cow;
use std::collections::HashMap;

use dasf_protocol::api_info::{ApiInfo, ClassInfo, FunctionInfo};
use dasf_protocol::text;
use serde_json::Value;

use crate::module::request::{self, Object};
use crate::module::unknown_arguments::{self, Part, UnknownArguments};
use crate::module::validate::{Dialect, Parameters, Problem, check_json, list_problems};

/// The schemas of a module's requests, compiled when they are used first.
#[derive(Debug, Default)]
pub(super) struct Contract {
    functions: HashMap<String, Parameters>,
    classes: HashMap<String, (Parameters, HashMap<String, Parameters>)>,
}

impl Contract {
    /// Reads an API description. If it is not valid, only the module checks requests.
    pub(super) fn of_text(api_info: &str) -> Self {
        // The macro `client!` includes a file, which may begin with a byte order mark.
        let api_info = serde_json::from_str(text::without_mark(api_info));
        api_info.map_or_else(|_| Self::default(), |api_info| Self::new(&api_info))
    }

    pub(super) fn new(api_info: &ApiInfo) -> Self {
        let patterns = Dialect::of(api_info);
        let checked = |schema: &Value| Parameters::new(schema, patterns);
        let named = |functions: &[FunctionInfo]| -> HashMap<String, Parameters> {
            let functions = functions.iter();
            functions
                .map(|function| (function.name.clone(), checked(&function.rpc_schema)))
                .collect()
        };
        let class = |class: &ClassInfo| {
            let constructor = checked(&class.rpc_schema);
            (class.name.clone(), (constructor, named(&class.methods)))
        };
        Self {
            functions: named(&api_info.functions),
            classes: api_info.classes.iter().map(class).collect(),
        }
    }

    /// Checks a request, if the description contains its function. Unknown arguments are problems,
    /// because the module may ignore them.
    ///
    /// # Errors
    /// Returns the problems, in the same words as a module.
    pub(super) fn check(&self, request: &[u8]) -> Result<(), String> {
        if self.functions.is_empty() && self.classes.is_empty() {
            return Ok(());
        }
        // The module answers requests that are not JSON, and names that the description does not
        // contain.
        let Ok(text) = std::str::from_utf8(request) else {
            return Ok(());
        };
        let Some(request) = Object::split(text) else {
            return Ok(());
        };
        self.check_in(text, &request).or_else(|problems| {
            // Not all parts were read before the problem.
            check_json(text).map_or(Ok(()), |()| Err(problems))
        })
    }

    fn check_in(&self, text: &str, request: &Object<'_>) -> Result<(), String> {
        let class = name(request, "class_name");
        let (Some((constructor, methods)), Some(call)) =
            (self.classes.get(&*class), request.get("function"))
        else {
            let function = name(request, "func_name");
            let Some(checked) = self.functions.get(&*function) else {
                return Ok(());
            };
            let schema = checked.schema();
            let keys = request.keys();
            refuse(unknown_arguments::of_function(&function, schema, keys))?;
            return report(&function, &checked.problems(text, ""));
        };
        let mut problems = constructor.problems(text, "");
        let inner = Object::split(call).unwrap_or_default();
        let function = name(&inner, "func_name");
        if let Some(method) = methods.get(&*function) {
            let beside = Part {
                name: &class,
                schema: constructor.schema(),
                keys: request.keys(),
            };
            let inside = Part {
                name: &function,
                schema: method.schema(),
                keys: inner.keys(),
            };
            refuse(unknown_arguments::of_class(beside, inside))?;
            problems.extend(method.problems(call, "function"));
        }
        report(&format!("{class}.{function}"), &problems)
    }
}

/// Returns the string under a key; empty if there is none.
fn name<'t>(object: &Object<'t>, key: &str) -> Cow<'t, str> {
    let name = object.get(key).and_then(request::to_string);
    name.unwrap_or_default()
}

fn refuse(unknown: Option<UnknownArguments>) -> Result<(), String> {
    match unknown {
        Some(unknown) => Err(unknown.message),
        None => Ok(()),
    }
}

fn report(member: &str, problems: &[Problem]) -> Result<(), String> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(list_problems(member, problems))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contract() -> Contract {
        let api_info = json!({
            "functions": [
                {
                    "name": "sqrt",
                    "rpc_schema": {"properties": {"a": {"type": "number", "exclusiveMinimum": 0}}},
                    "return_schema": {},
                },
                {"name": "odd", "rpc_schema": {"type": "nothing"}, "return_schema": {}},
                {
                    "name": "pairs",
                    "rpc_schema": {"properties": {
                        "of_pydantic": {"prefixItems": [{"type": "integer"}, {"type": "null"}]},
                        "at": {"type": "string", "format": "date-time"},
                    }},
                    "return_schema": {},
                },
                {
                    "name": "pair",
                    "rpc_schema": {"properties": {"of_ours": {"items": [{"type": "integer"}]}}},
                    "return_schema": {},
                },
            ],
            "classes": [{
                "name": "Greeter",
                "rpc_schema": {"properties": {"greeting": {"minLength": 1}}},
                "methods": [{
                    "name": "greet",
                    "rpc_schema": {"required": ["name"]},
                    "return_schema": {},
                }],
            }],
            "rpc_schema": {},
        });
        Contract::new(&serde_json::from_value(api_info).unwrap())
    }

    #[test]
    fn problems_are_reported_in_the_words_of_a_module() {
        let contract = contract();
        for (request, problem) in [
            (
                json!({"func_name": "sqrt", "a": -1}),
                "sqrt: a: -1 is less than or equal to the minimum of 0",
            ),
            (
                json!({"func_name": "pairs", "of_pydantic": [1, 2]}),
                "pairs: of_pydantic[1]: 2 is not of type \"null\"",
            ),
            (
                json!({"func_name": "pair", "of_ours": [null]}),
                "pair: of_ours[0]: null is not of type \"integer\"",
            ),
            (
                json!({"func_name": "sqrt", "b": 2}),
                "sqrt has no argument \"b\"; its argument is a",
            ),
            (
                json!({"class_name": "Greeter", "greting": "Yo", "function": {"func_name": "greet"}}),
                "Greeter has no argument \"greting\"; did you mean \"greeting\"?",
            ),
            (
                json!({"class_name": "Greeter", "greeting": "", "function": {"func_name": "odd"}}),
                "Greeter.odd: greeting: \"\" is shorter than 1 character",
            ),
            (
                json!({"class_name": "Greeter", "function": {"func_name": "greet"}}),
                "Greeter.greet: function.name: is required",
            ),
        ] {
            let checked = contract.check(request.to_string().as_bytes());
            assert_eq!(checked.as_ref().err().map(String::as_str), Some(problem));
        }
    }

    #[test]
    fn requests_beyond_the_description_are_left_to_the_module() {
        let contract = contract();
        for request in [
            json!({"func_name": "sqrt", "a": 2}),
            json!({"func_name": "odd", "a": 1}),
            json!({"func_name": "unknown"}),
            json!({"class_name": "Unknown", "function": {"func_name": "greet"}}),
            json!({"class_name": "Greeter", "function": {"func_name": "unknown"}}),
            json!({"func_name": "pairs", "at": "2026-11-22T10:00:00"}),
            json!([]),
        ] {
            assert_eq!(
                contract.check(request.to_string().as_bytes()),
                Ok(()),
                "{request}"
            );
        }
        assert_eq!(contract.check(b"{"), Ok(()));
    }
}
