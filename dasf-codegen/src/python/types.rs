//! Types: their annotations in Python, and the models of the named types.

use heck::ToUpperCamelCase;
use serde_json::{Number, Value};
use unicode_ident::is_xid_continue;

use super::layout::{self, Expression, docstring, fits, indented, literal, string};
use super::{Block, File, IN_ANNOTATIONS, Import, code, member};
use crate::description::{
    Constraints, Declaration, Definition, Description, Field, Format, NetCdf, Openness, Presence,
    Schema, Type, TypeId, Variant,
};
use crate::names::{Folding, Names, identifier, is_hidden};

/// The attributes of every model. A field of this name would hide the attribute.
const IN_MODELS: [&str; 31] = [
    "construct",
    "copy",
    "dict",
    "from_orm",
    "json",
    "model_computed_fields",
    "model_config",
    "model_construct",
    "model_copy",
    "model_dump",
    "model_dump_json",
    "model_extra",
    "model_fields",
    "model_fields_set",
    "model_json_schema",
    "model_parametrized_name",
    "model_post_init",
    "model_rebuild",
    "model_validate",
    "model_validate_json",
    "model_validate_strings",
    "parse_file",
    "parse_obj",
    "parse_raw",
    "schema",
    "schema_json",
    "update_forward_refs",
    "validate",
    "self",
    "register",
    "mro",
];

/// The maximum length of a type's name, so that its line has space for more.
const MAX_NAME: usize = 60;

/// The names of a type and of its fields.
#[derive(Debug)]
pub(super) struct Named {
    name: String,
    /// The names of an object's fields, in their order.
    fields: Vec<String>,
}

/// Whether an annotation contains constraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// With constraints, for the checks of arguments and results.
    Full,
    /// Without constraints, for people.
    Plain,
    /// Without constraints, for the parameters of functions: all that callers may pass.
    Accepted,
}

impl File<'_> {
    /// Claims a free name for a class or another type.
    pub(super) fn claim_type(&mut self, name: &str) -> String {
        let name = Folding::Compatible.fold(name);
        let is_usual = name.starts_with(|first: char| first.is_ascii_uppercase())
            && name.chars().all(|it| it.is_ascii_alphanumeric());
        let name = match is_usual {
            true => name,
            false => identifier(&name.to_upper_camel_case(), "X", Folding::Compatible),
        };
        // Only ASCII can be cut without splitting a character.
        self.names.claim(name.get(..MAX_NAME).unwrap_or(&name))
    }

    /// Writes the named types.
    pub(super) fn write_types(&mut self) {
        for declaration in &self.description.types {
            let name = self.claim_type(&declaration.name);
            let fields = match &declaration.definition {
                Definition::Object { fields, .. } => field_names(fields),
                Definition::Alias(_) => Vec::new(),
            };
            self.types.push(Named { name, fields });
        }
        for id in self.order() {
            let declaration = self.description.declaration(id);
            match &declaration.definition {
                Definition::Object {
                    fields,
                    rest,
                    rest_patterns,
                } => {
                    let rest = rest
                        .as_deref()
                        .map(|rest| (rest, !rest_patterns.is_empty()));
                    self.write_model(id, declaration, fields, rest);
                }
                Definition::Alias(schema) => {
                    let name = self.types[id.0].name.clone();
                    self.write_alias(&name, &declaration.whole_documentation(), schema);
                }
            }
            self.is_written[id.0] = true;
        }
    }

    /// Returns the types in order: each type after its parts, except in cycles.
    fn order(&self) -> Vec<TypeId> {
        let types = &self.description.types;
        let parts = |id: TypeId| {
            let mut parts = Vec::new();
            match types.get(id.0).map(|it| &it.definition) {
                Some(Definition::Object { fields, rest, .. }) => {
                    let fields = fields.iter().map(|field| &field.schema);
                    fields
                        .chain(rest.as_deref())
                        .for_each(|schema| collect_names(schema, &mut parts));
                }
                Some(Definition::Alias(schema)) => collect_names(schema, &mut parts),
                None => {}
            }
            parts
        };
        let mut is_met = vec![false; types.len()];
        let mut order = Vec::new();
        for start in (0..types.len()).map(TypeId) {
            if std::mem::replace(&mut is_met[start.0], true) {
                continue;
            }
            // Without recursion, because a long chain of types would overflow the stack.
            let mut path = vec![(start, parts(start).into_iter())];
            while let Some((id, rest)) = path.last_mut() {
                match rest.next() {
                    Some(part) if std::mem::replace(&mut is_met[part.0], true) => {}
                    Some(part) => path.push((part, parts(part).into_iter())),
                    None => {
                        order.push(*id);
                        path.pop();
                    }
                }
            }
        }
        order
    }

    fn write_model(
        &mut self,
        id: TypeId,
        declaration: &Declaration,
        fields: &[Field],
        rest: Option<(&Schema, bool)>,
    ) {
        let Named {
            name,
            fields: names,
        } = &self.types[id.0];
        let (name, names) = (name.clone(), names.clone());
        let mut body = String::new();
        if let Some((rest, is_mixed)) = rest {
            body.push_str("model_config = ConfigDict(extra=\"allow\")\n");
            let known = "__pydantic_extra__";
            let mut value = self.ty(rest);
            if is_mixed && value != Expression::text("Any") {
                let checks = vec![value, Expression::text("_OR_ANOTHER")];
                value = Expression::index("Annotated", checks);
            }
            let ty = Expression::index("dict", vec![Expression::text("str"), value]);
            let ty = self.short(&ty, &format!("{name} rest"), |ty| {
                fits(&format!("{known}: {ty} = Field("), 4, 0)
            });
            if ty != "dict[str, Any]" {
                let line = Expression::text(format!("{known}: {ty} = Field(init=False)"));
                body.push_str(&line.lines(4, 0));
                body.push('\n');
            }
        }
        for (field, attribute) in fields.iter().zip(&names) {
            body.push_str(&self.field(&name, attribute, field));
        }
        let mut sections = Vec::new();
        let described = fields.iter().zip(names).map(|(field, name)| {
            let parts = self.explain(&field.schema);
            (
                format!("{name} : {}", self.say_type(field, Detail::Plain)),
                parts,
            )
        });
        let described: Vec<_> = described.collect();
        if described.iter().any(|(_, parts)| !parts.is_empty()) {
            sections.push(section("Attributes", described));
        }
        let summary = match declaration.documentation.trim() {
            "" => format!("The type {}.", code(&declaration.name)),
            documentation => documentation.to_owned(),
        };
        sections.insert(0, summary);
        let base = match is_series(fields) {
            true => "_SeriesModel",
            false => "_Model",
        };
        let mut class = format!("class {name}({base}):\n");
        class.push_str(&docstring(&sections.join("\n\n"), 4));
        if !body.is_empty() {
            class.push('\n');
            class.push_str(&indented(&body, 4));
        }
        self.blocks.push(Block::Class(class));
    }

    /// Returns the line of one field.
    fn field(&mut self, model: &str, attribute: &str, field: &Field) -> String {
        let mut ty = self.ty(&field.schema);
        let presence = match &field.presence {
            // The client would send this default, because a program can change it in place. The
            // module would reject it.
            Presence::Default(Value::Array(_) | Value::Object(_)) if has_broken_default(field) => {
                &Presence::Optional
            }
            presence => presence,
        };
        if *presence == Presence::Optional && !is_nullable(&field.schema.ty) {
            ty = union(vec![ty, Expression::text("None")]);
        }
        let default = match presence {
            Presence::Required => None,
            Presence::Optional => Some((Value::Null, true)),
            Presence::Default(value) => Some((value.clone(), is_of(value, &field.schema.ty))),
        };
        let mut arguments = Vec::new();
        let renamed = attribute != field.name;
        let mut simple = None;
        match default {
            Some((value, true)) if !renamed => simple = Some(literal(&value)),
            Some((value, is_valid)) => {
                arguments.push(literal(&value).after("default="));
                if !is_valid {
                    arguments.push(Expression::text("validate_default=True"));
                }
            }
            None => {}
        }
        if renamed {
            // In contrast to `alias`, these keep the attribute's name for the constructor.
            for kind in ["validation_alias", "serialization_alias"] {
                let alias = format!("{kind}={}", string(&field.name));
                arguments.push(Expression::Text(alias));
            }
        }
        let value = match simple {
            Some(value) => Some(value),
            None if arguments.is_empty() => None,
            None => Some(Expression::call("Field", arguments)),
        };
        let head = |ty: &str| format!("{attribute}: {ty}");
        let ty = self.short(&ty, &format!("{model} {attribute}"), |ty| {
            fits(&head(ty), 4, if value.is_some() { 9 } else { 0 })
        });
        let comment = reason(&field.schema.ty).map(|reason| format!("# Any, because {reason}.\n"));
        let line = match value {
            Some(value) => value.after(&format!("{} = ", head(&ty))).lines(4, 0),
            None => head(&ty),
        };
        // The lines of a broken value are already indented for the class.
        let line = line.replace("\n    ", "\n");
        format!("{}{line}\n", comment.unwrap_or_default())
    }

    /// Writes an alias of a type.
    fn write_alias(&mut self, name: &str, documentation: &str, schema: &Schema) {
        let mut text = String::new();
        for line in documentation.trim().lines() {
            text.push_str(format!("# {}", line.replace(is_hidden, " ")).trim_end());
            text.push('\n');
        }
        if let Some(reason) = reason(&schema.ty) {
            text.push_str(&format!("# Any, because {reason}.\n"));
        }
        let ty = self.ty(schema);
        let mut parts = Vec::new();
        collect_names(schema, &mut parts);
        let is_ready = parts.iter().all(|part| self.is_written[part.0]);
        text.push_str(&self.alias(name, &ty, is_ready));
        self.blocks.push(Block::Statement(text));
    }

    /// Returns the statement that gives a type a name. It is quoted if a part of the type comes
    /// later.
    fn alias(&mut self, name: &str, ty: &Expression, is_ready: bool) -> String {
        let mut line = if is_ready {
            ty.clone()
                .after(&format!("{name}: TypeAlias = "))
                .lines(0, 0)
        } else {
            self.imports.insert(Import::Extension("TypeAliasType"));
            let parts = [string(name), string(&ty.flat())];
            let call = Expression::call("TypeAliasType", parts.map(Expression::Text).into());
            call.after(&format!("{name} = ")).lines(0, 0)
        };
        line.push('\n');
        line
    }

    /// Returns a type that is short enough. A long type gets a name.
    pub(super) fn short(
        &mut self,
        ty: &Expression,
        name: &str,
        is_short: impl Fn(&str) -> bool,
    ) -> String {
        let flat = ty.flat();
        if is_short(&flat) || matches!(ty, Expression::Text(_)) {
            return flat;
        }
        let name = self.claim_type(name);
        // A part of the type may come later.
        let words: Vec<&str> = flat.split(|it| !is_xid_continue(it)).collect();
        let mut types = self.types.iter().zip(&self.is_written);
        let is_ready = types.all(|(ty, &is_written)| is_written || !words.contains(&&*ty.name));
        let text = self.alias(&name, ty, is_ready);
        self.blocks.push(Block::Statement(text));
        name
    }

    /// Returns the type of a schema with its constraints.
    pub(super) fn ty(&mut self, schema: &Schema) -> Expression {
        self.annotation(schema, Detail::Full)
    }

    /// Returns the type of a schema.
    pub(super) fn annotation(&mut self, schema: &Schema, detail: Detail) -> Expression {
        let ty = match &schema.ty {
            Type::Null => Expression::text("None"),
            Type::Boolean => Expression::text("bool"),
            Type::Integer(_) => Expression::text("int"),
            Type::Number => Expression::text("float"),
            Type::Text(Format::NetCdf(_)) if detail == Detail::Accepted => {
                union(["bytes", "XarrayObject"].map(Expression::text).into())
            }
            Type::Text(format) => Expression::text(self.text(format, detail)),
            Type::Literal(values) => one_of(values),
            Type::Nullable(inner) => {
                let inner = self.annotation(inner, detail);
                union(vec![inner, Expression::text("None")])
            }
            Type::List(item) => Expression::index("list", vec![self.annotation(item, detail)]),
            Type::Set(item) => {
                let collection = if is_hashable(&item.ty) { "set" } else { "list" };
                Expression::index(collection, vec![self.annotation(item, detail)])
            }
            Type::Tuple(items) if items.is_empty() => Expression::text("tuple[()]"),
            Type::Tuple(items) => {
                let items = items.iter().map(|item| self.annotation(item, detail));
                Expression::index("tuple", items.collect())
            }
            Type::Map(value) => {
                let value = self.annotation(value, detail);
                Expression::index("dict", vec![Expression::text("str"), value])
            }
            Type::Named(id) => {
                let name = self.types.get(id.0).map(|named| named.name.clone());
                Expression::Text(name.unwrap_or_else(|| "Any".to_owned()))
            }
            Type::Union(variants) => self.union(variants, detail),
            Type::Any(_) => Expression::text("Any"),
        };
        if detail != Detail::Full {
            return ty;
        }
        let checks = checks(schema, self.description);
        if checks.is_empty() {
            return ty;
        }
        let mut items = vec![ty];
        items.extend(checks);
        Expression::index("Annotated", items)
    }

    fn text(&mut self, format: &Format, detail: Detail) -> &'static str {
        let (import, name) = match format {
            Format::Plain | Format::Other(_) => return "str",
            Format::Base64 if detail == Detail::Full => return "_Base64",
            Format::Base64 => return "bytes",
            Format::NetCdf(NetCdf::DataArray) => return "NetCDFArray",
            Format::NetCdf(NetCdf::Dataset) => return "NetCDF",
            Format::DateTime => ("datetime", "datetime.datetime"),
            Format::Date => ("datetime", "datetime.date"),
            Format::Time => ("datetime", "datetime.time"),
            Format::Duration => ("datetime", "datetime.timedelta"),
            Format::Uuid => ("uuid", "uuid.UUID"),
        };
        self.imports.insert(Import::Module(import));
        name
    }

    fn union(&mut self, variants: &[Variant], detail: Detail) -> Expression {
        let mut items = Vec::new();
        for variant in variants {
            items.push(self.annotation(&variant.schema, detail));
        }
        let union = union(items);
        match self.discriminator(variants) {
            Some(name) if detail == Detail::Full => {
                let field = Expression::Text(format!("Field(discriminator={})", string(&name)));
                Expression::index("Annotated", vec![union, field])
            }
            _ => union,
        }
    }

    /// Returns the attribute that distinguishes the models of a union, if there is one.
    fn discriminator(&self, variants: &[Variant]) -> Option<String> {
        let mut models = Vec::new();
        for variant in variants {
            let Type::Named(id) = variant.schema.ty else {
                return None;
            };
            let declaration = self.description.types.get(id.0)?;
            let Definition::Object { fields, .. } = &declaration.definition else {
                return None;
            };
            models.push((fields, &self.types.get(id.0)?.fields));
        }
        let (first, names) = models.first()?;
        let tags = first.iter().zip(names.iter()).find(|(field, name)| {
            let mut seen: Vec<&Value> = Vec::new();
            models.iter().all(|(fields, names)| {
                let same = fields.iter().zip(names.iter());
                let mut same = same.filter(|(it, other)| it.name == field.name && other == name);
                let Some((Type::Literal(values), true)) =
                    same.next().map(|(it, _)| (&it.schema.ty, it.is_required()))
                else {
                    return false;
                };
                let is_new = |value: &&Value| value.is_string() && !seen.contains(value);
                let all_new = values.iter().all(|value| is_new(&value));
                seen.extend(values);
                all_new
            })
        });
        tags.map(|(_, name)| name.clone())
    }

    /// Returns the type of a field or of a parameter for the documentation.
    pub(super) fn say_type(&mut self, field: &Field, detail: Detail) -> String {
        let ty = self.annotation(&field.schema, detail).flat();
        match &field.presence {
            Presence::Required => ty,
            Presence::Optional => format!("{ty}, optional"),
            Presence::Default(value) => {
                let default = literal(value).flat();
                if default.chars().count() > 60 {
                    format!("{ty}, optional")
                } else {
                    format!("{ty}, default: {default}")
                }
            }
        }
    }

    /// Returns the documentation of a value: lines of text.
    pub(super) fn explain(&self, schema: &Schema) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let documentation = schema.documentation.trim();
        lines.extend(documentation.lines().map(str::to_owned));
        let mut phrases = Vec::new();
        say_constraints(schema, &mut phrases);
        if !phrases.is_empty() {
            let mut phrases = phrases.join(", ");
            if let Some(first) = phrases.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            lines.push(format!("{phrases}."));
        }
        match inner(&schema.ty) {
            Type::Any(Openness::Inexpressible(reason)) => {
                lines.push(format!("Any JSON value, because {reason}."));
            }
            Type::Text(Format::NetCdf(NetCdf::DataArray)) => {
                lines.push("A NetCDF file with an ``xarray.DataArray``.".to_owned());
            }
            Type::Text(Format::NetCdf(NetCdf::Dataset)) => {
                lines.push("A NetCDF file with an ``xarray.Dataset``.".to_owned());
            }
            Type::Set(item) if !is_hashable(&item.ty) => {
                lines.push("All values are different.".to_owned());
            }
            _ => {}
        }
        lines
    }
}

/// Returns a section of a docstring in the style of numpy.
pub(super) fn section(title: &str, entries: Vec<(String, Vec<String>)>) -> String {
    let mut lines = vec![title.to_owned(), "-".repeat(title.len())];
    for (head, parts) in entries {
        lines.push(head);
        lines.extend(parts.into_iter().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}

/// Returns the names of an object's fields.
fn field_names(fields: &[Field]) -> Vec<String> {
    // No attribute has the JSON name of another field: the constructor accepts both names.
    let mut names = Names::without(fields.iter().map(|field| &*field.name));
    let is_reserved = |name: &str| IN_MODELS.contains(&name) || IN_ANNOTATIONS.contains(&name);
    let mut attribute = |field: &Field| match member(&field.name, is_reserved) {
        name if name == field.name => name,
        name => names.claim(&name),
    };
    fields.iter().map(&mut attribute).collect()
}

/// Collects the named types inside of a schema.
fn collect_names(schema: &Schema, names: &mut Vec<TypeId>) {
    match &schema.ty {
        Type::Named(id) => names.push(*id),
        Type::Nullable(inner) | Type::List(inner) | Type::Set(inner) | Type::Map(inner) => {
            collect_names(inner, names);
        }
        Type::Tuple(items) => items.iter().for_each(|item| collect_names(item, names)),
        Type::Union(variants) => {
            let variants = variants.iter();
            variants.for_each(|variant| collect_names(&variant.schema, names));
        }
        Type::Null
        | Type::Boolean
        | Type::Integer(_)
        | Type::Number
        | Type::Text(_)
        | Type::Literal(_)
        | Type::Any(_) => {}
    }
}

/// Returns a union of types, without duplicates.
fn union(items: Vec<Expression>) -> Expression {
    let mut found: Vec<Expression> = Vec::new();
    let mut add = |item: Expression| {
        if !found.contains(&item) {
            found.push(item);
        }
    };
    for item in items {
        match item {
            Expression::Union { before, items } if before.is_empty() => {
                items.into_iter().for_each(&mut add);
            }
            item => add(item),
        }
    }
    let any = Expression::text("Any");
    if found.contains(&any) {
        return any;
    }
    match found.len() {
        1 => found.remove(0),
        _ => Expression::Union {
            before: String::new(),
            items: found,
        },
    }
}

/// Returns the type for one of some values. Only the module checks values that `Literal` does not
/// support.
fn one_of(values: &[Value]) -> Expression {
    let (exact, others): (Vec<&Value>, Vec<&Value>) = values
        .iter()
        .partition(|value| value.is_string() || value.is_boolean() || value.is_i64());
    let mut items = Vec::new();
    if !exact.is_empty() {
        let exact = exact.into_iter().map(literal);
        items.push(Expression::index("Literal", exact.collect()));
    }
    items.extend(others.into_iter().map(|value| match value {
        Value::Null => Expression::text("None"),
        Value::Number(number) if number.is_u64() => Expression::text("int"),
        Value::Number(_) => Expression::text("float"),
        _ => Expression::text("Any"),
    }));
    union(items)
}

/// Returns whether an object is a series of observations, as `Series` of `dasf-types` describes it.
fn is_series(fields: &[Field]) -> bool {
    let tag = fields.iter().find(|field| field.name == "response_type");
    let is_tagged = tag.is_some_and(|tag| match &tag.schema.ty {
        Type::Literal(values) => values.iter().all(|value| value == "series"),
        _ => false,
    });
    let names = ["response_type", "name", "index", "columns"];
    is_tagged && fields.iter().map(|field| &*field.name).eq(names)
}

/// Returns whether the default of a field violates the constraints of the field.
fn has_broken_default(field: &Field) -> bool {
    match &field.presence {
        Presence::Default(value) => field.schema.is_broken_by(value),
        Presence::Required | Presence::Optional => false,
    }
}

/// Returns the type inside of a nullable type.
fn inner(ty: &Type) -> &Type {
    match ty {
        Type::Nullable(schema) => &schema.ty,
        ty => ty,
    }
}

/// Returns the reason why a type is any JSON value, if the description cannot express it.
fn reason(ty: &Type) -> Option<String> {
    match inner(ty) {
        Type::Any(Openness::Inexpressible(reason)) => Some(reason.replace(is_hidden, " ")),
        _ => None,
    }
}

fn is_nullable(ty: &Type) -> bool {
    matches!(ty, Type::Null | Type::Nullable(_) | Type::Any(_))
}

/// Returns whether a Python set can contain values of the type.
fn is_hashable(ty: &Type) -> bool {
    match ty {
        Type::Boolean | Type::Integer(_) | Type::Number | Type::Text(_) | Type::Literal(_) => true,
        Type::Tuple(items) => items.iter().all(|item| is_hashable(&item.ty)),
        Type::Nullable(inner) => is_hashable(&inner.ty),
        _ => false,
    }
}

/// Returns whether the Python literal of a value has the type.
fn is_of(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (Value::Null, Type::Null | Type::Nullable(_))
        | (Value::Bool(_), Type::Boolean)
        | (Value::Number(_), Type::Number)
        | (Value::String(_), Type::Text(Format::Plain | Format::Other(_)))
        | (_, Type::Any(_)) => true,
        (Value::Number(number), Type::Integer(_)) => number.is_i64() || number.is_u64(),
        (value, Type::Literal(values)) => values.contains(value),
        (value, Type::Nullable(inner)) => is_of(value, &inner.ty),
        (Value::Array(items), Type::List(item)) => items.iter().all(|it| is_of(it, &item.ty)),
        (Value::Object(fields), Type::Map(item)) => fields.values().all(|it| is_of(it, &item.ty)),
        _ => false,
    }
}

/// Returns the checks of a value besides its type.
fn checks(schema: &Schema, description: &Description) -> Vec<Expression> {
    let Constraints {
        minimum,
        maximum,
        exclusive_minimum,
        exclusive_maximum,
        multiple_of,
        min_length,
        max_length,
        pattern,
        excluded,
        min_items,
        max_items,
    } = &*schema.constraints;
    let mut arguments: Vec<String> = Vec::new();
    let mut checks = Vec::new();
    let mut lengths = |least: &Option<u64>, most: &Option<u64>| {
        arguments.extend(least.map(|least| format!("min_length={least}")));
        arguments.extend(most.map(|most| format!("max_length={most}")));
    };
    match &schema.ty {
        Type::List(_) | Type::Set(_) | Type::Map(_) => lengths(min_items, max_items),
        Type::Text(Format::Plain | Format::Other(_)) => {
            lengths(min_length, max_length);
            if let Some(pattern) = pattern {
                checks.extend(matches(pattern, description));
            }
            if !excluded.is_empty() {
                let excluded = excluded.iter();
                let excluded = excluded.map(|text| Expression::Text(string(text)));
                checks.push(Expression::call("_other_than", excluded.collect()));
            }
        }
        Type::Integer(_) | Type::Number => {
            let is_integer = matches!(schema.ty, Type::Integer(_));
            for (name, number) in [
                ("ge", minimum),
                ("gt", exclusive_minimum),
                ("le", maximum),
                ("lt", exclusive_maximum),
                ("multiple_of", multiple_of),
            ] {
                let bound = number.as_ref();
                let bound = bound.and_then(|number| bound_of(name, number, is_integer));
                arguments.extend(bound);
            }
        }
        _ => {}
    }
    if !arguments.is_empty() {
        let arguments = arguments.into_iter().map(Expression::Text).collect();
        checks.insert(0, Expression::call("Field", arguments));
    }
    checks
}

/// Returns the check of a pattern: the pattern, and the pattern in Rust's syntax if it differs.
fn matches(pattern: &str, description: &Description) -> Option<Expression> {
    let checked = description.checked_pattern(pattern)?;
    let mut arguments = vec![Expression::Text(string(pattern))];
    if checked != pattern {
        arguments.push(Expression::Text(string(&checked)));
    }
    Some(Expression::call("_matches", arguments))
}

/// Returns the argument of `Field` for a bound. The bound of an integer is an integer.
fn bound_of(name: &str, number: &Number, is_integer: bool) -> Option<String> {
    let text = if number.is_f64() {
        let value = number.as_f64()?;
        let whole = match name {
            "ge" | "lt" => value.ceil(),
            "gt" | "le" => value.floor(),
            // The check of an integer cannot have a step with a fraction.
            _ if value.fract() == 0.0 => value,
            _ if is_integer => return None,
            _ => value,
        };
        if name == "multiple_of" && value <= 0.0 {
            return None;
        }
        if is_integer {
            format!("{whole:.0}")
        } else {
            layout::number(&number.to_string())
        }
    } else if name == "multiple_of" && number.as_u64().unwrap_or(0) == 0 {
        return None;
    } else {
        number.to_string()
    };
    Some(format!("{name}={text}"))
}

/// Collects the constraints of a schema in words, including those inside of a nullable type.
fn say_constraints(schema: &Schema, phrases: &mut Vec<String>) {
    phrases.extend(schema.constraints.phrases());
    if let Type::Nullable(inner) = &schema.ty {
        say_constraints(inner, phrases);
    }
}
