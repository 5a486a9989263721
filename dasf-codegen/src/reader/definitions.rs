//! The references of schemas.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use dasf_protocol::reference::{DEFINITIONS, definition};
use serde_json::{Map, Value};

/// The identity of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RootId(usize);

/// The document that contains a schema and the targets of its references.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root<'a> {
    own: &'a Map<String, Value>,
    /// The schema of the whole module, for documents without their own definitions.
    module: &'a Map<String, Value>,
}

impl<'a> Root<'a> {
    pub(super) fn new(own: &'a Map<String, Value>, module: &'a Map<String, Value>) -> Self {
        Self { own, module }
    }

    /// Returns the identity of the document.
    pub(super) fn id(&self) -> RootId {
        // During the reading, each document has its own address.
        RootId(std::ptr::from_ref(self.own).addr())
    }

    /// Returns the name and the definition of a reference's target.
    pub(super) fn resolve(&self, reference: &str) -> Option<(String, &'a Value)> {
        let (keyword, name) = definition(reference)?;
        let definitions = [self.own, self.module].into_iter();
        let mut found = definitions.filter_map(|root| root.get(keyword)?.get(&*name));
        let definition = found.next()?;
        Some((name.into_owned(), definition))
    }

    /// Returns the schema of a function or a class. Some modules send only a reference to it.
    pub(super) fn callable(&self, schema: &'a Map<String, Value>) -> &'a Map<String, Value> {
        let target = schema.get("$ref").and_then(Value::as_str);
        let target = target.and_then(|target| self.resolve(target)?.1.as_object());
        target.unwrap_or(schema)
    }
}

/// The fingerprints of schemas, which distinguish schemas with different structures. They include
/// the targets of references.
///
/// Required properties and defaults do not count: in a Rust module they differ between the argument
/// and the result of one type.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    nodes: HashMap<(RootId, String), usize>,
    definitions: Vec<Node>,
}

/// A definition of a document.
#[derive(Debug)]
struct Node {
    /// The hash of the definition itself.
    hash: u64,
    /// Its references that are not resolved yet.
    unresolved: Vec<String>,
    /// The targets of its resolved references.
    targets: Vec<usize>,
}

impl Fingerprints {
    /// Returns the fingerprint of a schema. Only schemas with the same structure share one.
    pub(super) fn of(&mut self, root: &Root<'_>, schema: &Map<String, Value>) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut text = String::new();
        let mut references = Vec::new();
        write_structure(schema, &mut text, &mut references);
        text.hash(&mut hasher);
        let references = references.into_iter();
        let mut waiting: VecDeque<usize> = references
            .map(|reference| self.node(root, reference))
            .collect();
        let mut is_seen = vec![false; self.definitions.len()];
        while let Some(node) = waiting.pop_front() {
            is_seen.resize(self.definitions.len(), false);
            if std::mem::replace(&mut is_seen[node], true) {
                continue;
            }
            self.definitions[node].hash.hash(&mut hasher);
            let unresolved = std::mem::take(&mut self.definitions[node].unresolved);
            for reference in unresolved {
                let target = self.node(root, &reference);
                self.definitions[node].targets.push(target);
            }
            waiting.extend(&self.definitions[node].targets);
        }
        hasher.finish()
    }

    /// Returns the node for a reference, also if the reference has no target.
    fn node(&mut self, root: &Root<'_>, reference: &str) -> usize {
        let key = (root.id(), reference.to_owned());
        if let Some(&node) = self.nodes.get(&key) {
            return node;
        }
        let mut text = reference.to_owned();
        let mut references = Vec::new();
        match root.resolve(reference) {
            Some((_, Value::Object(definition))) => {
                write_structure(definition, &mut text, &mut references);
            }
            Some((_, other)) => text.push_str(&other.to_string()),
            None => {}
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let node = self.definitions.len();
        self.definitions.push(Node {
            hash: hasher.finish(),
            unresolved: references.into_iter().map(str::to_owned).collect(),
            targets: Vec::new(),
        });
        self.nodes.insert(key, node);
        node
    }
}

/// Writes the structure of a schema, and collects its references.
fn write_structure<'s>(
    schema: &'s Map<String, Value>,
    text: &mut String,
    references: &mut Vec<&'s str>,
) {
    text.push('{');
    for (keyword, value) in schema {
        if is_annotation(keyword)
            || DEFINITIONS.contains(&keyword.as_str())
            || keyword == "required"
        {
            continue;
        }
        text.push_str(keyword);
        text.push(':');
        match (keyword.as_str(), value) {
            ("$ref", Value::String(reference)) => {
                references.push(reference.as_str());
                text.push_str(reference);
            }
            // The keys are names, not keywords.
            ("properties" | "patternProperties", Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    text.push_str(&Value::from(name.as_str()).to_string());
                    write_part(schema, text, references);
                }
            }
            ("const" | "enum", value) => text.push_str(&value.to_string()),
            (_, Value::Array(parts)) => {
                for part in parts {
                    write_part(part, text, references);
                    text.push(',');
                }
            }
            (_, value) => write_part(value, text, references),
        }
        text.push(';');
    }
    text.push('}');
}

fn write_part<'s>(part: &'s Value, text: &mut String, references: &mut Vec<&'s str>) {
    match part {
        Value::Object(schema) => write_structure(schema, text, references),
        other => text.push_str(&other.to_string()),
    }
}

/// Returns whether a keyword is only an annotation, without an effect on the accepted values.
pub(super) fn is_annotation(keyword: &str) -> bool {
    matches!(
        keyword,
        "title"
            | "description"
            | "default"
            | "examples"
            | "example"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "is_reporter"
            | "discriminator"
            | "uiSchema"
            | "$comment"
            | "$schema"
            | "$id"
    ) || keyword.starts_with("x_")
        || keyword.starts_with("x-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    #[test]
    fn references_are_found_in_the_document_and_in_that_of_the_module() {
        let own = json!({"$defs": {"A/B": {"type": "null"}}});
        let module = json!({"definitions": {"größe": true}, "$defs": {"A/B": false}});
        let root = Root::new(object(&own), object(&module));
        for reference in ["#/$defs/A~1B", "#/$defs/A%2FB", "#/$defs/A%7e1B"] {
            let (name, definition) = root.resolve(reference).unwrap();
            assert_eq!(
                (name.as_str(), definition),
                ("A/B", &json!({"type": "null"}))
            );
        }
        assert_eq!(
            root.resolve("#/definitions/gr%C3%B6%C3%9fe"),
            Some(("größe".to_owned(), &json!(true)))
        );
        for reference in [
            "#",
            "#/$defs/",
            "#/$defs/C",
            "other.json#/$defs/A",
            "#/$defs",
        ] {
            assert_eq!(root.resolve(reference), None, "{reference}");
        }
    }

    #[test]
    fn equal_schemas_have_one_fingerprint() {
        let own = json!({"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}});
        let other = json!({"$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"type": "null"}}});
        let empty = Map::new();
        let fingerprint = |document: &Value, schema: &Value| {
            Fingerprints::default().of(&Root::new(object(document), &empty), object(schema))
        };
        let schema = json!({"$ref": "#/$defs/A"});
        let titled = json!({"$ref": "#/$defs/A", "title": "A title"});
        let named =
            json!({"properties": {"required": {"title": "A"}, "default": {"type": "null"}}});
        let lenient =
            json!({"properties": {"required": {}, "default": {"type": "null", "default": null}}});
        let other_names = json!({"properties": {"required": {}}});
        assert_eq!(fingerprint(&own, &named), fingerprint(&own, &lenient));
        assert_ne!(fingerprint(&own, &named), fingerprint(&own, &other_names));
        assert_eq!(fingerprint(&own, &schema), fingerprint(&own, &titled));
        assert_ne!(fingerprint(&own, &schema), fingerprint(&other, &schema));
    }
}
