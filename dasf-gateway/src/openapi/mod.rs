//! OpenAPI 3.1 out of the API descriptions of modules.
//!
//! [`of_topic`] describes one module, and [`of_topics`] several. Both are pure functions: the same descriptions
//! always give the same document.

mod example;
mod names;
mod operation;
mod parts;
#[cfg(feature = "reference")]
pub(crate) mod reference;
mod schemas;
pub(crate) mod serve;

use std::collections::HashSet;

use dasf_protocol::Topic;
use dasf_protocol::api_info::ApiInfo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use names::{Names, camel_case, identifier};
use operation::{Operations, Place};
use schemas::Schemas;

use crate::signature::{Signatures, text};

/// The version of OpenAPI.
const OPENAPI: &str = "3.1.0";
/// The version of a module that does not tell its own.
const NO_VERSION: &str = "0";
/// The bytes of a name that are escaped in a path: all but the unreserved ones of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns the OpenAPI document of the module on a topic.
///
/// ```
/// use dasf_gateway::openapi;
/// use dasf_protocol::api_info::{ApiInfo, FunctionInfo};
/// use serde_json::json;
///
/// let arguments = json!({
///     "type": "object",
///     "properties": {"func_name": {"const": "double"}, "x": {"type": "number"}},
///     "required": ["func_name", "x"],
/// });
/// let mut api = ApiInfo::new(json!({"title": "arithmetic", "description": "Arithmetic."}));
/// api.functions.push(FunctionInfo::new("double", arguments, json!({"type": "number"})));
/// let document = openapi::of_topic(&"arithmetic".parse()?, &api);
/// assert_eq!(document["openapi"], "3.1.0");
/// assert_eq!(document["paths"]["/api/arithmetic/double"]["post"]["operationId"], "double");
/// # Ok::<(), dasf_protocol::TopicError>(())
/// ```
pub fn of_topic(topic: &Topic, api: &ApiInfo) -> Value {
    let mut document = Document::default();
    document.add(topic, api, false);
    let mut info = json!({"title": topic.as_str(), "version": version(api)});
    let description = text(&api.rpc_schema, "description");
    if !description.is_empty() {
        info["description"] = description.into();
    }
    document.finish(&info)
}

/// Returns the OpenAPI document of several modules. A topic that comes twice counts once.
pub fn of_topics<'a>(modules: impl IntoIterator<Item = (&'a Topic, &'a ApiInfo)>) -> Value {
    let mut document = Document::default();
    document
        .paths
        .insert("/api".to_owned(), parts::list_modules());
    for (topic, api) in modules {
        document.add(topic, api, true);
    }
    document.finish(&json!({
        "title": "DASF modules",
        "version": NO_VERSION,
        "description": "The functions of all modules behind a message broker.",
    }))
}

fn version(api: &ApiInfo) -> &str {
    let extensions = api.x_dasf.as_ref();
    let version = extensions.and_then(|it| it.module_version.as_deref());
    version.unwrap_or(NO_VERSION)
}

/// A document that grows.
struct Document {
    paths: Map<String, Value>,
    tags: Vec<Value>,
    components: Map<String, Value>,
    /// The names of the schemas in the components.
    names: Names,
    operation_ids: Names,
    topics: HashSet<String>,
}

impl Default for Document {
    fn default() -> Self {
        let mut names = Names::default();
        let components = parts::components(&mut names);
        let mut operation_ids = Names::default();
        for id in parts::OPERATION_IDS {
            operation_ids.choose(&[id]);
        }
        Self {
            paths: Map::new(),
            tags: vec![json!({
                "name": "modules",
                "description": "The modules that are there, and what they can do.",
            })],
            components,
            names,
            operation_ids,
            topics: HashSet::new(),
        }
    }
}

impl Document {
    /// Adds a module. In a document of several modules, its topic is in the names of everything.
    fn add(&mut self, topic: &Topic, api: &ApiInfo, is_one_of_several: bool) {
        if !self.topics.insert(topic.as_str().to_owned()) {
            return;
        }
        let module = Signatures::read(api);
        let base = format!("/api/{}", escape(topic.as_str()));
        let prefix = match is_one_of_several {
            true => identifier(topic.as_str(), "topic"),
            false => String::new(),
        };
        let qualified = |name: &str| match prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}_{name}"),
        };
        let description_id = self.operation_ids.choose(&[&qualified("describe")]);
        self.paths
            .insert(base.clone(), parts::describe_module(&description_id));
        self.tags.push(json!({
            "name": topic.as_str(),
            "description": text(&api.rpc_schema, "description"),
        }));
        for class in &module.classes {
            self.tags.push(json!({
                "name": class_tag(topic, class.name),
                "description": class.description,
            }));
        }
        let mut schemas = Schemas::new(module.definitions, &camel_case(&prefix));
        let Some(Value::Object(components)) = self.components.get_mut("schemas") else {
            return;
        };
        for member in &module.members {
            let (path, name, tag) = match member.class {
                None => (
                    format!("{base}/{}", escape(member.name)),
                    identifier(member.name, "function"),
                    topic.as_str().to_owned(),
                ),
                Some(class) => (
                    format!("{base}/{}/{}", escape(class), escape(member.name)),
                    format!(
                        "{}_{}",
                        identifier(class, "Class"),
                        identifier(member.name, "method")
                    ),
                    class_tag(topic, class),
                ),
            };
            if self.paths.contains_key(&path) {
                continue;
            }
            let place = Place {
                name: qualified(&name),
                tag,
            };
            let mut operations = Operations {
                schemas: &mut schemas,
                names: &mut self.names,
                operation_ids: &mut self.operation_ids,
                components,
            };
            let operations = operations.of(member, &place);
            self.paths.insert(path, operations);
        }
        schemas.finish(&mut self.names, components);
    }

    fn finish(mut self, info: &Value) -> Value {
        self.tags.push(json!({
            "name": "jobs",
            "description": "Calls that the broker keeps. `Prefer: respond-async` makes one.",
        }));
        for (path, operations) in parts::job_paths() {
            self.paths.insert(path, operations);
        }
        let mut document = json!({
            "openapi": OPENAPI,
            "info": info,
            "servers": [{"url": "/"}],
            "security": parts::security(),
            "tags": self.tags,
            "paths": self.paths,
            "components": self.components,
        });
        operation::add_examples(&mut document);
        document
    }
}

fn escape(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

fn class_tag(topic: &Topic, class: &str) -> String {
    format!("{topic} {class}")
}

#[cfg(test)]
mod tests;
