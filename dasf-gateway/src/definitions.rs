//! The definitions of a module's schemas. Each function has its own schemas, so one type comes many times.

use std::collections::HashMap;
use std::hash::Hash;

use dasf_protocol::reference::{DEFINITIONS, definition};
use serde_json::{Map, Value};

/// After so many rounds, definitions that may be equal count as different. Each round compares the types one
/// reference further, and the types of real modules are not nested so deeply.
const MAX_ROUNDS: usize = 32;

/// A document with definitions, to which the references in it lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Root(usize);

/// A definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Definition(usize);

/// All definitions of some documents.
#[derive(Debug, Default)]
pub(crate) struct Definitions<'a> {
    roots: Vec<Document<'a>>,
    nodes: Vec<Node<'a>>,
    by_name: HashMap<(Root, &'static str, &'a str), Definition>,
    /// The kind of each node: equal definitions have the same.
    kinds: Vec<usize>,
}

#[derive(Debug)]
struct Document<'a> {
    schema: &'a Value,
    /// The document in which references without a target in this one are looked up.
    outer: Option<Root>,
}

#[derive(Debug)]
struct Node<'a> {
    root: Root,
    name: &'a str,
    schema: &'a Value,
}

impl<'a> Definitions<'a> {
    /// Adds a document.
    pub(crate) fn add(&mut self, schema: &'a Value, outer: Option<Root>) -> Root {
        let root = Root(self.roots.len());
        self.roots.push(Document { schema, outer });
        for keyword in DEFINITIONS {
            let definitions = schema.get(keyword).and_then(Value::as_object);
            for (name, schema) in definitions.into_iter().flatten() {
                self.by_name
                    .insert((root, keyword, name), Definition(self.nodes.len()));
                self.nodes.push(Node { root, name, schema });
            }
        }
        root
    }

    /// Returns the document.
    pub(crate) fn document(&self, root: Root) -> &'a Value {
        self.roots[root.0].schema
    }

    /// Returns the target of a reference.
    pub(crate) fn resolve(&self, root: Root, reference: &str) -> Option<Definition> {
        let (keyword, name) = definition(reference)?;
        let outer = self.roots[root.0].outer;
        let mut roots = [Some(root), outer].into_iter().flatten();
        roots.find_map(|root| self.by_name.get(&(root, keyword, &*name)).copied())
    }

    /// Returns the name, the document and the schema of a definition.
    pub(crate) fn get(&self, definition: Definition) -> (&'a str, Root, &'a Value) {
        let node = &self.nodes[definition.0];
        (node.name, node.root, node.schema)
    }

    /// Follows the references of a schema that is nothing but a reference, at most ten.
    pub(crate) fn follow(&self, mut root: Root, mut schema: &'a Value) -> (Root, &'a Value) {
        for _ in 0..10 {
            let reference = schema.get("$ref").and_then(Value::as_str);
            let Some(target) = reference.and_then(|reference| self.resolve(root, reference)) else {
                break;
            };
            (_, root, schema) = self.get(target);
        }
        (root, schema)
    }

    /// Finds equal definitions. Two definitions are equal if their names and schemas are, and the definitions to
    /// which they refer.
    pub(crate) fn compare(&mut self) {
        let mut texts = Interner::default();
        let texts: Vec<usize> = self
            .nodes
            .iter()
            .map(|node| texts.intern((node.name, node.schema.to_string())))
            .collect();
        let targets: Vec<Vec<Definition>> = self
            .nodes
            .iter()
            .map(|node| {
                let mut targets = Vec::new();
                self.collect_targets(node.root, node.schema, &mut targets);
                targets
            })
            .collect();
        self.kinds = texts;
        let mut count = number_of(&self.kinds);
        for _ in 0..MAX_ROUNDS {
            let mut interner = Interner::default();
            let next = targets.iter().zip(&self.kinds).map(|(targets, kind)| {
                let targets = targets.iter().map(|target| self.kinds[target.0]);
                interner.intern((*kind, targets.collect::<Vec<_>>()))
            });
            self.kinds = next.collect();
            let next_count = number_of(&self.kinds);
            if next_count == count {
                return;
            }
            count = next_count;
        }
        self.kinds = (0..self.nodes.len()).collect();
    }

    /// Returns the kind of a definition, which equal definitions share. Valid after
    /// [`compare`](Self::compare).
    pub(crate) fn kind(&self, definition: Definition) -> usize {
        self.kinds[definition.0]
    }

    fn collect_targets(&self, root: Root, value: &Value, targets: &mut Vec<Definition>) {
        match value {
            Value::Object(schema) => {
                if let Some(Value::String(reference)) = schema.get("$ref") {
                    targets.extend(self.resolve(root, reference));
                }
                for part in schema.values() {
                    self.collect_targets(root, part, targets);
                }
            }
            Value::Array(parts) => {
                for part in parts {
                    self.collect_targets(root, part, targets);
                }
            }
            _ => {}
        }
    }
}

/// Gives equal values the same number, from 0.
#[derive(Debug)]
struct Interner<T>(HashMap<T, usize>);

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Hash + Eq> Interner<T> {
    fn intern(&mut self, value: T) -> usize {
        let next = self.0.len();
        *self.0.entry(value).or_insert(next)
    }
}

/// Returns how many kinds there are, which are numbered from 0.
fn number_of(kinds: &[usize]) -> usize {
    kinds.iter().max().map_or(0, |kind| kind + 1)
}

/// Returns the properties of the schema of an object.
pub(crate) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_definitions_of_several_documents_have_one_kind() {
        let list = |of: Value| {
            json!({"$defs": {
                "List": {"properties": {"head": {"$ref": "#/$defs/Head"}, "tail": {"$ref": "#/$defs/List"}}},
                "Head": of,
            }})
        };
        let (a, b, c) = (list(json!(true)), list(json!(true)), list(json!(false)));
        let mut definitions = Definitions::default();
        let roots = [&a, &b, &c].map(|document| definitions.add(document, None));
        definitions.compare();
        let kind = |root| definitions.kind(definitions.resolve(root, "#/$defs/List").unwrap());
        assert_eq!(kind(roots[0]), kind(roots[1]));
        // The lists have the same text, but their heads are different.
        assert_ne!(kind(roots[0]), kind(roots[2]));
    }

    #[test]
    fn references_are_found_in_the_document_and_in_that_of_the_module() {
        let module = json!({"$defs": {"A/B": {"type": "null"}, "C": {"$ref": "#/$defs/A~1B"}}});
        let own = json!({"definitions": {"größe": {"type": "string"}}});
        let mut definitions = Definitions::default();
        let outer = definitions.add(&module, None);
        let root = definitions.add(&own, Some(outer));
        let found = |reference| {
            let target = definitions.resolve(root, reference)?;
            Some(definitions.get(target).0)
        };
        assert_eq!(found("#/$defs/A~1B"), Some("A/B"));
        assert_eq!(found("#/definitions/gr%C3%B6%C3%9fe"), Some("größe"));
        assert_eq!(found("#/definitions/C"), None);
        assert_eq!(found("#"), None);
        let reference = json!({"$ref": "#/$defs/C"});
        let (_, schema) = definitions.follow(root, &reference);
        assert_eq!(schema, &json!({"type": "null"}));
    }

    #[test]
    fn a_reference_to_itself_has_an_end() {
        let document = json!({"$defs": {"A": {"$ref": "#/$defs/A"}}});
        let mut definitions = Definitions::default();
        let root = definitions.add(&document, None);
        definitions.compare();
        let reference = json!({"$ref": "#/$defs/A"});
        let (_, schema) = definitions.follow(root, &reference);
        assert_eq!(schema, &json!({"$ref": "#/$defs/A"}));
    }
}
