//! Follows the schema of a type while reading a value of it.
//!
//! Serde first reads the content of a tagged or untagged enum, and of a flattened field, as plain
//! JSON. Only afterwards does it know the type, when `2.0` is already a float and the key `"1"` a
//! string. The schema provides the type earlier.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::keywords::{definition, list};

/// The maximum number of schemas that apply to one value through references and compositions.
const MAX_DEPTH: usize = 64;
/// The maximum number of steps for choosing variants and looking ahead, for one argument. After
/// these, the reader follows the type alone.
const MAX_STEPS: usize = 1_000_000;
/// The number of bytes that count as one step when the reader looks ahead.
const BYTES_PER_STEP: usize = 256;

/// A document with schemas that refer to each other.
struct Document<'s> {
    root: &'s Value,
    /// The number of steps left.
    steps: Cell<usize>,
    /// Whether an integer of 128 bits was read as one of 64.
    has_cut_wide: Cell<bool>,
    /// The state of a trial of names.
    probe: RefCell<Probe>,
}

/// The names of fields that a struct reads but its schema does not have.
#[derive(Debug, Clone, Default)]
pub(super) struct Probe {
    /// The names that were found.
    pub(super) met: BTreeSet<FieldName>,
    /// The name that is added at the end of an object. The error of serde then names the field that
    /// has this second name.
    pub(super) tried: Option<FieldName>,
}

/// The name of a struct, and the name of a field.
pub(super) type FieldName = (&'static str, &'static str);

/// The schemas for the current place in the value, if there are any.
#[derive(Clone, Default)]
pub(super) struct Guide<'s>(Option<Rc<Place<'s>>>);

struct Place<'s> {
    document: Rc<Document<'s>>,
    /// All schemas that apply here, including the chosen variants of unions.
    schemas: Vec<&'s Map<String, Value>>,
    value: &'s Value,
    union: Union,
}

/// How serde finds the type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Union {
    /// Serde knows the type here.
    None,
    /// A tag or a key of the object gives serde the type of the object and of its content.
    Tagged,
    /// Serde tries all types on the whole content.
    Untagged,
}

impl<'s> Guide<'s> {
    /// Returns a guide for a value with a schema inside a document.
    pub(super) fn new(root: &'s Value, schema: &'s Value, value: &'s Value) -> Self {
        let document = Rc::new(Document {
            root,
            steps: Cell::new(MAX_STEPS),
            has_cut_wide: Cell::new(false),
            probe: RefCell::default(),
        });
        Self::enter(&document, Union::None, [schema], value)
    }

    fn enter(
        document: &Rc<Document<'s>>,
        outside: Union,
        schemas: impl IntoIterator<Item = &'s Value>,
        value: &'s Value,
    ) -> Self {
        let mut place = Place {
            document: Rc::clone(document),
            schemas: Vec::new(),
            value,
            union: match outside {
                Union::Untagged => Union::Untagged,
                Union::None | Union::Tagged => Union::None,
            },
        };
        for schema in schemas {
            place.collect(schema, MAX_DEPTH);
        }
        Self(Some(Rc::new(place)))
    }

    /// Returns the guide for a property of this object.
    pub(super) fn property(&self, key: &str) -> Self {
        let Some(place) = &self.0 else {
            return Self::default();
        };
        let Some(value) = place.value.get(key) else {
            return Self::default();
        };
        let schemas = place
            .schemas
            .iter()
            .filter_map(|schema| property(schema, key));
        Self::enter(&place.document, place.union, schemas, value)
    }

    /// Returns the guide for an item of this list.
    pub(super) fn item(&self, index: usize) -> Self {
        let Some(place) = &self.0 else {
            return Self::default();
        };
        let Some(value) = place.value.get(index) else {
            return Self::default();
        };
        let schemas = place
            .schemas
            .iter()
            .filter_map(|schema| item(schema, index));
        Self::enter(&place.document, place.union, schemas, value)
    }

    /// Returns whether there is a schema to follow.
    pub(super) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether the value is an object whose entries may be read ahead.
    pub(super) fn is_object(&self) -> bool {
        let mut places = self.0.iter();
        places.any(|place| place.value.is_object() && place.document.steps.get() > 0)
    }

    /// Counts the steps for reading this many bytes ahead.
    pub(super) fn spend(&self, bytes: usize) {
        if let Some(place) = &self.0 {
            let steps = &place.document.steps;
            steps.set(steps.get().saturating_sub(bytes / BYTES_PER_STEP));
        }
    }

    /// Returns whether the value is a number that must be an integer.
    pub(super) fn is_integer(&self) -> bool {
        let is_number = self.0.as_ref().is_some_and(|place| place.value.is_number());
        let is_integer = |kind: &Value| match kind {
            Value::Array(kinds) => {
                let has = |name: &str| kinds.iter().any(|kind| kind == name);
                has("integer") && !has("number")
            }
            kind => kind == "integer",
        };
        is_number
            && self
                .schemas()
                .any(|schema| schema.get("type").is_some_and(is_integer))
    }

    /// Records that serde reads an integer of at most 64 bits here, although the schema may allow
    /// 128 bits.
    pub(super) fn note_cut(&self) {
        let is_wide = self.schemas().any(|schema| {
            let format = schema.get("format").and_then(Value::as_str);
            matches!(format, Some("int128" | "uint128"))
        });
        if let (true, Some(place)) = (is_wide, &self.0) {
            place.document.has_cut_wide.set(true);
        }
    }

    /// Returns whether [`note_cut`](Self::note_cut) found an integer of 128 bits anywhere.
    pub(super) fn has_cut_wide(&self) -> bool {
        let mut places = self.0.iter();
        places.any(|place| place.document.has_cut_wide.get())
    }

    /// Begins the trial of a name, and returns the previous state.
    pub(super) fn probe(&self, tried: Option<FieldName>) -> Probe {
        let probe = Probe {
            met: BTreeSet::new(),
            tried,
        };
        let document = self.0.as_ref().map(|place| &place.document);
        document.map_or_else(Probe::default, |document| document.probe.replace(probe))
    }

    /// Records the fields of a struct that serde reads here. Returns the name of a field to add at
    /// the end, if there is one.
    pub(super) fn note_fields(
        &self,
        name: &'static str,
        fields: &'static [&'static str],
    ) -> Option<&'static str> {
        let place = self.0.as_ref()?;
        let mut probe = place.document.probe.borrow_mut();
        let is_known = |field: &str| {
            let mut schemas = place.schemas.iter();
            schemas.any(|schema| {
                schema
                    .get("properties")
                    .is_some_and(|it| it.get(field).is_some())
            })
        };
        let unknown = fields.iter().filter(|field| !is_known(field));
        probe.met.extend(unknown.map(|field| (name, *field)));
        let (_, field) = probe
            .tried
            .filter(|(of, field)| *of == name && fields.contains(field))?;
        Some(field)
    }

    /// Returns whether this key is an integer key of a map, not a field of a struct. Serde would
    /// take an integer for the index of a field.
    pub(super) fn has_integer_key(&self, key: &str) -> bool {
        if self
            .0
            .as_ref()
            .is_none_or(|place| place.union != Union::None)
        {
            return false;
        }
        let mut is_integer = false;
        for schema in self.schemas() {
            let keys = |keyword: &str| schema.get(keyword).and_then(Value::as_object);
            if keys("properties").is_some_and(|properties| properties.contains_key(key)) {
                return false;
            }
            is_integer |= keys("patternProperties").is_some_and(|patterns| {
                patterns.keys().any(|pattern| is_integer_key(pattern, key))
            });
        }
        is_integer
    }

    /// Returns the property by which serde finds the variant, if this object belongs to a tagged
    /// enum.
    pub(super) fn tag(&self) -> Option<&'s str> {
        self.schemas().find_map(|schema| {
            let properties = schema.get("properties")?.as_object()?;
            let mut tags = properties
                .iter()
                .filter(|(_, property)| property.get("const").is_some());
            match (tags.next(), tags.next()) {
                (Some((tag, _)), None) => Some(tag.as_str()),
                _ => None,
            }
        })
    }

    fn schemas(&self) -> impl Iterator<Item = &'s Map<String, Value>> {
        let schemas = self.0.iter().flat_map(|place| place.schemas.iter());
        schemas.copied()
    }
}

impl<'s> Place<'s> {
    /// Collects the schemas that apply to the value, directly and through references.
    fn collect(&mut self, schema: &'s Value, depth: usize) {
        let (Value::Object(schema), Some(depth)) = (schema, depth.checked_sub(1)) else {
            return;
        };
        self.schemas.push(schema);
        if let Some(target) = self.document.reference(schema) {
            self.collect(target, depth);
        }
        for part in list(schema, "allOf") {
            self.collect(part, depth);
        }
        for union in ["anyOf", "oneOf"] {
            let variants = list(schema, union);
            if let Some(variant) = self.document.choose(variants, self.value) {
                self.union = self.union.max(self.document.union(variants));
                self.collect(variant, depth);
            }
        }
    }
}

impl<'s> Document<'s> {
    /// Returns how serde finds the variant.
    fn union(&self, variants: &'s [Value]) -> Union {
        let is_null = |variant: &&Value| variant.get("type").is_some_and(|it| it == "null");
        let mut variants = variants
            .iter()
            .filter(|variant| !is_null(variant))
            .peekable();
        let first = variants.next();
        if variants.peek().is_none() {
            return Union::None; // an optional value
        }
        let is_tagged = |variant: &'s Value| {
            let target = variant
                .as_object()
                .and_then(|variant| self.reference(variant));
            is_tagged(variant) || target.is_some_and(is_tagged)
        };
        if first.into_iter().chain(variants).all(is_tagged) {
            Union::Tagged
        } else {
            Union::Untagged
        }
    }

    /// Returns the variant of a value: the first one that matches the value unchanged, otherwise
    /// the first one that matches it with whole floats as integers.
    fn choose(&self, variants: &'s [Value], value: &Value) -> Option<&'s Value> {
        let find = |is_lenient| {
            let mut variants = variants.iter();
            variants.find(|variant| self.fits(variant, value, is_lenient, MAX_DEPTH))
        };
        find(false).or_else(|| find(true))
    }

    fn reference(&self, schema: &Map<String, Value>) -> Option<&'s Value> {
        definition(self.root, schema.get("$ref")?.as_str()?)
    }

    /// Returns whether a value has the form that a schema describes. The value has already been
    /// checked against the whole schema, so its form is enough to distinguish the variants of a
    /// union.
    fn fits(&self, schema: &'s Value, value: &Value, is_lenient: bool, depth: usize) -> bool {
        let schema = match schema {
            Value::Object(schema) => schema,
            schema => return *schema != Value::Bool(false),
        };
        let Some(depth) = depth.checked_sub(1) else {
            return true; // values this deep do not distinguish variants
        };
        let Some(steps) = self.steps.get().checked_sub(1) else {
            return false;
        };
        self.steps.set(steps);
        let fits = |schema: &'s Value, value: &Value| self.fits(schema, value, is_lenient, depth);
        let is_of = |name: &Value| match (name.as_str(), value) {
            (Some("null"), Value::Null)
            | (Some("boolean"), Value::Bool(_))
            | (Some("number"), Value::Number(_))
            | (Some("string"), Value::String(_))
            | (Some("array"), Value::Array(_))
            | (Some("object"), Value::Object(_)) => true,
            (Some("integer"), Value::Number(number)) => {
                !number.is_f64()
                    || (is_lenient && number.as_f64().is_some_and(|it| it.fract() == 0.0))
            }
            _ => false,
        };
        let of_type = match schema.get("type") {
            Some(Value::Array(names)) => names.iter().any(is_of),
            Some(name) => is_of(name),
            None => true,
        };
        let of_values = schema.get("const").is_none_or(|only| only == value)
            && (schema.get("enum").and_then(Value::as_array))
                .is_none_or(|values| values.contains(value));
        of_type
            && of_values
            && self
                .reference(schema)
                .is_none_or(|target| fits(target, value))
            && list(schema, "allOf").iter().all(|part| fits(part, value))
            && ["anyOf", "oneOf"].into_iter().all(|union| {
                let variants = list(schema, union);
                variants.is_empty() || variants.iter().any(|variant| fits(variant, value))
            })
            && match value {
                Value::Object(fields) => {
                    let required = list(schema, "required").iter().filter_map(Value::as_str);
                    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
                    // Check the properties that distinguish the variants first, before the contents
                    // of the others.
                    let (tags, others): (Vec<_>, Vec<_>) = fields
                        .iter()
                        .map(|(key, value)| (property(schema, key), value))
                        .partition(|(schema, _)| schema.is_some_and(is_tag));
                    required.into_iter().all(|name| fields.contains_key(name))
                        && tags
                            .into_iter()
                            .chain(others)
                            .all(|(schema, value)| match schema {
                                Some(schema) => fits(schema, value),
                                None => !is_closed,
                            })
                }
                Value::Array(items) => items.iter().enumerate().all(|(index, value)| {
                    item(schema, index).is_none_or(|schema| fits(schema, value))
                }),
                _ => true,
            }
    }
}

/// Returns whether a property has fixed values.
fn is_tag(property: &Value) -> bool {
    property
        .get("const")
        .or_else(|| property.get("enum"))
        .is_some()
}

/// Returns whether a variant has a value, a key, or a property with a value that no other variant
/// has.
pub(crate) fn is_tagged(variant: &Value) -> bool {
    let properties = variant.get("properties").and_then(Value::as_object);
    let mut properties = properties.into_iter().flatten();
    let is_closed = variant.get("additionalProperties") == Some(&Value::Bool(false));
    let required = variant.get("required").and_then(Value::as_array);
    (is_closed && required.is_some_and(|required| required.len() == 1))
        || variant.get("const").is_some()
        || variant.get("enum").is_some()
        || properties.any(|(_, property)| property.get("const").is_some())
}

/// Returns the schema of a property in the schema of an object; `None` if there is none or the
/// property is forbidden.
fn property<'s>(schema: &'s Map<String, Value>, key: &str) -> Option<&'s Value> {
    let others = schema.get("unevaluatedProperties");
    let others = others.filter(|others| others.is_object());
    evaluated_property(schema, key).or(others)
}

/// Does the same without `unevaluatedProperties`, which describes only the properties that no other
/// part of the schema describes.
pub(crate) fn evaluated_property<'s>(
    schema: &'s Map<String, Value>,
    key: &str,
) -> Option<&'s Value> {
    let named = |keyword: &str| schema.get(keyword).and_then(Value::as_object);
    if let Some(property) = named("properties").and_then(|properties| properties.get(key)) {
        return Some(property);
    }
    let patterns = named("patternProperties");
    let mut patterns = patterns.into_iter().flatten();
    if let Some((_, property)) = patterns.find(|(pattern, _)| is_integer_key(pattern, key)) {
        return Some(property);
    }
    let others = schema.get("additionalProperties");
    others.filter(|others| others.is_object())
}

fn item(schema: &Map<String, Value>, index: usize) -> Option<&Value> {
    if let Some(first) = schema.get("prefixItems").and_then(|items| items.get(index)) {
        return Some(first);
    }
    match schema.get("items")? {
        Value::Array(items) => items.get(index),
        items => Some(items),
    }
}

/// Returns whether this is the pattern of `schemars` for maps with integer keys, and the key is an
/// integer.
pub(crate) fn is_integer_key(pattern: &str, key: &str) -> bool {
    let digits = match pattern {
        r"^\d+$" => key,
        r"^-?\d+$" => key.strip_prefix('-').unwrap_or(key),
        _ => return false,
    };
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}
