//! Reads JSON schemas as types.

use std::collections::{HashMap, HashSet, VecDeque};

use dasf_protocol::api_info::RESULT_TYPE;
use serde_json::{Map, Number, Value};

use super::definitions::{Fingerprints, Root, RootId, is_annotation};
use super::merge::{Budget, expand, merge};
use super::{presence, properties, read_field, text};
use crate::description::{
    Constraints, Declaration, Definition, Format, NetCdf, Openness, Presence, Schema, Type, TypeId,
    Variant, Width,
};
use crate::names::Names;

/// The maximum depth of nested schemas without a name. Nobody writes deeper schemas, and a compiler
/// does not overflow its stack on a type of this depth.
const MAX_DEPTH: usize = 32;

/// Reads schemas, and collects the named types.
#[derive(Debug, Default)]
pub(super) struct Schemas<'a> {
    types: Vec<Declaration>,
    names: Names,
    fingerprints: Fingerprints,
    /// The types by name and fingerprint.
    known: HashMap<(String, u64), TypeId>,
    /// The known targets of references.
    references: HashMap<(RootId, String), TypeId>,
    /// Whether fields are required in other schemas of the same type.
    elsewhere: Vec<(TypeId, String, Presence)>,
    /// Definitions to read. A queue avoids recursion, because they may refer to each other at any
    /// depth.
    waiting: VecDeque<(TypeId, Root<'a>, &'a Map<String, Value>)>,
    depth: usize,
    budget: Budget,
}

/// The content of a schema.
enum Shape {
    /// A type without a name.
    Type(Type),
    /// An object with known properties.
    Object(Definition),
}

impl<'a> Schemas<'a> {
    /// Reads the schema of one place. `context` is a unique description of the place.
    pub(super) fn read(&mut self, root: &Root<'a>, schema: &Value, context: &str) -> Schema {
        match schema {
            Value::Object(schema) => self.read_object(root, schema, context),
            Value::Bool(true) => Schema::of(Type::Any(Openness::Declared)),
            _ => Schema::of(inexpressible("the schema accepts no value")),
        }
    }

    /// Reads the schema of a result. Its title is the name of the function.
    pub(super) fn read_result(
        &mut self,
        root: &Root<'a>,
        schema: &Map<String, Value>,
        context: &str,
    ) -> Schema {
        let mut schema = schema.clone();
        let title = schema.shift_remove("title");
        let hint = schema.shift_remove(RESULT_TYPE);
        let is_named = |hint: &Value| hint != "DataArray" && hint != "Dataset";
        let members = schema.get("anyOf").and_then(Value::as_array);
        let mut members = members.into_iter().flatten().filter_map(Value::as_object);
        let may_be_netcdf = is_netcdf(&schema) || members.any(is_netcdf);
        if may_be_netcdf && !hint.as_ref().is_some_and(is_named) {
            // A module in Python can give the type only in the title.
            let name = hint.or(title).unwrap_or_default();
            schema.insert("title".to_owned(), name);
            return self.read_object(root, &schema, context);
        }
        match hint {
            Some(Value::String(hint)) if hint == "null" => Schema {
                documentation: text(&schema, "description"),
                ..Schema::of(Type::Null)
            },
            Some(Value::String(name)) => {
                let (id, is_new) = self.reserve(root, &schema, &name);
                if is_new {
                    self.define(id, root, &schema);
                }
                Schema {
                    documentation: text(&schema, "description"),
                    ..Schema::of(Type::Named(id))
                }
            }
            _ => self.read_object(root, &schema, context),
        }
    }

    /// Returns all named types.
    pub(super) fn finish(mut self) -> Vec<Declaration> {
        while let Some((id, root, schema)) = self.waiting.pop_front() {
            self.define(id, &root, schema);
        }
        for (id, name, presence) in self.elsewhere {
            if let Definition::Object { fields, .. } = &mut self.types[id.0].definition
                && let Some(field) = fields.iter_mut().find(|field| field.name == name)
            {
                field.presence = more_lenient(&field.presence, presence);
            }
        }
        end_circles(&mut self.types);
        self.types
    }

    /// Reads the definition of a named type.
    fn define(&mut self, id: TypeId, root: &Root<'a>, schema: &Map<String, Value>) {
        let name = self.types[id.0].name.clone();
        let definition = match self.shape(root, schema, &name) {
            Shape::Object(definition) => definition,
            Shape::Type(ty) => Definition::Alias(Schema {
                constraints: Box::new(constraints(schema, &ty)),
                ..Schema::of(ty)
            }),
        };
        self.types[id.0].documentation = text(schema, "description");
        self.types[id.0].documented_values = documented_values(schema);
        self.types[id.0].definition = definition;
    }

    fn read_object(
        &mut self,
        root: &Root<'a>,
        schema: &Map<String, Value>,
        context: &str,
    ) -> Schema {
        let ty = match self.shape(root, schema, context) {
            Shape::Type(ty) => ty,
            Shape::Object(definition) => {
                let title = text(schema, "title");
                // The title of a property is its own name by default.
                let is_of_place = context.to_lowercase().ends_with(&title.to_lowercase());
                let name = if is_of_place { context } else { &title };
                let (id, is_new) = self.reserve(root, schema, name);
                if is_new {
                    self.types[id.0].documentation = text(schema, "description");
                    self.types[id.0].definition = definition;
                }
                Type::Named(id)
            }
        };
        Schema {
            constraints: Box::new(constraints(schema, &ty)),
            ty,
            documentation: text(schema, "description"),
        }
    }

    /// Returns the type of this name with the structure of the schema, and whether it is new.
    fn reserve(
        &mut self,
        root: &Root<'a>,
        schema: &Map<String, Value>,
        name: &str,
    ) -> (TypeId, bool) {
        let key = (name.to_owned(), self.fingerprints.of(root, schema));
        if let Some(&id) = self.known.get(&key) {
            let fields = properties(schema);
            let fields =
                fields.map(|(name, value)| (id, name.clone(), presence(schema, name, value)));
            self.elsewhere.extend(fields);
            return (id, false);
        }
        let id = TypeId(self.types.len());
        self.types.push(Declaration {
            name: self.names.claim(name),
            documentation: String::new(),
            documented_values: Vec::new(),
            // The reader replaces this later.
            definition: Definition::Alias(Schema::of(Type::Any(Openness::Declared))),
        });
        self.known.insert(key, id);
        (id, true)
    }

    fn shape(&mut self, root: &Root<'a>, schema: &Map<String, Value>, context: &str) -> Shape {
        if self.depth >= MAX_DEPTH {
            return Shape::Type(inexpressible("the schema is nested too deeply"));
        }
        self.depth += 1;
        let shape = self.shape_within(root, schema, context);
        self.depth -= 1;
        shape
    }

    fn shape_within(
        &mut self,
        root: &Root<'a>,
        schema: &Map<String, Value>,
        context: &str,
    ) -> Shape {
        if let Some(reference) = sole_reference(schema) {
            return Shape::Type(self.reference(root, reference));
        }
        if schema.contains_key("$ref") || schema.contains_key("allOf") {
            return match expand(root, schema, &mut self.budget) {
                Ok(schema) => self.shape(root, &schema, context),
                Err(reason) => Shape::Type(Type::Any(Openness::Inexpressible(reason))),
            };
        }
        if let Some(value) = schema.get("const") {
            return Shape::Type(literal(std::slice::from_ref(value)));
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            return Shape::Type(literal(values));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(members)) = schema.get(keyword) {
                let mut base = schema.clone();
                base.shift_remove(keyword);
                return Shape::Type(self.union(root, &base, members, context));
            }
        }
        match schema.get("type") {
            Some(Value::String(name)) => self.of_type(root, schema, name, context),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str);
                let members: Vec<Value> = names
                    .map(|name| Value::Object(Map::from_iter([("type".to_owned(), name.into())])))
                    .collect();
                let mut base = schema.clone();
                base.shift_remove("type");
                Shape::Type(self.union(root, &base, &members, context))
            }
            _ if schema.contains_key("properties")
                || schema.contains_key("additionalProperties")
                || schema.contains_key("patternProperties") =>
            {
                self.object(root, schema, context)
            }
            _ if schema.contains_key("items") || schema.contains_key("prefixItems") => {
                Shape::Type(self.array(root, schema, context))
            }
            _ => Shape::Type(
                match ["not", "if"].iter().find(|key| schema.contains_key(**key)) {
                    Some(keyword) => inexpressible(&format!("the schema uses `{keyword}`")),
                    None => Type::Any(Openness::Declared),
                },
            ),
        }
    }

    fn reference(&mut self, root: &Root<'a>, reference: &str) -> Type {
        let key = (root.id(), reference.to_owned());
        if let Some(&id) = self.references.get(&key) {
            return Type::Named(id);
        }
        match root.resolve(reference) {
            None => inexpressible(&format!(
                "the reference `{reference}` has no target in the document"
            )),
            Some((name, Value::Object(definition))) => {
                let (id, is_new) = self.reserve(root, definition, &name);
                if is_new {
                    self.waiting.push_back((id, *root, definition));
                }
                self.references.insert(key, id);
                Type::Named(id)
            }
            Some((name, definition)) => self.read(root, definition, &name).ty,
        }
    }

    fn of_type(
        &mut self,
        root: &Root<'a>,
        schema: &Map<String, Value>,
        name: &str,
        context: &str,
    ) -> Shape {
        Shape::Type(match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "integer" => Type::Integer(width(&text(schema, "format"))),
            "number" => Type::Number,
            "string" => Type::Text(format(schema)),
            "array" => self.array(root, schema, context),
            "object" => return self.object(root, schema, context),
            other => inexpressible(&format!("`{other}` is not a type of JSON")),
        })
    }

    fn object(&mut self, root: &Root<'a>, schema: &Map<String, Value>, context: &str) -> Shape {
        let additional = schema.get("additionalProperties");
        let additional = additional.or_else(|| schema.get("unevaluatedProperties"));
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        let mut others: Vec<&Value> = patterns.into_iter().flat_map(Map::values).collect();
        let names = patterns.into_iter().flatten();
        let names = names.filter(|(_, schema)| **schema != false);
        let names = names.map(|(pattern, _)| pattern.clone());
        others.extend(additional);
        let fields = properties(schema);
        let fields: Vec<_> = fields
            .map(|(name, value)| read_field(self, root, schema, name, value, context))
            .collect();
        let rest = self.any_of(root, &others, &format!("{context} value"));
        if !fields.is_empty() || (rest.is_none() && !others.is_empty()) {
            return Shape::Object(Definition::Object {
                fields,
                rest_patterns: match additional {
                    None => names.collect(),
                    Some(_) => Vec::new(),
                },
                rest: rest.map(Box::new),
            });
        }
        let values = rest.unwrap_or_else(|| Schema::of(Type::Any(Openness::Declared)));
        Shape::Type(Type::Map(Box::new(values)))
    }

    /// Returns the type of a value that matches any of these schemas; `None` if no schema accepts a
    /// value.
    fn any_of(&mut self, root: &Root<'a>, schemas: &[&Value], context: &str) -> Option<Schema> {
        let mut schemas = schemas.iter().filter(|schema| ***schema != false);
        let first = self.read(root, schemas.next()?, context);
        let mut union = Union::default();
        let mut is_alone = true;
        let mut add = |schema: Schema| {
            let name = String::new();
            union.add(Variant { name, schema })
        };
        let mut added = add(first.clone());
        for schema in schemas {
            is_alone = false;
            added = added.and_then(|()| add(self.read(root, schema, context)));
        }
        match added {
            _ if is_alone => Some(first),
            Ok(()) => Some(Schema::of(union.into_type())),
            Err(open) => Some(Schema::of(Type::Any(open))),
        }
    }

    fn array(&mut self, root: &Root<'a>, schema: &Map<String, Value>, context: &str) -> Type {
        let items = schema.get("items");
        let first = schema
            .get("prefixItems")
            .or(items)
            .and_then(Value::as_array);
        if let Some(first) = first {
            let count = Some(first.len() as u64);
            let length = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
            let is_closed = items == Some(&Value::Bool(false))
                || schema.get("additionalItems") == Some(&Value::Bool(false));
            if length("minItems") != count || !(is_closed || length("maxItems") == count) {
                return inexpressible("only the first values of the list have their own types");
            }
            let items = first.iter().enumerate();
            let items =
                items.map(|(index, item)| self.read(root, item, &format!("{context} {index}")));
            return Type::Tuple(items.collect());
        }
        let item = match items {
            Some(items) => self.read(root, items, &format!("{context} item")),
            None => Schema::of(Type::Any(Openness::Declared)),
        };
        match schema.get("uniqueItems") {
            Some(Value::Bool(true)) => Type::Set(Box::new(item)),
            _ => Type::List(Box::new(item)),
        }
    }

    /// Returns a union of the members. The keywords in `base` apply to each of them.
    fn union(
        &mut self,
        root: &Root<'a>,
        base: &Map<String, Value>,
        members: &[Value],
        context: &str,
    ) -> Type {
        let structure: Map<String, Value> = base
            .iter()
            .filter(|(keyword, _)| !is_annotation(keyword) && !is_definitions(keyword))
            .map(|(keyword, value)| (keyword.clone(), value.clone()))
            .collect();
        let mut union = Union::default();
        for member in members {
            let mut merged = match member {
                Value::Object(member) if says_more(&structure, member) => {
                    let member = expand(root, member, &mut self.budget);
                    match member.and_then(|member| merge(structure.clone(), member)) {
                        Ok(merged) => Value::Object(merged),
                        Err(reason) => return Type::Any(Openness::Inexpressible(reason)),
                    }
                }
                _ => member.clone(),
            };
            if let Value::Object(member) = &mut merged
                && let Some(title) = base.get("title")
                && is_netcdf(member)
            {
                // The title of an optional value is beside the union.
                member.entry("title").or_insert_with(|| title.clone());
            }
            let name = variant_name(&merged);
            let context = format!("{context} {name}");
            let schema = self.read(root, &merged, context.trim_end());
            let name = match (&schema.ty, name) {
                (Type::Named(id), name) if name.is_empty() => self.types[id.0].name.clone(),
                (_, name) => name,
            };
            if let Err(open) = union.add(Variant { name, schema }) {
                return Type::Any(open);
            }
        }
        union.into_type()
    }
}

/// The members of a union, without nulls, nested unions and duplicates.
#[derive(Default)]
struct Union {
    is_nullable: bool,
    literals: Vec<Value>,
    /// The literals as JSON, for a fast search.
    known_literals: HashSet<String>,
    variants: Vec<Variant>,
}

impl Union {
    /// Adds a member.
    ///
    /// # Errors
    /// If the union with this member accepts any value.
    fn add(&mut self, variant: Variant) -> Result<(), Openness> {
        match variant.schema.ty {
            Type::Any(open) => return Err(open),
            Type::Null => self.is_nullable = true,
            Type::Nullable(inner) => {
                self.is_nullable = true;
                self.add(Variant {
                    schema: *inner,
                    name: variant.name,
                })?;
            }
            Type::Union(variants) => {
                for variant in variants {
                    self.add(variant)?;
                }
            }
            Type::Literal(values) => {
                // All literals are one variant, at the place of the first.
                if self.literals.is_empty() {
                    self.variants.push(Variant {
                        name: String::new(),
                        schema: Schema::of(Type::Literal(Vec::new())),
                    });
                }
                for value in values {
                    if self.known_literals.insert(value.to_string()) {
                        self.literals.push(value);
                    }
                }
            }
            _ => {
                let is_known = |known: &Variant| {
                    known.schema.ty == variant.schema.ty
                        && known.schema.constraints == variant.schema.constraints
                };
                if !self.variants.iter().any(is_known) {
                    self.variants.push(variant);
                }
            }
        }
        Ok(())
    }

    fn into_type(mut self) -> Type {
        for variant in &mut self.variants {
            if let Type::Literal(values) = &mut variant.schema.ty {
                values.append(&mut self.literals);
            }
        }
        let schema = match (self.variants.len(), self.variants.pop()) {
            (1, Some(variant)) => variant.schema,
            (_, Some(last)) => {
                self.variants.push(last);
                Schema::of(Type::Union(self.variants))
            }
            (_, None) if self.is_nullable => return Type::Null,
            (_, None) => return inexpressible("the schema accepts no value"),
        };
        if self.is_nullable {
            return Type::Nullable(Box::new(schema));
        }
        schema.ty
    }
}

/// Returns the presence that is correct for both places of a type. A field may be required in a
/// result, and optional in an argument.
fn more_lenient(one: &Presence, other: Presence) -> Presence {
    match (one, &other) {
        (Presence::Required, _) | (Presence::Default(_), Presence::Optional) => other,
        _ => one.clone(),
    }
}

fn inexpressible(reason: &str) -> Type {
    Type::Any(Openness::Inexpressible(reason.to_owned()))
}

fn is_definitions(keyword: &str) -> bool {
    matches!(keyword, "$defs" | "definitions")
}

/// Returns the reference of a schema that consists only of it: a `$ref`, or the only part of an
/// `allOf`.
fn sole_reference(schema: &Map<String, Value>) -> Option<&str> {
    let mut structure = schema
        .iter()
        .filter(|(keyword, _)| !is_annotation(keyword) && !is_definitions(keyword));
    let (Some((keyword, value)), None) = (structure.next(), structure.next()) else {
        return None;
    };
    match (keyword.as_str(), value) {
        ("$ref", Value::String(reference)) => Some(reference),
        ("allOf", Value::Array(parts)) => match parts.as_slice() {
            [Value::Object(part)] => sole_reference(part),
            _ => None,
        },
        _ => None,
    }
}

/// Returns whether the keywords beside a union add a constraint to this member. A `type` alone adds
/// nothing to a member with a type: generators repeat it.
fn says_more(structure: &Map<String, Value>, member: &Map<String, Value>) -> bool {
    structure.iter().any(|(keyword, value)| {
        keyword != "type" || !(member.contains_key("$ref") || member.get("type") == Some(value))
    })
}

/// Returns the name of a union's member: its title, the value of its tag, or its only property.
fn variant_name(schema: &Value) -> String {
    let Value::Object(schema) = schema else {
        return String::new();
    };
    let title = text(schema, "title");
    if !title.is_empty() {
        return title;
    }
    let mut tags = properties(schema).filter_map(|(_, value)| match value.get("const") {
        Some(Value::String(tag)) => Some(tag.clone()),
        _ => None,
    });
    if let Some(tag) = tags.next() {
        return tag;
    }
    let mut names = properties(schema).map(|(name, _)| name.clone());
    match (names.next(), names.next()) {
        (Some(name), None) => name,
        _ => String::new(),
    }
}

/// Returns the values of an enum with their documentation: the first paragraph, on one line.
fn documented_values(schema: &Map<String, Value>) -> Vec<(Value, String)> {
    let members = ["oneOf", "anyOf"].into_iter();
    let members = members.filter_map(|keyword| schema.get(keyword)?.as_array());
    let documented = members.flatten().filter_map(|member| {
        let value = member.get("const")?;
        let text = member.get("description")?.as_str()?.trim();
        let lines = text.lines().map(str::trim);
        let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        (!lines.is_empty()).then(|| (value.clone(), lines.join(" ")))
    });
    documented.collect()
}

/// Returns the type for one of these values.
fn literal(values: &[Value]) -> Type {
    let mut union = Union::default();
    let mut literals = Vec::new();
    for value in values {
        match value {
            Value::Null => union.is_nullable = true,
            Value::Number(number) if number.is_f64() => {
                return if values.iter().all(Value::is_number) {
                    Type::Number
                } else {
                    inexpressible("some of the fixed values have a fraction")
                };
            }
            Value::Array(_) | Value::Object(_) => {
                return inexpressible("some of the fixed values are lists or objects");
            }
            value => literals.push(value.clone()),
        }
    }
    if !literals.is_empty() {
        let variant = Variant {
            name: String::new(),
            schema: Schema::of(Type::Literal(literals)),
        };
        if let Err(open) = union.add(variant) {
            return Type::Any(open);
        }
    }
    union.into_type()
}

fn width(format: &str) -> Option<Width> {
    Some(match format {
        "int8" => Width::I8,
        "int16" => Width::I16,
        "int32" => Width::I32,
        "int64" => Width::I64,
        "int128" => Width::I128,
        "int" => Width::Isize,
        "uint8" => Width::U8,
        "uint16" => Width::U16,
        "uint32" => Width::U32,
        "uint64" => Width::U64,
        "uint128" => Width::U128,
        "uint" => Width::Usize,
        _ => return None,
    })
}

fn format(schema: &Map<String, Value>) -> Format {
    let keyword = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
    if is_netcdf(schema) {
        match keyword("title") {
            Some("DataArray") => return Format::NetCdf(NetCdf::DataArray),
            _ => return Format::NetCdf(NetCdf::Dataset),
        }
    }
    match keyword("format") {
        Some("base64") => Format::Base64,
        _ if keyword("contentEncoding") == Some("base64") => Format::Base64,
        Some("date-time") => Format::DateTime,
        Some("date") => Format::Date,
        Some("time") => Format::Time,
        Some("duration") => Format::Duration,
        Some("uuid") => Format::Uuid,
        Some(other) => Format::Other(other.to_owned()),
        None => Format::Plain,
    }
}

/// Returns whether a string is a NetCDF file in base64.
fn is_netcdf(schema: &Map<String, Value>) -> bool {
    schema.get("contentMediaType").and_then(Value::as_str) == Some("application/x-netcdf")
}

/// Returns the constraints of a schema.
fn constraints(schema: &Map<String, Value>, ty: &Type) -> Constraints {
    // The type of a tuple contains its length. The constraints beside a union are in its members.
    if matches!(ty, Type::Tuple(_) | Type::Union(_)) {
        return Constraints::default();
    }
    let number = |keyword: &str| -> Option<Number> { schema.get(keyword)?.as_number().cloned() };
    let length = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    Constraints {
        minimum: number("minimum"),
        maximum: number("maximum"),
        exclusive_minimum: number("exclusiveMinimum"),
        exclusive_maximum: number("exclusiveMaximum"),
        multiple_of: number("multipleOf"),
        min_length: length("minLength"),
        max_length: length("maxLength"),
        pattern: schema
            .get("pattern")
            .and_then(Value::as_str)
            .map(str::to_owned),
        excluded: excluded(schema),
        min_items: length("minItems").or_else(|| length("minProperties")),
        max_items: length("maxItems").or_else(|| length("maxProperties")),
    }
}

/// Returns the strings that a schema does not accept.
fn excluded(schema: &Map<String, Value>) -> Vec<String> {
    let values = schema.get("not").and_then(|not| not.get("enum"));
    let values = values.and_then(Value::as_array).into_iter().flatten();
    let texts = values.filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// Replaces aliases that refer only to themselves by a type that accepts any value: no language has
/// such a type.
fn end_circles(types: &mut [Declaration]) {
    for index in 0..types.len() {
        if leads_to_itself(types, TypeId(index)) {
            let reason = "the type refers only to itself";
            types[index].definition = Definition::Alias(Schema::of(inexpressible(reason)));
        }
    }
}

/// Returns whether an alias refers to itself through other aliases, unions and nullable types only.
fn leads_to_itself(types: &[Declaration], start: TypeId) -> bool {
    let mut seen = vec![false; types.len()];
    let mut waiting = vec![start];
    while let Some(id) = waiting.pop() {
        let Definition::Alias(schema) = &types[id.0].definition else {
            continue;
        };
        let mut next = vec![&schema.ty];
        while let Some(ty) = next.pop() {
            match ty {
                Type::Named(id) if *id == start => return true,
                Type::Named(id) if !seen[id.0] => {
                    seen[id.0] = true;
                    waiting.push(*id);
                }
                Type::Nullable(inner) => next.push(&inner.ty),
                Type::Union(variants) => {
                    next.extend(variants.iter().map(|variant| &variant.schema.ty));
                }
                _ => {}
            }
        }
    }
    false
}
