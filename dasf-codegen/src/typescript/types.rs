//! The types of arguments and results in TypeScript, and the checks of the runtime.
//!
//! A property with a default is optional in arguments, but always present in results: the runtime
//! adds the default if the module omits the property. So a type with such a property that is used in
//! both directions has two declarations: results have the type `Point`, and arguments have the type
//! `PointInput`. A program can pass a `Point` as a `PointInput`. All other types have one
//! declaration.
//!
//! A tag has only one value, which is its default. It is required in an object nevertheless: without
//! the tag, the module and the compiler may take the object for another variant of a union. The
//! runtime rejects a result without the tag.

use std::collections::HashSet;

use heck::ToUpperCamelCase;
use serde_json::Value;

use super::text::{Comment, Expression, literal, property, union};
use crate::description::{
    Declaration, Definition, Description, Field, Format, Function, NetCdf, Openness, Presence,
    Schema, Type, TypeId, Width, open_texts,
};
use crate::names::{Folding, Names, identifier};

/// The use of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    /// The caller sends the value.
    Argument,
    /// The module sends the value.
    Result,
}

/// The named types.
pub(super) struct Types<'a> {
    declarations: &'a [Declaration],
    names: Vec<Name>,
    uses: HashSet<(usize, Direction)>,
}

/// The names of a declared type.
struct Name {
    result: String,
    argument: String,
}

impl<'a> Types<'a> {
    /// Chooses the names of a description's types.
    pub(super) fn new(description: &'a Description, names: &mut Names) -> Self {
        let declarations = &description.types[..];
        let uses = uses(description);
        let has_defaults = having_defaults(declarations);
        let name = |(id, declaration): (usize, &Declaration)| {
            let result = names.claim(&type_name(&declaration.name));
            let is_double = has_defaults.contains(&id)
                && uses.contains(&(id, Direction::Argument))
                && uses.contains(&(id, Direction::Result));
            let argument = if is_double {
                names.claim(&format!("{result}Input"))
            } else {
                result.clone()
            };
            Name { result, argument }
        };
        Self {
            declarations,
            names: declarations.iter().enumerate().map(name).collect(),
            uses,
        }
    }

    /// Returns the type as an annotation.
    pub(super) fn ty(&self, ty: &Type, direction: Direction) -> String {
        self.members(ty, direction, false).join(" | ")
    }

    /// Returns the members of a union, or the type itself if it is not a union.
    fn members(&self, ty: &Type, direction: Direction, in_alias: bool) -> Vec<String> {
        let inner = |ty: &Type| self.members(ty, direction, in_alias).join(" | ");
        let one = match ty {
            Type::Null => "null".to_owned(),
            Type::Boolean => "boolean".to_owned(),
            Type::Integer(_) | Type::Number => "number".to_owned(),
            Type::Text(_) => "string".to_owned(),
            Type::Any(_) => "unknown".to_owned(),
            Type::Named(id) => self.name(*id, direction).to_owned(),
            Type::List(items) | Type::Set(items) => {
                let members = self.members(&items.ty, direction, in_alias);
                match &members[..] {
                    [item] => format!("{item}[]"),
                    _ => format!("({})[]", members.join(" | ")),
                }
            }
            Type::Tuple(items) => {
                let items: Vec<String> = items.iter().map(|item| inner(&item.ty)).collect();
                format!("[{}]", items.join(", "))
            }
            // An alias may refer to itself through an object type, but not through a `Record`.
            Type::Map(values) if in_alias => format!("{{ [key: string]: {} }}", inner(&values.ty)),
            Type::Map(values) => format!("Record<string, {}>", inner(&values.ty)),
            Type::Literal(values) => {
                let values = values
                    .iter()
                    .map(|value| Expression::json(value).write(0, 0));
                return or_never(without_repetition(values));
            }
            Type::Nullable(schema) => {
                let members = self.members(&schema.ty, direction, in_alias).into_iter();
                return without_repetition(members.chain(["null".to_owned()]));
            }
            Type::Union(variants) => {
                let members = variants
                    .iter()
                    .flat_map(|variant| self.members(&variant.schema.ty, direction, in_alias));
                let mut members = without_repetition(members);
                if open_texts(variants).is_some() {
                    // With plain `string`, editors would not suggest the known strings.
                    let texts = members.iter_mut().filter(|member| *member == "string");
                    texts.for_each(|text| *text = "(string & {})".to_owned());
                }
                return or_never(members);
            }
        };
        vec![one]
    }

    fn name(&self, TypeId(id): TypeId, direction: Direction) -> &str {
        match (self.names.get(id), direction) {
            (Some(name), Direction::Argument) => &name.argument,
            (Some(name), Direction::Result) => &name.result,
            (None, _) => "unknown",
        }
    }

    /// Returns the declarations of all types, each followed by an empty line.
    pub(super) fn declare(&self) -> String {
        let mut written = String::new();
        for (id, (declaration, name)) in self.declarations.iter().zip(&self.names).enumerate() {
            let is_argument = self.uses.contains(&(id, Direction::Argument));
            let direction = if is_argument && !self.uses.contains(&(id, Direction::Result)) {
                Direction::Argument
            } else {
                Direction::Result
            };
            let documentation = declaration.whole_documentation();
            let mut comment = Comment::of(&documentation);
            if name.argument != name.result {
                let text = format!("Arguments have the type `{}`.", name.argument);
                written += &self.declaration(
                    declaration,
                    &name.argument,
                    Direction::Argument,
                    Comment::of(&documentation).and(&format!(
                        "The type in arguments; results have the type `{}`.",
                        name.result
                    )),
                );
                comment = comment.and(&text);
            }
            written += &self.declaration(declaration, &name.result, direction, comment);
        }
        written
    }

    fn declaration(
        &self,
        declaration: &Declaration,
        name: &str,
        direction: Direction,
        comment: Comment,
    ) -> String {
        match &declaration.definition {
            Definition::Alias(schema) => {
                let comment = comment
                    .and(own_documentation(schema, &declaration.documentation))
                    .and_sentences(&remarks(schema));
                let members = self.members(&schema.ty, direction, true);
                let written = union(&format!("export type {name} ="), &members, "");
                format!("{}{written}\n", comment.write(""))
            }
            Definition::Object { fields, rest, .. } if fields.is_empty() => {
                let rest = rest.as_ref().map_or_else(
                    || "unknown".to_owned(),
                    |rest| self.members(&rest.ty, direction, true).join(" | "),
                );
                let comment = comment.write("");
                format!("{comment}export type {name} = {{ [key: string]: {rest} }};\n\n")
            }
            Definition::Object { fields, rest, .. } => {
                self.interface(name, fields, rest.as_deref(), direction, true, &comment)
            }
        }
    }

    /// Returns an interface, followed by an empty line. An object may have a tag; the arguments of a
    /// function have none, because they are not a variant of a union.
    pub(super) fn interface(
        &self,
        name: &str,
        fields: &[Field],
        rest: Option<&Schema>,
        direction: Direction,
        may_have_tag: bool,
        comment: &Comment,
    ) -> String {
        let is_tag = |field: &Field| may_have_tag && is_tag(field, self.declarations);
        let may_be_left_out = |field: &Field| match field.presence {
            Presence::Required => false,
            Presence::Optional => true,
            Presence::Default(_) => direction == Direction::Argument && !is_tag(field),
        };
        let mut written = format!("{}export interface {name} {{\n", comment.write(""));
        for field in fields {
            let Field {
                name,
                schema,
                presence,
            } = field;
            let mut sentences = remarks(schema);
            if let Presence::Default(value) = presence
                && !is_tag(field)
            {
                sentences.push(default(value));
            }
            let comment = Comment::of(&schema.documentation).and_sentences(&sentences);
            written += &comment.write("  ");
            let mark = if may_be_left_out(field) { "?" } else { "" };
            let members = self.members(&schema.ty, direction, false);
            written += &union(&format!("{}{mark}:", property(name)), &members, "  ");
        }
        if let Some(rest) = rest {
            let ty = self.ty(&rest.ty, direction);
            let mut comment = Comment::of(&rest.documentation).and_sentences(&remarks(rest));
            // TypeScript requires that all properties have the type of the index signature.
            let is_common = fields
                .iter()
                .all(|field| !may_be_left_out(field) && self.ty(&field.schema.ty, direction) == ty);
            let shown = if is_common { &ty } else { "unknown" };
            if shown != ty {
                comment = comment.and(&format!("All other properties have the type `{ty}`."));
            }
            written += &comment.write("  ");
            written += &format!("  [key: string]: {shown};\n");
        }
        written += "}\n\n";
        written
    }

    /// Returns the check of the runtime for a schema.
    pub(super) fn shape_of(&self, schema: &Schema) -> Expression {
        let excluded = &schema.constraints.excluded;
        if schema.ty == Type::Text(Format::Plain) && !excluded.is_empty() {
            let excluded = excluded.iter().map(|text| Expression::word(literal(text)));
            return Expression::pair("besides", Expression::List(excluded.collect()));
        }
        self.shape(&schema.ty)
    }

    /// Returns the check of the runtime for a type.
    fn shape(&self, ty: &Type) -> Expression {
        let quoted = |name: &str| Expression::word(literal(name));
        let of = |key: &str, schema: &Schema| Expression::pair(key, self.shape_of(schema));
        match ty {
            Type::Null => quoted("null"),
            Type::Boolean => quoted("boolean"),
            Type::Integer(_) => quoted("integer"),
            Type::Number => quoted("number"),
            Type::Text(_) => quoted("string"),
            Type::Any(_) => quoted("any"),
            Type::Literal(values) => {
                let values = values.iter().map(Expression::json);
                Expression::pair("literal", Expression::List(values.collect()))
            }
            Type::Nullable(schema) => of("nullable", schema),
            Type::List(schema) | Type::Set(schema) => of("list", schema),
            Type::Map(schema) => of("map", schema),
            Type::Tuple(items) => {
                let items = items.iter().map(|item| self.shape_of(item));
                Expression::pair("tuple", Expression::List(items.collect()))
            }
            Type::Union(variants) => {
                let variants = variants.iter();
                let shapes = variants.map(|variant| self.shape_of(&variant.schema));
                Expression::pair("union", Expression::List(shapes.collect()))
            }
            Type::Named(TypeId(id)) if *id >= self.names.len() => quoted("any"),
            Type::Named(id) => Expression::pair("named", quoted(self.name(*id, Direction::Result))),
        }
    }

    /// Returns the checks of the runtime for the named types in results.
    pub(super) fn shapes(&self) -> Expression {
        let used = |&(id, _): &(usize, _)| self.uses.contains(&(id, Direction::Result));
        let declarations = self.declarations.iter().zip(&self.names).enumerate();
        let shapes = declarations.filter(used).map(|(_, (declaration, name))| {
            let shape = match &declaration.definition {
                Definition::Alias(schema) => self.shape_of(schema),
                Definition::Object {
                    fields,
                    rest,
                    rest_patterns,
                } => {
                    let fields = fields.iter().map(|field| self.property_shape(field));
                    let fields = Expression::List(fields.collect());
                    let mut shape = vec![("object".to_owned(), fields)];
                    if let Some(rest) = rest {
                        let rest = self.shape_of(rest);
                        let rest = if !rest_patterns.is_empty() {
                            let any = Expression::word(literal("any"));
                            Expression::pair("union", Expression::List(vec![rest, any]))
                        } else {
                            rest
                        };
                        shape.push(("rest".to_owned(), rest));
                    }
                    Expression::Object(shape)
                }
            };
            (name.result.clone(), shape)
        });
        Expression::Object(shapes.collect())
    }

    /// Returns the check of a property. It contains the name, because some names have a meaning as
    /// keys.
    fn property_shape(&self, field: &Field) -> Expression {
        let mut shape = vec![
            ("name".to_owned(), Expression::word(literal(&field.name))),
            ("shape".to_owned(), self.shape_of(&field.schema)),
        ];
        match &field.presence {
            Presence::Required => {}
            Presence::Optional => shape.push(("optional".to_owned(), Expression::word("true"))),
            // A result without the tag has another type.
            Presence::Default(_) if field.is_tag(self.declarations) => {}
            Presence::Default(value) => {
                shape.push(("default".to_owned(), Expression::json(value)));
            }
        }
        Expression::Object(shape)
    }
}

/// Returns the name of a type: its own name if it is usual in TypeScript.
pub(super) fn type_name(name: &str) -> String {
    let is_usual = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric());
    if is_usual {
        name.to_owned()
    } else {
        identifier(&name.to_upper_camel_case(), "Type", Folding::Exact)
    }
}

/// Returns whether a property with a default is a tag.
fn is_tag(field: &Field, declarations: &[Declaration]) -> bool {
    matches!(field.presence, Presence::Default(_)) && field.is_tag(declarations)
}

fn without_repetition(types: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    types.filter(|ty| seen.insert(ty.clone())).collect()
}

fn or_never(types: Vec<String>) -> Vec<String> {
    if types.is_empty() {
        vec!["never".to_owned()]
    } else {
        types
    }
}

/// Returns the documentation of an alias; empty if its declaration has the same.
fn own_documentation<'a>(schema: &'a Schema, documentation: &str) -> &'a str {
    if schema.documentation == documentation {
        ""
    } else {
        &schema.documentation
    }
}

/// Returns the sentence about the default of an argument.
fn default(value: &Value) -> String {
    let json = value.to_string();
    if json.contains('`') {
        format!("Default: {json}.")
    } else {
        format!("Default: `{json}`.")
    }
}

/// Returns sentences about a value that its type in TypeScript does not express.
pub(super) fn remarks(schema: &Schema) -> Vec<String> {
    let mut sentences: Vec<String> = nature(&schema.ty).into_iter().collect();
    let phrases = schema.constraints.phrases();
    if !phrases.is_empty() {
        let phrases = phrases.join(", ");
        sentences.push(format!("{}.", with_first(&phrases, char::to_uppercase)));
    }
    let within = |what: &str, inner: &Schema| {
        let remarks = remarks(inner).into_iter();
        remarks
            .map(move |remark| format!("{what}: {}", with_first(&remark, char::to_lowercase)))
            .collect::<Vec<_>>()
    };
    match &schema.ty {
        Type::Nullable(inner) => sentences.extend(remarks(inner)),
        Type::List(inner) | Type::Set(inner) => sentences.extend(within("Each item", inner)),
        Type::Map(inner) => sentences.extend(within("Each value", inner)),
        Type::Tuple(items) => {
            for (index, item) in items.iter().enumerate() {
                sentences.extend(within(&format!("Item {}", index + 1), item));
            }
        }
        Type::Union(variants) => {
            for variant in variants {
                let what = if variant.name.is_empty() {
                    "One variant"
                } else {
                    &variant.name
                };
                sentences.extend(within(what, &variant.schema));
            }
        }
        _ => {}
    }
    sentences
}

/// Returns a text with a change of its first character.
fn with_first<I: Iterator<Item = char>>(text: &str, change: impl Fn(char) -> I) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(change);
    format!("{}{}", first.collect::<String>(), characters.as_str())
}

/// Returns the meaning of a value, if its type in TypeScript does not express it.
fn nature(ty: &Type) -> Option<String> {
    let text = match ty {
        Type::Integer(width) => match width {
            Some(Width::I64 | Width::U64 | Width::Isize | Width::Usize) => {
                "A 64-bit integer; JavaScript numbers are exact up to 2^53 - 1."
            }
            Some(Width::I128 | Width::U128) => {
                "A 128-bit integer; JavaScript numbers are exact up to 2^53 - 1."
            }
            _ => "An integer.",
        },
        Type::Set(_) => "All values are different.",
        Type::Any(Openness::Inexpressible(reason)) => {
            return Some(format!("Any JSON value, because {reason}."));
        }
        Type::Text(format) => match format {
            Format::Plain => return None,
            Format::Base64 => "Bytes in base64; use `toBase64` and `fromBase64`.",
            Format::NetCdf(NetCdf::DataArray) => "A NetCDF-3 file of one variable, in base64.",
            Format::NetCdf(NetCdf::Dataset) => "A NetCDF-3 file in base64.",
            Format::DateTime => "A date and time, such as `2028-02-29T12:30:00Z`.",
            Format::Date => "A date, such as `2028-02-29`.",
            Format::Time => "A time of day, such as `12:30:00`.",
            Format::Duration => "A duration, such as `PT1H30M`.",
            Format::Uuid => "A UUID.",
            Format::Other(name) => return Some(format!("A string with the format `{name}`.")),
        },
        _ => return None,
    };
    Some(text.to_owned())
}

/// Returns the schemas inside of a type.
fn parts(ty: &Type) -> Vec<&Schema> {
    match ty {
        Type::Nullable(inner) | Type::List(inner) | Type::Set(inner) | Type::Map(inner) => {
            vec![&**inner]
        }
        Type::Tuple(items) => items.iter().collect(),
        Type::Union(variants) => variants.iter().map(|variant| &variant.schema).collect(),
        _ => Vec::new(),
    }
}

/// Returns the schemas inside of a declared type.
fn declared_parts(declaration: &Declaration) -> Vec<&Schema> {
    match &declaration.definition {
        Definition::Alias(schema) => vec![schema],
        Definition::Object { fields, rest, .. } => {
            let fields = fields.iter().map(|field| &field.schema);
            fields.chain(rest.as_deref()).collect()
        }
    }
}

/// Returns the declared types that schemas refer to directly.
fn named(schemas: Vec<&Schema>) -> Vec<usize> {
    let mut open = schemas;
    let mut found = Vec::new();
    while let Some(schema) = open.pop() {
        match &schema.ty {
            Type::Named(TypeId(id)) => found.push(*id),
            ty => open.extend(parts(ty)),
        }
    }
    found
}

/// Returns the uses of the declared types.
fn uses(description: &Description) -> HashSet<(usize, Direction)> {
    let mut uses = HashSet::new();
    let mut open: Vec<(usize, Direction)> = Vec::new();
    let mut add = |schema, direction| {
        let named = named(vec![schema]).into_iter();
        open.extend(named.map(|id| (id, direction)));
    };
    let methods = description.classes.iter().flat_map(|class| &class.methods);
    let functions: Vec<&Function> = description.functions.iter().chain(methods).collect();
    let constructors = description.classes.iter().map(|class| &class.arguments);
    let arguments = functions.iter().map(|function| &function.arguments);
    for field in arguments.chain(constructors).flatten() {
        add(&field.schema, Direction::Argument);
    }
    for function in functions {
        add(&function.result, Direction::Result);
    }
    while let Some((id, direction)) = open.pop() {
        let Some(declaration) = description.types.get(id) else {
            continue;
        };
        if uses.insert((id, direction)) {
            let named = named(declared_parts(declaration)).into_iter();
            open.extend(named.map(|id| (id, direction)));
        }
    }
    uses
}

/// Returns the declared types that contain a property with a default, at any depth.
fn having_defaults(declarations: &[Declaration]) -> HashSet<usize> {
    let has_default = |declaration: &Declaration| match &declaration.definition {
        Definition::Alias(_) => false,
        Definition::Object { fields, .. } => fields.iter().any(|field| {
            matches!(field.presence, Presence::Default(_)) && !is_tag(field, declarations)
        }),
    };
    // The users of each type, so that the loop visits each type once.
    let mut users = vec![Vec::new(); declarations.len()];
    for (id, declaration) in declarations.iter().enumerate() {
        for part in named(declared_parts(declaration)) {
            if let Some(users) = users.get_mut(part) {
                users.push(id);
            }
        }
    }
    let declarations = declarations.iter().enumerate();
    let mut open: Vec<usize> = declarations
        .filter(|(_, declaration)| has_default(declaration))
        .map(|(id, _)| id)
        .collect();
    let mut found = HashSet::new();
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(users.get(id).into_iter().flatten());
        }
    }
    found
}
