//! Checks that the values that the schema of a type accepts can be read as this type.
//!
//! Serde reads the content of tagged and untagged enums, and of flattened fields, as JSON before it
//! knows the type. Some types can never be read this way. A module with one of these types would
//! start and then reject every call. Therefore the module makes examples of the known cases from
//! the schema, and reads them before it starts.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::descriptor::TypeDescriptor;
use super::schema::of_reader;
use crate::read::keywords::{definition, list};
use crate::read::{Finding, SchemaOfValue, Source, is_integer_key, is_tagged};

/// The maximum depth of the search for risks.
const MAX_DEPTH: usize = 24;
/// The maximum number of examples of one type.
const MAX_EXAMPLES: usize = 500;
/// The maximum number of schemas to search for the examples of one type.
const MAX_STEPS: usize = 10_000;
/// Sample keys. Every type that can be a key reads at least one of them.
const KEYS: &[&str] = &["a", "1", "true"];
/// The sample keys for schemas with integer keys.
const INTEGER_KEYS: &[&str] = &["1"];

/// The part of an example that serde may not be able to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Risk {
    /// An integer of 128 bits.
    Wide,
    /// A key that is not a string. The values of the map do not have a type that accepts only some
    /// strings.
    Key {
        keys: &'static [&'static str],
        has_plain_values: bool,
    },
    /// An object that forbids other properties and has a flattened part.
    Closed,
    /// A field with a second name that is not in the schema.
    Alias,
}

/// Values that differ only in the part at risk. The type can be read if one of them can.
struct Example {
    risk: Risk,
    /// The value with each sample key, or the only value.
    values: Vec<Value>,
    /// The value without the part at risk, if it can exist.
    without: Option<Value>,
    /// The other keys of the object at risk.
    names: Vec<String>,
}

/// Checks that values of a type can be read, by reading examples.
///
/// # Errors
/// Returns the reason why some values can never be read.
pub(super) fn check(ty: &TypeDescriptor) -> Result<(), String> {
    let (document, schema) = of_reader(ty.schema);
    let inspect = |example: &Value| {
        (ty.inspect)(Source {
            json: &example.to_string(),
            document: &document,
            schema: SchemaOfValue::Given(&schema),
        })
    };
    for example in Examples::of_type(&document, &schema) {
        let findings: Vec<Finding> = example.values.iter().map(inspect).collect();
        let without = example.without.as_ref().map(inspect);
        let reason = example.risk.reason(&findings, without, &example.names);
        if let Some(reason) = reason {
            let name = findings.first().map_or("", |finding| finding.type_name);
            return Err(format!(
                "some values of `{name}` can never be read: {reason}"
            ));
        }
    }
    Ok(())
}

impl Risk {
    /// Returns why values of the type cannot be read. `None` if an example can be read, or is
    /// rejected for another reason.
    fn reason(
        self,
        findings: &[Finding],
        without: Option<Finding>,
        names: &[String],
    ) -> Option<String> {
        if self == Self::Alias {
            return findings.iter().find_map(alias);
        }
        let problems = findings
            .iter()
            .map(|finding| Some(finding.problem.as_ref()?.message()));
        let problems: Vec<&str> = problems.collect::<Option<_>>()?;
        let first = problems.first()?;
        match self {
            Self::Wide => {
                let is_cut = findings.iter().any(|finding| finding.has_cut_wide);
                is_cut.then(|| {
                    "it has an integer of 128 bits in a tagged or untagged enum, or in a flattened \
                     field, where serde reads at most 64 bits; use i64, u64 or String instead"
                        .to_owned()
                })
            }
            Self::Key {
                keys,
                has_plain_values,
            } => {
                let names_keys = problems.iter().zip(keys).all(|(problem, &key)| {
                    let mut keys = names.iter().map(String::as_str).chain([key]);
                    keys.any(|key| problem.starts_with(&format!("invalid type: string {key:?}")))
                });
                // For an untagged enum, serde does not give a reason. The keys are the reason if
                // the value can be read without them.
                let is_untagged = has_plain_values
                    && problems
                        .iter()
                        .all(|problem| problem.starts_with("data did not match"))
                    && without.is_some_and(|finding| finding.problem.is_none());
                let expected = match first.rsplit_once("expected ") {
                    Some((_, expected)) if names_keys => format!(" (expected {expected})"),
                    _ => String::new(),
                };
                (names_keys || is_untagged).then(|| {
                    format!(
                        "it has a map whose keys cannot be read from strings, the only keys in \
                         JSON{expected}; use String or integers as keys, or a list of pairs"
                    )
                })
            }
            Self::Alias => None,
            Self::Closed => first.starts_with("unknown field").then(|| {
                "serde's deny_unknown_fields rejects the fields that are flattened into the same \
                 struct; remove one of the two"
                    .to_owned()
            }),
        }
    }
}

/// Returns the message for a type whose field has a second name.
fn alias(finding: &Finding) -> Option<String> {
    let (alias, duplicate) = finding.alias.as_ref()?;
    let field = duplicate.trim_start_matches("duplicate field ");
    Some(format!(
        "its field {field} has the alias `{alias}`, which is not in the schema, so no constraint \
         would apply to it; remove serde's alias"
    ))
}

impl Example {
    /// Returns the same example inside another value.
    fn inside(self, around: impl Fn(Value) -> Value) -> Self {
        Self {
            risk: self.risk,
            values: self.values.into_iter().map(&around).collect(),
            without: self.without.map(around),
            names: self.names,
        }
    }
}

/// Makes examples of the schemas in a document.
struct Examples<'s> {
    document: &'s Value,
    /// The number of schemas that may still be searched.
    steps: Cell<usize>,
    /// The definitions that already have examples, each with the kind of union around it. Serde
    /// reads a definition in the same way in all unions of one kind.
    known: RefCell<HashSet<(&'s str, Around)>>,
}

/// The kind of union around a value. Serde keeps the content of a union as JSON until it knows the
/// type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Around {
    Nothing,
    Tagged,
    Untagged,
}

impl<'s> Examples<'s> {
    /// Returns the examples of a type with this schema.
    fn of_type(document: &'s Value, schema: &'s Value) -> Vec<Example> {
        let mut examples = Vec::new();
        let maker = Self {
            document,
            steps: Cell::new(MAX_STEPS),
            known: RefCell::default(),
        };
        maker.collect(schema, Around::Nothing, MAX_DEPTH, &mut examples);
        examples
    }

    /// Collects an example of each risk in a schema.
    fn collect(
        &self,
        schema: &'s Value,
        around: Around,
        depth: usize,
        examples: &mut Vec<Example>,
    ) {
        let (Some(schema), Some(depth)) = (schema.as_object(), depth.checked_sub(1)) else {
            return;
        };
        let name = schema.get("$ref").and_then(Value::as_str);
        if name.is_some_and(|name| !self.known.borrow_mut().insert((name, around))) {
            return;
        }
        for parts in self.parts(schema, depth) {
            let Some(base) = shallowest(depth, |depth| self.of_parts(&parts, depth)) else {
                continue;
            };
            self.collect_own(&parts, &base, depth, examples);
            let unions = parts.iter().map(|part| union_of(part));
            let around = unions.fold(around, Around::max);
            for part in parts {
                for (name, property) in object(part, "properties") {
                    self.embed(property, around, depth, examples, |value| {
                        with(&base, name, value)
                    });
                }
                for (pattern, values) in object(part, "patternProperties") {
                    let key = INTEGER_KEYS[0];
                    if is_integer_key(pattern, key) {
                        self.embed(values, around, depth, examples, |value| {
                            with(&base, key, value)
                        });
                    }
                }
                if let Some(values) = part.get("additionalProperties") {
                    self.embed(values, around, depth, examples, |value| {
                        with(&base, KEYS[0], value)
                    });
                }
                match part.get("items") {
                    Some(Value::Array(items)) => {
                        for (index, item) in items.iter().enumerate() {
                            self.embed(item, around, depth, examples, |value| {
                                replaced(&base, index, value)
                            });
                        }
                    }
                    Some(item) => {
                        let count = base.as_array().map_or(1, |items| items.len().max(1));
                        self.embed(item, around, depth, examples, |value| {
                            json!(vec![value; count])
                        });
                    }
                    None => {}
                }
            }
        }
    }

    /// Collects the risks in a part of a value.
    fn embed(
        &self,
        schema: &'s Value,
        around: Around,
        depth: usize,
        examples: &mut Vec<Example>,
        whole: impl Fn(Value) -> Value,
    ) {
        if examples.len() < MAX_EXAMPLES {
            let mut inner = Vec::new();
            self.collect(schema, around, depth, &mut inner);
            examples.extend(inner.into_iter().map(|example| example.inside(&whole)));
        }
    }

    /// Collects the risks of a value itself.
    fn collect_own(
        &self,
        parts: &[&'s Map<String, Value>],
        base: &Value,
        depth: usize,
        examples: &mut Vec<Example>,
    ) {
        let names: Vec<String> = base
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect();
        let mut add = |risk, values, without| {
            if examples.len() < MAX_EXAMPLES {
                examples.push(Example {
                    risk,
                    values,
                    without,
                    names: names.clone(),
                });
            }
        };
        for part in parts {
            let format = part.get("format").and_then(Value::as_str);
            if matches!(format, Some("int128" | "uint128")) {
                add(Risk::Wide, vec![base.clone()], None);
            }
            let others = part
                .get("additionalProperties")
                .map(|values| (KEYS, values));
            let integers = object(part, "patternProperties")
                .filter(|(pattern, _)| is_integer_key(pattern, INTEGER_KEYS[0]))
                .map(|(_, values)| (INTEGER_KEYS, values));
            for (keys, values) in others.into_iter().chain(integers) {
                if !values.is_object() {
                    continue;
                }
                if let Some(value) = shallowest(depth, |depth| self.of(values, depth)) {
                    let risk = Risk::Key {
                        keys,
                        has_plain_values: is_plain(values),
                    };
                    let with_keys = keys.iter().map(|key| with(base, key, value.clone()));
                    add(risk, with_keys.collect(), Some(base.clone()));
                }
            }
            if part.contains_key("properties") {
                let mut whole = base.clone();
                for (name, property) in object(part, "properties") {
                    if let Some(value) = shallowest(depth, |depth| self.of(property, depth)) {
                        whole = with(&whole, name, value);
                    }
                }
                add(Risk::Alias, vec![whole], None);
            }
            if part.get("unevaluatedProperties") == Some(&Value::Bool(false)) {
                add(Risk::Closed, vec![base.clone()], None);
            }
        }
    }

    /// Returns the schemas that apply to a value together, as one list for each variant.
    fn parts(
        &self,
        schema: &'s Map<String, Value>,
        depth: usize,
    ) -> Vec<Vec<&'s Map<String, Value>>> {
        let mut choices = vec![vec![schema]];
        let (Some(steps), Some(depth)) = (self.steps.get().checked_sub(1), depth.checked_sub(1))
        else {
            return Vec::new();
        };
        self.steps.set(steps);
        let mut join = |variants: Vec<Vec<&'s Map<String, Value>>>| {
            let joined = choices.iter().flat_map(|choice| {
                let with = |variant: &Vec<_>| [choice.as_slice(), variant].concat();
                variants.iter().map(with)
            });
            choices = joined.take(MAX_EXAMPLES).collect();
        };
        let reference = schema.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|reference| definition(self.document, reference));
        for part in target.into_iter().chain(list(schema, "allOf")) {
            if let Some(part) = part.as_object() {
                join(self.parts(part, depth));
            }
        }
        for union in ["anyOf", "oneOf"] {
            let variants = list(schema, union).iter().filter_map(Value::as_object);
            let variants: Vec<_> = variants.flat_map(|it| self.parts(it, depth)).collect();
            if !variants.is_empty() {
                join(variants);
            }
        }
        choices
    }

    /// Returns a small value of a schema; `None` if there is none within the depth.
    fn of(&self, schema: &'s Value, depth: usize) -> Option<Value> {
        let Some(schema) = schema.as_object() else {
            return Some(Value::Null);
        };
        let depth = depth.checked_sub(1)?;
        let choices = self.parts(schema, depth);
        choices
            .iter()
            .find_map(|choice| self.of_parts(choice, depth))
    }

    /// Returns a small value to which all these schemas apply.
    fn of_parts(&self, parts: &[&'s Map<String, Value>], depth: usize) -> Option<Value> {
        let keyword = |name: &str| parts.iter().find_map(|part| part.get(name));
        if let Some(value) = keyword("const") {
            return Some(value.clone());
        }
        if let Some(value) = keyword("enum").and_then(|values| values.get(0)) {
            return Some(value.clone());
        }
        let kind = keyword("type").map(|kind| match kind {
            Value::Array(kinds) => kinds.first().unwrap_or(kind),
            kind => kind,
        });
        let number = |name: &str| keyword(name).and_then(Value::as_number);
        Some(match kind.and_then(Value::as_str) {
            Some("boolean") => false.into(),
            Some("string") => text(parts).into(),
            Some("integer" | "number") => match (number("minimum"), number("exclusiveMinimum")) {
                (Some(least), _) => Value::Number(least.clone()),
                (None, Some(below)) => (below.as_f64()? + 1.0).into(),
                (None, None) => 0.into(),
            },
            Some("array") => {
                let count = number("minItems")
                    .and_then(serde_json::Number::as_u64)
                    .unwrap_or(0);
                match keyword("items") {
                    Some(Value::Array(items)) => {
                        let items = items.iter().map(|item| self.of(item, depth));
                        items.collect::<Option<Vec<_>>>()?.into()
                    }
                    Some(item) if count > 0 => {
                        let count = usize::try_from(count)
                            .ok()
                            .filter(|it| *it <= MAX_EXAMPLES)?;
                        json!(vec![self.of(item, depth)?; count])
                    }
                    _ => json!([]),
                }
            }
            Some("object") => {
                let mut fields = Map::new();
                for part in parts {
                    for name in list(part, "required").iter().filter_map(Value::as_str) {
                        let mut schemas = parts.iter();
                        let property =
                            schemas.find_map(|part| part.get("properties")?.get(name))?;
                        fields.insert(name.to_owned(), self.of(property, depth)?);
                    }
                }
                Value::Object(fields)
            }
            _ => Value::Null,
        })
    }
}

/// Makes the value with the least possible depth, because deep values of recursive types take long.
fn shallowest(depth: usize, make: impl Fn(usize) -> Option<Value>) -> Option<Value> {
    (0..=depth).find_map(make)
}

/// Returns a string of the format.
fn text(parts: &[&Map<String, Value>]) -> String {
    let format = parts.iter().find_map(|part| part.get("format")?.as_str());
    match format {
        Some("date-time") => "2026-01-01T00:00:00Z".to_owned(),
        Some("date") => "2026-01-01".to_owned(),
        Some("uuid") => "00000000-0000-0000-0000-000000000000".to_owned(),
        Some("uri") => "https://example.org/".to_owned(),
        _ => {
            let least = parts
                .iter()
                .find_map(|part| part.get("minLength")?.as_u64());
            let least = usize::try_from(least.unwrap_or(0)).unwrap_or(MAX_EXAMPLES);
            "a".repeat(least.min(MAX_EXAMPLES))
        }
    }
}

/// Returns the kind of union of a schema.
fn union_of(schema: &Map<String, Value>) -> Around {
    let variants = ["anyOf", "oneOf"]
        .into_iter()
        .flat_map(|union| list(schema, union));
    let is_null = |variant: &&Value| variant.get("type").is_some_and(|it| it == "null");
    let variants: Vec<_> = variants.filter(|variant| !is_null(variant)).collect();
    match variants.len() {
        0 | 1 => Around::Nothing,
        _ if variants.into_iter().all(is_tagged) => Around::Tagged,
        _ => Around::Untagged,
    }
}

/// Returns whether every value of the JSON type is also a value of the Rust type, as far as the
/// schema shows.
fn is_plain(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    match kind {
        Some("integer" | "number" | "boolean") => true,
        Some("string") => schema
            .get("format")
            .or_else(|| schema.get("pattern"))
            .is_none(),
        _ => false,
    }
}

/// Returns the object with one more property.
fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    fields.insert(name.to_owned(), value);
    Value::Object(fields)
}

/// Returns the list with another item at this index.
fn replaced(list: &Value, index: usize, value: Value) -> Value {
    let mut items = list.as_array().cloned().unwrap_or_default();
    if let Some(item) = items.get_mut(index) {
        *item = value;
    }
    Value::Array(items)
}

fn object<'s>(
    schema: &'s Map<String, Value>,
    keyword: &str,
) -> impl Iterator<Item = (&'s String, &'s Value)> {
    let object = schema.get(keyword).and_then(Value::as_object);
    object.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;
    use crate::module::schema_of;

    #[derive(JsonSchema)]
    #[serde(tag = "kind")]
    #[allow(dead_code)] // only its schema matters
    enum Tree {
        Leaf {
            place: Place,
            wide: u128,
        },
        Pair {
            left: Box<Tree>,
            right: Box<Tree>,
        },
        Many {
            trees: Vec<Tree>,
            place: Place,
            other: Option<Place>,
        },
        Map {
            trees: std::collections::BTreeMap<String, Tree>,
            place: Place,
        },
    }

    #[derive(JsonSchema)]
    #[allow(dead_code)] // only its schema matters
    struct Place {
        x: f64,
        y: f64,
        near: Vec<Place>,
        names: std::collections::BTreeMap<String, u128>,
    }

    #[test]
    fn a_type_has_few_examples_however_its_parts_refer_to_each_other() {
        let (document, schema) = of_reader(schema_of::<Vec<Tree>>);
        let examples = Examples::of_type(&document, &schema);
        assert!(examples.len() < 60, "{}", examples.len());
        for risk in [Risk::Wide, Risk::Alias] {
            assert!(examples.iter().any(|example| example.risk == risk));
        }
    }
}
