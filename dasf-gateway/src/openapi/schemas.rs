//! Translates the schemas of modules into those of OpenAPI 3.1, which are JSON Schema 2020-12.
//!
//! Modules publish several drafts: tuples in `items` or `prefixItems`, definitions in `$defs` or `definitions`.
//! A keyword whose value breaks the rules of JSON Schema would make the whole document invalid, so it is left out.

use std::collections::{HashMap, HashSet, VecDeque};

use dasf_pattern::to_rust;
use serde_json::{Map, Value};

use super::names::{Names, identifier};
use crate::definitions::{Definition, Definitions, Root};

/// The maximum number of schemas of a module, with the values in them. The schemas beyond it accept every value. A
/// class has its constructor's arguments in each method, so a small description could ask for an enormous document.
const MAX_SCHEMAS: usize = 100_000;

/// Translates schemas, and collects the definitions to which they refer.
#[derive(Debug)]
pub(super) struct Schemas<'a> {
    pub(super) definitions: Definitions<'a>,
    /// The components of definitions, by their kind.
    names: HashMap<usize, String>,
    /// The definitions that have a name, but no component yet.
    waiting: VecDeque<(String, Definition)>,
    left: usize,
    /// The beginning of the names of components whose own names are taken.
    prefix: String,
}

/// Whether a schema is of a result, which has a name of its own where it differs from that of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Argument,
    Result,
}

impl<'a> Schemas<'a> {
    /// Returns a translator of the schemas in some documents.
    pub(super) fn new(mut definitions: Definitions<'a>, prefix: &str) -> Self {
        definitions.compare();
        Self {
            definitions,
            names: HashMap::new(),
            waiting: VecDeque::new(),
            left: MAX_SCHEMAS,
            prefix: prefix.to_owned(),
        }
    }

    /// Translates a schema.
    pub(super) fn translate(
        &mut self,
        root: Root,
        schema: &Value,
        side: Side,
        names: &mut Names,
    ) -> Value {
        let mut translation = Translation {
            schemas: self,
            names,
            root,
            side,
        };
        Value::Object(translation.object(schema))
    }

    /// Translates the definitions to which the translated schemas refer.
    pub(super) fn finish(&mut self, names: &mut Names, components: &mut Map<String, Value>) {
        while let Some((name, definition)) = self.waiting.pop_front() {
            let (_, root, schema) = self.definitions.get(definition);
            let mut schema = self.translate(root, schema, Side::Argument, names);
            // Generators name types by titles.
            if let Some(title) = schema.get_mut("title")
                && title
                    .as_str()
                    .is_some_and(|title| identifier(title, "Type") != name)
            {
                *title = name.as_str().into();
            }
            components.insert(name, schema);
        }
    }

    /// Returns the name of the component of a definition.
    fn component(&mut self, definition: Definition, side: Side, names: &mut Names) -> &str {
        let definition = self.behind_aliases(definition);
        let kind = self.definitions.kind(definition);
        let waiting = &mut self.waiting;
        let definitions = &self.definitions;
        self.names.entry(kind).or_insert_with(|| {
            let (name, ..) = definitions.get(definition);
            let name = identifier(name, "Type");
            let prefix = &self.prefix;
            let name = match side {
                Side::Argument => names.choose(&[&name, &format!("{prefix}{name}")]),
                Side::Result => names.choose(&[&name, &format!("{prefix}{name}Result")]),
            };
            waiting.push_back((name.clone(), definition));
            name
        })
    }
}

impl Schemas<'_> {
    /// Returns the definition for which another one is only a second name. Few generators know aliases.
    fn behind_aliases(&self, definition: Definition) -> Definition {
        const MAX_ALIASES: usize = 10;
        let mut target = definition;
        for _ in 0..MAX_ALIASES {
            let (_, root, schema) = self.definitions.get(target);
            let Some(schema) = schema.as_object() else {
                break;
            };
            let says_more =
                |keyword: &String| !["$ref", "title", "description"].contains(&&**keyword);
            let reference = schema.get("$ref").and_then(Value::as_str);
            match reference.and_then(|reference| self.definitions.resolve(root, reference)) {
                Some(next) if !schema.keys().any(says_more) => target = next,
                _ => break,
            }
        }
        target
    }
}

/// The translation of one schema and its parts.
struct Translation<'s, 'a> {
    schemas: &'s mut Schemas<'a>,
    names: &'s mut Names,
    root: Root,
    side: Side,
}

impl Translation<'_, '_> {
    /// Translates a schema. `true` and `false` are valid, but few generators know them.
    fn object(&mut self, schema: &Value) -> Map<String, Value> {
        let mut translated = Map::new();
        let Some(left) = self.schemas.left.checked_sub(1) else {
            return translated;
        };
        self.schemas.left = left;
        match schema {
            Value::Object(schema) => {
                for (keyword, value) in schema {
                    if let Some(value) = self.keyword(schema, keyword, value) {
                        let keyword = match (keyword.as_str(), value.is_array()) {
                            ("items", true) => "prefixItems",
                            ("additionalItems", _) => "items",
                            (keyword, _) => keyword,
                        };
                        translated.insert(keyword.to_owned(), value);
                    }
                }
                self.dependencies(schema, &mut translated);
                // Many generators know no list without items.
                let is_list = schema.get("type").is_some_and(|name| name == "array");
                if is_list
                    && !["items", "prefixItems"]
                        .iter()
                        .any(|it| translated.contains_key(*it))
                {
                    translated.insert("items".to_owned(), Value::Object(Map::new()));
                }
            }
            Value::Bool(false) => {
                translated.insert("not".to_owned(), Value::Object(Map::new()));
            }
            _ => {}
        }
        translated
    }

    fn schema(&mut self, schema: &Value) -> Value {
        Value::Object(self.object(schema))
    }

    /// Translates the value of a keyword; `None` leaves the keyword out.
    fn keyword(
        &mut self,
        schema: &Map<String, Value>,
        keyword: &str,
        value: &Value,
    ) -> Option<Value> {
        match keyword {
            "$ref" => self.reference(value.as_str()?).map(Value::from),
            // Definitions become components. The others name other documents, or are marks for clients of DASF.
            "$defs" | "definitions" | "dependencies" | "$schema" | "$id" | "$anchor"
            | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" | "$recursiveAnchor"
            | "$vocabulary" | "is_reporter" | "x_dasf_type" | "xml" | "externalDocs" => None,
            "additionalProperties" | "unevaluatedProperties" | "unevaluatedItems" => match value {
                Value::Bool(_) => Some(value.clone()),
                Value::Object(_) => Some(self.schema(value)),
                _ => None,
            },
            "items" if value.is_array() => self.list(value),
            "additionalItems" if !schema.get("items").is_some_and(Value::is_array) => None,
            "items" | "additionalItems" | "not" | "if" | "then" | "else" | "contains"
            | "propertyNames" | "contentSchema" => is_schema(value).then(|| self.schema(value)),
            "prefixItems" | "allOf" | "anyOf" | "oneOf" => self.list(value),
            "properties" | "patternProperties" | "dependentSchemas" => self.map(value),
            "discriminator" => self.discriminator(value),
            "exclusiveMinimum" | "exclusiveMaximum" if value == true => {
                // In draft 4, the limit is that of the other keyword.
                let limit = &schema.get(match keyword {
                    "exclusiveMinimum" => "minimum",
                    _ => "maximum",
                })?;
                limit.is_number().then(|| (*limit).clone())
            }
            _ if is_valid(keyword, value) => {
                self.schemas.left = self.schemas.left.checked_sub(weight(value))?;
                Some(value.clone())
            }
            _ => None,
        }
    }

    fn reference(&mut self, reference: &str) -> Option<String> {
        let definitions = &self.schemas.definitions;
        let target = definitions.resolve(self.root, reference)?;
        let (_, root, schema) = definitions.get(target);
        let (root, schema) = definitions.follow(root, schema);
        let further = schema.get("$ref").and_then(Value::as_str);
        if further.is_some_and(|further| definitions.resolve(root, further).is_some()) {
            // It leads to itself, and says nothing.
            return None;
        }
        let name = self.schemas.component(target, self.side, self.names);
        Some(format!("#/components/schemas/{name}"))
    }

    fn list(&mut self, schemas: &Value) -> Option<Value> {
        let schemas = schemas.as_array().filter(|schemas| !schemas.is_empty())?;
        Some(schemas.iter().map(|schema| self.schema(schema)).collect())
    }

    fn map(&mut self, schemas: &Value) -> Option<Value> {
        let schemas = schemas.as_object()?.iter();
        let schemas = schemas.map(|(name, schema)| (name.clone(), self.schema(schema)));
        Some(Value::Object(schemas.collect()))
    }

    /// Translates the mapping of a discriminator, as pydantic writes it.
    fn discriminator(&mut self, discriminator: &Value) -> Option<Value> {
        let property = discriminator.get("propertyName")?.as_str()?;
        let mut translated = Map::new();
        translated.insert("propertyName".to_owned(), property.into());
        let mapping = discriminator.get("mapping").and_then(Value::as_object);
        let mapping: Map<String, Value> = mapping
            .into_iter()
            .flatten()
            .filter_map(|(value, target)| {
                Some((value.clone(), self.reference(target.as_str()?)?.into()))
            })
            .collect();
        if !mapping.is_empty() {
            translated.insert("mapping".to_owned(), mapping.into());
        }
        Some(translated.into())
    }

    /// Translates `dependencies` of draft 7, which became two keywords.
    fn dependencies(&mut self, schema: &Map<String, Value>, translated: &mut Map<String, Value>) {
        let dependencies = schema.get("dependencies").and_then(Value::as_object);
        for (name, dependency) in dependencies.into_iter().flatten() {
            let (keyword, dependency) = match dependency {
                Value::Array(_) if is_valid("required", dependency) => {
                    ("dependentRequired", dependency.clone())
                }
                Value::Object(_) | Value::Bool(_) => ("dependentSchemas", self.schema(dependency)),
                _ => continue,
            };
            let others = translated
                .entry(keyword)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(others) = others {
                others.insert(name.clone(), dependency);
            }
        }
    }
}

/// Returns how much of the limit a value needs that is no schema: nothing if it is small.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() / 64,
        Value::Array(items) => items.iter().map(|item| 1 + weight(item)).sum(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, value)| 1 + name.len() / 64 + weight(value))
                .sum()
        }
        _ => 0,
    }
}

fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}

/// Returns whether the value of a keyword without schemas in it follows the rules of JSON Schema. All values of
/// unknown keywords do.
fn is_valid(keyword: &str, value: &Value) -> bool {
    const TYPES: [&str; 7] = [
        "array", "boolean", "integer", "null", "number", "object", "string",
    ];
    let is_type = |name: &str| TYPES.contains(&name);
    let is_set = |value: &Value, is_item: fn(&str) -> bool| {
        let mut seen = HashSet::new();
        value.as_array().is_some_and(|items| {
            let mut items = items.iter().map(Value::as_str);
            items.all(|item| item.is_some_and(|item| is_item(item) && seen.insert(item)))
        })
    };
    match keyword {
        "type" => {
            value.as_str().is_some_and(is_type)
                || *value != Value::Array(Vec::new()) && is_set(value, is_type)
        }
        "required" => is_set(value, |_| true),
        "dependentRequired" => value
            .as_object()
            .is_some_and(|names| names.values().all(|names| is_set(names, |_| true))),
        "enum" | "examples" => value.is_array(),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
        "multipleOf" => value.as_f64().is_some_and(|divisor| divisor > 0.0),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
        | "minContains" | "maxContains" => value.is_u64(),
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => value.is_boolean(),
        "pattern" => value
            .as_str()
            .is_some_and(|pattern| to_rust(pattern).is_ok()),
        "title" | "description" | "format" | "$comment" | "contentEncoding"
        | "contentMediaType" => value.is_string(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Translates a schema that is a document by itself, and returns it with its components.
    fn translate(schema: &Value) -> (Value, Value) {
        let mut definitions = Definitions::default();
        let root = definitions.add(schema, None);
        let mut schemas = Schemas::new(definitions, "");
        let mut names = Names::default();
        let translated = schemas.translate(root, schema, Side::Argument, &mut names);
        let mut components = Map::new();
        schemas.finish(&mut names, &mut components);
        (translated, components.into())
    }

    #[test]
    fn older_drafts_become_the_current_one() {
        for (schema, expected) in [
            (
                json!({"items": [{"type": "null"}]}),
                json!({"prefixItems": [{"type": "null"}]}),
            ),
            (
                json!({"items": [true], "additionalItems": {"type": "null"}}),
                json!({"prefixItems": [{}], "items": {"type": "null"}}),
            ),
            (
                json!({"items": {}, "additionalItems": false}),
                json!({"items": {}}),
            ),
            (
                json!({"minimum": 1, "exclusiveMinimum": true, "exclusiveMaximum": false}),
                json!({"minimum": 1, "exclusiveMinimum": 1}),
            ),
            (
                json!({"exclusiveMinimum": 0}),
                json!({"exclusiveMinimum": 0}),
            ),
            (
                json!({"dependencies": {"a": ["b"], "c": {"required": ["d"]}, "e": 1}}),
                json!({
                    "dependentRequired": {"a": ["b"]},
                    "dependentSchemas": {"c": {"required": ["d"]}},
                }),
            ),
            (
                json!({"$schema": "http://json-schema.org/draft-07/schema#", "$id": "x"}),
                json!({}),
            ),
            (json!(true), json!({})),
            (
                json!({"type": "array"}),
                json!({"type": "array", "items": {}}),
            ),
            (
                json!({"properties": {"a": false}}),
                json!({"properties": {"a": {"not": {}}}}),
            ),
            (
                json!({"additionalProperties": false}),
                json!({"additionalProperties": false}),
            ),
        ] {
            assert_eq!(translate(&schema).0, expected, "{schema}");
        }
    }

    #[test]
    fn keywords_with_wrong_values_are_left_out() {
        for (keyword, value) in [
            ("type", json!("float")),
            ("type", json!(["string", "string"])),
            ("type", json!([])),
            ("required", json!(true)),
            ("required", json!(["a", "a"])),
            ("enum", json!("a")),
            ("minimum", json!("1")),
            ("multipleOf", json!(0)),
            ("minLength", json!(-1)),
            ("maxItems", json!(1.5)),
            ("uniqueItems", json!("yes")),
            ("title", json!(null)),
            ("anyOf", json!([])),
            ("properties", json!([])),
            ("items", json!(1)),
            ("additionalProperties", json!("no")),
            ("discriminator", json!("kind")),
            ("$ref", json!("#/properties/a")),
            ("$ref", json!("other.json")),
            ("$ref", json!("#/$defs/Loop")),
            ("pattern", json!("[unclosed")),
        ] {
            let loops =
                json!({"Loop": {"$ref": "#/$defs/Other"}, "Other": {"$ref": "#/$defs/Loop"}});
            let schema = json!({keyword: value, "uiSchema": {"ui:widget": "x"}, "$defs": loops});
            let expected = json!({"uiSchema": {"ui:widget": "x"}});
            assert_eq!(translate(&schema).0, expected, "{schema}");
        }
    }

    #[test]
    fn values_in_schemas_stay_as_they_are() {
        let schema = json!({
            "const": {"$ref": "#/$defs/A"},
            "default": {"items": [1]},
            "enum": [{"$id": 1}],
            "examples": [{"definitions": {}}],
        });
        assert_eq!(translate(&schema).0, schema);
    }

    #[test]
    fn definitions_become_components() {
        let (schema, components) = translate(&json!({
            "$defs": {
                "Grid<{T}>": {"title": "Grid of T", "properties": {"next": {"$ref": "#/$defs/Grid%3C%7BT%7D%3E"}}},
                "unused": {},
            },
            "oneOf": [{"$ref": "#/$defs/Grid%3C%7BT%7D%3E", "description": "A grid."}],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {"grid": "#/$defs/Grid<{T}>", "lost": "#/$defs/Lost"},
            },
        }));
        let reference = "#/components/schemas/Grid_T";
        assert_eq!(
            schema,
            json!({
                "oneOf": [{"$ref": reference, "description": "A grid."}],
                "discriminator": {"propertyName": "kind", "mapping": {"grid": reference}},
            })
        );
        assert_eq!(
            components,
            json!({"Grid_T": {"title": "Grid_T", "properties": {"next": {"$ref": reference}}}})
        );
    }

    #[test]
    fn a_second_name_of_a_definition_is_no_component() {
        let (schema, components) = translate(&json!({
            "$defs": {
                "Position": {"$ref": "#/$defs/Place", "title": "Position"},
                "Place": {"type": "object"},
            },
            "$ref": "#/$defs/Position",
        }));
        assert_eq!(schema, json!({"$ref": "#/components/schemas/Place"}));
        assert_eq!(components, json!({"Place": {"type": "object"}}));
    }

    #[test]
    fn the_number_of_schemas_has_a_limit() {
        let many: Vec<Value> = (0..=MAX_SCHEMAS).map(|_| json!({"type": "null"})).collect();
        let (schema, _) = translate(&json!({"anyOf": many}));
        let variants = schema["anyOf"].as_array().unwrap();
        let described = variants
            .iter()
            .filter(|variant| variant.get("type").is_some());
        assert_eq!(described.count(), MAX_SCHEMAS - 1);
    }
}
