//! Reads the API description of a module into a [`Description`].
//!
//! The document comes from another program. A missing member is an error. A schema that the
//! description cannot express becomes a type that accepts any value, with the reason.

mod definitions;
mod merge;
mod schema;

use dasf_protocol::api_info::{ALLOW_GROUPS, allows_unknown_arguments};
use serde_json::{Map, Value};

use crate::description::{Class, Description, Field, Function, Openness, Presence, Schema, Type};
use definitions::Root;
use schema::Schemas;

/// The error for a document that is not an API description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path}: expected {expected}, found {found}; check that this is the API description of a module"
)]
#[non_exhaustive]
pub struct ReadError {
    /// The place, such as `api_info.functions[2].name`.
    pub path: String,
    /// The expected value.
    pub expected: &'static str,
    /// The value in the document.
    pub found: &'static str,
}

/// Reads the API description of a module.
///
/// # Errors
/// If the document is not an API description: it has no list of functions or classes, or a member
/// has no name or no schema.
///
/// ```
/// use serde_json::json;
///
/// let description = dasf_codegen::read(&json!({
///     "functions": [{
///         "name": "add",
///         "rpc_schema": {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
///         "return_schema": {"type": "integer"},
///     }],
///     "classes": [],
///     "rpc_schema": {"title": "arithmetic"},
/// }))?;
/// assert_eq!(description.topic, "arithmetic");
/// assert_eq!(description.functions[0].arguments[0].name, "a");
/// # Ok::<(), dasf_codegen::ReadError>(())
/// ```
pub fn read(api_info: &Value) -> Result<Description, ReadError> {
    let document = Place::root(api_info);
    let module = document.member("rpc_schema")?.object()?;
    let mut schemas = Schemas::default();
    let mut functions = Vec::new();
    for function in document.member("functions")?.items()? {
        functions.push(read_function(&mut schemas, &function, "", module)?);
    }
    let mut classes = Vec::new();
    for class in document.member("classes")?.items()? {
        classes.push(read_class(&mut schemas, &class, module)?);
    }
    Ok(Description {
        topic: text(module, "title"),
        documentation: text(module, "description"),
        functions,
        classes,
        types: schemas.finish(),
        api_info: api_info.clone(),
    })
}

fn read_function<'a>(
    schemas: &mut Schemas<'a>,
    place: &Place<'a>,
    class: &str,
    module: &'a Map<String, Value>,
) -> Result<Function, ReadError> {
    let name = place.member("name")?.text()?;
    let schema = place.member("rpc_schema")?.object()?;
    let root = Root::new(schema, module);
    let schema = root.callable(schema);
    let context = match class {
        "" => name.to_owned(),
        class => format!("{class} {name}"),
    };
    let mut reporter = None;
    let mut arguments = Vec::new();
    for (argument, value) in properties(schema) {
        if argument == "func_name" {
            continue;
        }
        if value.get("is_reporter") == Some(&Value::Bool(true)) {
            reporter = Some(argument.clone());
            continue;
        }
        arguments.push(read_field(
            schemas, &root, schema, argument, value, &context,
        ));
    }
    // The schema may be missing if the function returns nothing.
    let result = match place.value.get("return_schema") {
        Some(Value::Object(returns)) => {
            let root = Root::new(returns, module);
            schemas.read_result(&root, returns, &format!("{context} result"))
        }
        _ => Schema::of(Type::Any(Openness::Declared)),
    };
    Ok(Function {
        name: name.to_owned(),
        documentation: with_groups(text(schema, "description"), schema),
        arguments,
        reporter,
        is_open: allows_unknown_arguments(schema),
        result,
        is_deprecated: is_deprecated(schema),
    })
}

fn read_class<'a>(
    schemas: &mut Schemas<'a>,
    place: &Place<'a>,
    module: &'a Map<String, Value>,
) -> Result<Class, ReadError> {
    let name = place.member("name")?.text()?;
    let schema = place.member("rpc_schema")?.object()?;
    let root = Root::new(schema, module);
    let schema = root.callable(schema);
    let arguments = properties(schema)
        // In a request, these are the class and the method call.
        .filter(|(argument, _)| !matches!(argument.as_str(), "class_name" | "function"))
        .map(|(argument, value)| read_field(schemas, &root, schema, argument, value, name))
        .collect();
    let mut methods = Vec::new();
    for method in place.member("methods")?.items()? {
        methods.push(read_function(schemas, &method, name, module)?);
    }
    Ok(Class {
        name: name.to_owned(),
        documentation: text(schema, "description"),
        arguments,
        is_open: allows_unknown_arguments(schema),
        methods,
        is_deprecated: is_deprecated(schema),
    })
}

/// Reads a property of an object, or an argument.
fn read_field<'a>(
    schemas: &mut Schemas<'a>,
    root: &Root<'a>,
    object: &Map<String, Value>,
    name: &str,
    value: &Value,
    context: &str,
) -> Field {
    Field {
        name: name.to_owned(),
        schema: schemas.read(root, value, &format!("{context} {name}")),
        presence: presence(object, name, value),
    }
}

/// Returns whether a property of an object is required.
fn presence(object: &Map<String, Value>, name: &str, value: &Value) -> Presence {
    let required = object.get("required").and_then(Value::as_array);
    let is_required = required.is_some_and(|required| {
        required
            .iter()
            .any(|required| required.as_str() == Some(name))
    });
    match value.get("default") {
        _ if is_required => Presence::Required,
        Some(default) => Presence::Default(default.clone()),
        None => Presence::Optional,
    }
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten()
}

/// Returns a string of a schema; empty if there is none.
fn text(schema: &Map<String, Value>, keyword: &str) -> String {
    let text = schema.get(keyword).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Adds to the documentation of a function which users may call it, if not everyone may.
fn with_groups(documentation: String, schema: &Map<String, Value>) -> String {
    let groups = schema.get(ALLOW_GROUPS).and_then(Value::as_array);
    let groups = groups.into_iter().flatten().filter_map(Value::as_str);
    let groups: Vec<&str> = groups.collect();
    let allowed = match groups.as_slice() {
        [] => return documentation,
        [group] => format!("the group {group}"),
        groups => format!("one of the groups {}", groups.join(", ")),
    };
    let sentence = format!("Only users in {allowed} may call it.");
    match documentation.is_empty() {
        true => sentence,
        false => format!("{documentation}\n\n{sentence}"),
    }
}

fn is_deprecated(schema: &Map<String, Value>) -> bool {
    schema.get("deprecated") == Some(&Value::Bool(true))
}

/// A value of the document and its place.
struct Place<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Place<'a> {
    fn root(value: &'a Value) -> Self {
        Self {
            value,
            path: "api_info".to_owned(),
        }
    }

    fn member(&self, name: &str) -> Result<Self, ReadError> {
        let object = self.object()?;
        Ok(Self {
            value: object.get(name).unwrap_or(&Value::Null),
            path: format!("{}.{name}", self.path),
        })
    }

    fn items(&self) -> Result<impl Iterator<Item = Self>, ReadError> {
        let items = self.value.as_array().ok_or_else(|| self.error("a list"))?;
        let items = items.iter().enumerate();
        Ok(items.map(|(index, value)| Self {
            value,
            path: format!("{}[{index}]", self.path),
        }))
    }

    fn object(&self) -> Result<&'a Map<String, Value>, ReadError> {
        self.value
            .as_object()
            .ok_or_else(|| self.error("an object"))
    }

    fn text(&self) -> Result<&'a str, ReadError> {
        self.value.as_str().ok_or_else(|| self.error("a string"))
    }

    fn error(&self, expected: &'static str) -> ReadError {
        let found = match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        ReadError {
            path: self.path.clone(),
            expected,
            found,
        }
    }
}

#[cfg(test)]
mod tests;
