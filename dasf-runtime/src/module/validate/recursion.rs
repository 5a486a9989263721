//! Types that contain themselves through a union, for example a tree of operations.
//!
//! The validator collects the errors of every variant of a union, with the errors of all variants
//! inside. In a recursive type, their number grows exponentially with the depth of the value.

use std::collections::{HashMap, HashSet};

use dasf_protocol::reference::{DEFINITIONS, definition};
use serde_json::{Map, Value};

/// Returns whether a definition of the document refers to itself, and some definition has a union
/// of several types.
pub(super) fn has_recursive_union(document: &Value) -> bool {
    let definitions = DEFINITIONS
        .iter()
        .filter_map(|keyword| document.get(*keyword)?.as_object());
    let definitions: HashMap<&str, Parts> = definitions
        .flat_map(Map::iter)
        .map(|(name, schema)| (name.as_str(), Parts::of(schema)))
        .collect();
    let refers_to_itself = |start: &str| {
        let mut open = vec![start.to_owned()];
        let mut seen = HashSet::new();
        while let Some(parts) = open.pop().and_then(|name| definitions.get(name.as_str())) {
            for target in &parts.references {
                if target == start {
                    return true;
                }
                if seen.insert(target.clone()) {
                    open.push(target.clone());
                }
            }
        }
        false
    };
    definitions.values().any(|parts| parts.has_union)
        && definitions.keys().any(|name| refers_to_itself(name))
}

/// The parts of a definition that matter here.
#[derive(Default)]
struct Parts {
    references: Vec<String>,
    has_union: bool,
}

impl Parts {
    fn of(definition: &Value) -> Self {
        let mut parts = Self::default();
        let mut open = vec![definition];
        while let Some(schema) = open.pop() {
            match schema {
                Value::Array(items) => open.extend(items),
                Value::Object(fields) => {
                    parts.add(fields);
                    open.extend(fields.values());
                }
                _ => {}
            }
        }
        parts
    }

    fn add(&mut self, schema: &Map<String, Value>) {
        let reference = schema.get("$ref").and_then(Value::as_str);
        if let Some((_, name)) = reference.and_then(definition) {
            self.references.push(name.into_owned());
        }
        for union in ["anyOf", "oneOf"] {
            let variants = schema.get(union).and_then(Value::as_array);
            let variants = variants.into_iter().flatten();
            let is_null = |it: &&Value| it.get("type").is_some_and(|name| name == "null");
            self.has_union |= variants.filter(|it| !is_null(it)).count() > 1;
        }
    }
}

/// Returns whether lists and objects are nested deeper than a number of levels.
pub(super) fn is_deeper(value: &Value, levels: usize) -> bool {
    let inner = |levels: usize| move |value: &Value| is_deeper(value, levels);
    match (value, levels.checked_sub(1)) {
        (Value::Array(_) | Value::Object(_), None) => true,
        (Value::Array(items), Some(levels)) => items.iter().any(inner(levels)),
        (Value::Object(fields), Some(levels)) => fields.values().any(inner(levels)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_recursive_through_others() {
        let union = json!({"oneOf": [{"type": "number"}, {"$ref": "#/$defs/Pair"}]});
        let pair = |target: &str| json!({"properties": {"a": {"items": {"$ref": target}}}});
        for (definitions, is_recursive) in [
            (json!({}), false),
            (json!({"Tree": union, "Pair": pair("#/$defs/Tree")}), true),
            (json!({"Tree": union, "Pair": pair("#/$defs/Other")}), false),
            (json!({"Pair": pair("#/$defs/Pair")}), false),
            (
                json!({"Pair": {"anyOf": [{"$ref": "#/$defs/Pair"}, {"type": "null"}]}}),
                false,
            ),
        ] {
            let document = json!({"$defs": definitions});
            assert_eq!(has_recursive_union(&document), is_recursive, "{document}");
        }
    }

    #[test]
    fn depth_counts_lists_and_objects() {
        let value = json!({"a": [1, {"b": []}]});
        assert!(is_deeper(&value, 3));
        assert!(!is_deeper(&value, 4));
        assert!(!is_deeper(&json!(1), 0));
    }
}
