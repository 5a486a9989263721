//! The description of a module: the common source of the clients in all languages.
//!
//! It has the module's members and their types. JSON Schema can express one type in many ways; the
//! description has one form for each type.

use serde_json::{Number, Value};

/// A module.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The title of the description, which is normally the topic.
    pub topic: String,
    /// The documentation of the module; empty if it has none.
    pub documentation: String,
    /// The functions.
    pub functions: Vec<Function>,
    /// The classes.
    pub classes: Vec<Class>,
    /// The named types, in the order in which they first appear. A [`TypeId`] is an index of this
    /// list.
    pub types: Vec<Declaration>,
    /// The API description as the module sent it.
    pub api_info: Value,
}

/// A function, or a method of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The `func_name` of a request.
    pub name: String,
    /// The documentation; empty if there is none.
    pub documentation: String,
    /// The arguments that callers send, in the module's order.
    pub arguments: Vec<Field>,
    /// The name of the argument for progress reports, if the function has one.
    pub reporter: Option<String>,
    /// Whether callers may send arguments that the description does not name.
    pub is_open: bool,
    /// The result.
    pub result: Schema,
    /// Whether the module marks it as deprecated.
    pub is_deprecated: bool,
}

/// A class. The module creates a new object for each method call.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The `class_name` of a request.
    pub name: String,
    /// The documentation; empty if there is none.
    pub documentation: String,
    /// The arguments of the constructor, in the module's order.
    pub arguments: Vec<Field>,
    /// Whether callers may send arguments that the description does not name.
    pub is_open: bool,
    /// The methods.
    pub methods: Vec<Function>,
    /// Whether the module marks it as deprecated.
    pub is_deprecated: bool,
}

/// An argument of a function, or a property of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name in JSON. It may not be an identifier.
    pub name: String,
    /// The schema of the value.
    pub schema: Schema,
    /// Whether the field is required.
    pub presence: Presence,
}

/// Whether a field is required.
#[derive(Debug, Clone, PartialEq)]
pub enum Presence {
    /// The field is required.
    Required,
    /// The field is optional, with this default.
    Default(Value),
    /// The field is optional. The description has no default.
    Optional,
}

/// The schema of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The type.
    pub ty: Type,
    /// The documentation of this place; empty if there is none.
    pub documentation: String,
    /// The constraints of the value.
    pub constraints: Box<Constraints>,
}

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Only null.
    Null,
    /// A boolean.
    Boolean,
    /// An integer. Rust modules add its width.
    Integer(Option<Width>),
    /// A number, either an integer or a float.
    Number,
    /// A string.
    Text(Format),
    /// One of these strings, integers or booleans. The list has at least one value, and all values
    /// are different.
    Literal(Vec<Value>),
    /// The inner type or null. The inner type is neither null nor nullable.
    Nullable(Box<Schema>),
    /// A list.
    List(Box<Schema>),
    /// A list of different values.
    Set(Box<Schema>),
    /// A list with one value for each type.
    Tuple(Vec<Schema>),
    /// An object whose keys are data.
    Map(Box<Schema>),
    /// A named type: the index in [`Description::types`].
    Named(TypeId),
    /// One of at least two types. None of them is null, nullable or a union.
    Union(Vec<Variant>),
    /// Any JSON value.
    Any(Openness),
}

/// One of the types of a union.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The title, the tag or the name of the type; empty if there is none.
    pub name: String,
    /// The type.
    pub schema: Schema,
}

/// The reason why a type accepts any JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Openness {
    /// The module accepts any value, or does not describe it.
    Declared,
    /// The description cannot express the schema, for this reason: a sentence without a full stop.
    Inexpressible(String),
}

/// The index of a type in [`Description::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub usize);

/// The width of an integer, from the `format` of `schemars`, such as `uint8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// `i8`
    I8,
    /// `i16`
    I16,
    /// `i32`
    I32,
    /// `i64`
    I64,
    /// `i128`
    I128,
    /// `isize`
    Isize,
    /// `u8`
    U8,
    /// `u16`
    U16,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `u128`
    U128,
    /// `usize`
    Usize,
}

/// The format of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// No format.
    Plain,
    /// Bytes in the base64 of RFC 4648 §4.
    Base64,
    /// A NetCDF-3 file in base64. The schema's title distinguishes an array and a dataset of xarray.
    NetCdf(NetCdf),
    /// A date and time, with or without an offset from UTC.
    DateTime,
    /// A date.
    Date,
    /// A time of day.
    Time,
    /// A duration, as in ISO 8601.
    Duration,
    /// A UUID.
    Uuid,
    /// Another `format` of the schema.
    Other(String),
}

/// The content of a NetCDF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetCdf {
    /// One variable.
    DataArray,
    /// Any number of variables.
    Dataset,
}

/// A named type.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// The unique name. It may not be an identifier.
    pub name: String,
    /// The documentation; empty if there is none.
    pub documentation: String,
    /// The values of an enum that have documentation of their own, in the module's order.
    pub documented_values: Vec<(Value, String)>,
    /// The definition.
    pub definition: Definition,
}

/// The definition of a named type.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// An object with known properties.
    Object {
        /// The properties, in the module's order.
        fields: Vec<Field>,
        /// The schema of further properties, if the module allows them explicitly.
        rest: Option<Box<Schema>>,
        /// Regular expressions for the names of further properties. Further properties whose names
        /// match one of them have the type of `rest`; the module does not describe others. Empty if
        /// all further properties have that type.
        rest_patterns: Vec<String>,
    },
    /// Another name for a schema. An alias refers to itself only through a list, a tuple, a map or
    /// an object.
    Alias(Schema),
}

/// The constraints of a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Constraints {
    /// The minimum of a number.
    pub minimum: Option<Number>,
    /// The maximum of a number.
    pub maximum: Option<Number>,
    /// A number is greater than this.
    pub exclusive_minimum: Option<Number>,
    /// A number is less than this.
    pub exclusive_maximum: Option<Number>,
    /// A number is a multiple of this.
    pub multiple_of: Option<Number>,
    /// The minimum number of characters.
    pub min_length: Option<u64>,
    /// The maximum number of characters.
    pub max_length: Option<u64>,
    /// The regular expression that a string matches.
    pub pattern: Option<String>,
    /// The strings that are not accepted.
    pub excluded: Vec<String>,
    /// The minimum number of values in a list, or of keys in a map.
    pub min_items: Option<u64>,
    /// The maximum number of values in a list, or of keys in a map.
    pub max_items: Option<u64>,
}

impl Description {
    /// Returns the pattern in the syntax of Rust's `regex`. `None` if only the module can check it.
    ///
    /// Modules of this framework have patterns of JSON Schema, and this function translates them.
    /// Patterns of pydantic already have the syntax of `regex`.
    pub fn checked_pattern(&self, pattern: &str) -> Option<String> {
        match self.api_info.get("x_dasf") {
            Some(_) => dasf_pattern::to_rust(pattern).ok(),
            None => Some(pattern.to_owned()),
        }
    }

    /// Returns the named type with this index.
    ///
    /// # Panics
    /// If `id` belongs to another description.
    pub fn declaration(&self, id: TypeId) -> &Declaration {
        &self.types[id.0]
    }
}

impl Type {
    /// Returns the known strings and the variant for other strings, if the type accepts both. A
    /// newer module may send other strings.
    pub fn open_texts(&self) -> Option<(&[Value], &Variant)> {
        match self {
            Self::Union(variants) => open_texts(variants),
            _ => None,
        }
    }
}

/// The same as [`Type::open_texts`], for the variants of a union.
pub fn open_texts(variants: &[Variant]) -> Option<(&[Value], &Variant)> {
    let [one, other] = variants else {
        return None;
    };
    let (literal, text) = match &one.schema.ty {
        Type::Literal(_) => (one, other),
        _ => (other, one),
    };
    let Type::Literal(values) = &literal.schema.ty else {
        return None;
    };
    let excluded = &text.schema.constraints.excluded;
    let limits = Constraints {
        excluded: excluded.clone(),
        ..Constraints::default()
    };
    let is_known = |text: &String| values.iter().any(|value| value == text);
    let is_any_other = text.schema.ty == Type::Text(Format::Plain)
        && *text.schema.constraints == limits
        && excluded.iter().all(is_known);
    let is_open = is_any_other && values.iter().all(Value::is_string);
    is_open.then_some((values.as_slice(), text))
}

impl Declaration {
    /// Returns the documentation, followed by a list of the documented values.
    pub fn whole_documentation(&self) -> String {
        let values = self.documented_values.iter();
        let values = values.map(|(value, documentation)| format!("- `{value}`: {documentation}"));
        let list = values.collect::<Vec<_>>().join("\n");
        let parts = [self.documentation.trim(), &list];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join("\n\n")
    }

    /// Returns the only value of a type, if it has only one. Such a value distinguishes the variants
    /// of a union. `types` are the types of the description.
    pub fn only_value<'d>(types: &'d [Self], ty: &'d Type) -> Option<&'d Value> {
        let mut ty = ty;
        // Stop after as many steps as there are aliases, because aliases may form a cycle.
        for _ in 0..=types.len() {
            match ty {
                Type::Literal(values) => match values.as_slice() {
                    [value] => return Some(value),
                    _ => return None,
                },
                Type::Named(TypeId(id)) => match types.get(*id).map(|named| &named.definition) {
                    Some(Definition::Alias(schema)) => ty = &schema.ty,
                    _ => return None,
                },
                _ => return None,
            }
        }
        None
    }
}

impl Schema {
    /// Returns a schema with a type, and without documentation and constraints.
    pub fn of(ty: Type) -> Self {
        Self {
            ty,
            documentation: String::new(),
            constraints: Box::default(),
        }
    }

    /// Returns the constraints in words, including those inside of a nullable type or a list.
    pub fn limits(&self) -> Vec<String> {
        let mut limits = self.constraints.phrases();
        match &self.ty {
            Type::Nullable(inner) => limits.extend(inner.limits()),
            Type::List(item) | Type::Set(item) => {
                let items = item.limits().into_iter();
                limits.extend(items.map(|limit| format!("each item {limit}")));
            }
            _ => {}
        }
        limits
    }

    /// Returns whether a value violates the constraints. It does not check patterns.
    ///
    /// The default of a module may violate them: rounding to 32 bits changes a number.
    pub fn is_broken_by(&self, value: &Value) -> bool {
        let items = |item: &Self, values: &[Value]| {
            self.constraints.is_broken_by_count(values.len())
                || values.iter().any(|value| item.is_broken_by(value))
        };
        match (&self.ty, value) {
            (Type::Nullable(inner), value) => !value.is_null() && inner.is_broken_by(value),
            (Type::Integer(_) | Type::Number, Value::Number(number)) => {
                self.constraints.is_broken_by_number(number)
            }
            (Type::Text(_), Value::String(text)) => self.constraints.is_broken_by_text(text),
            (Type::List(item) | Type::Set(item), Value::Array(values)) => items(item, values),
            (Type::Tuple(types), Value::Array(values)) => {
                let mut items = types.iter().zip(values);
                items.any(|(item, value)| item.is_broken_by(value))
            }
            (Type::Map(item), Value::Object(values)) => {
                self.constraints.is_broken_by_count(values.len())
                    || values.values().any(|value| item.is_broken_by(value))
            }
            _ => false,
        }
    }
}

impl Field {
    /// Returns whether the field is required.
    pub fn is_required(&self) -> bool {
        self.presence == Presence::Required
    }

    /// Returns whether the property is a tag: it is always present with the same value. An object
    /// without this value belongs to another variant. `types` are the types of the description.
    pub fn is_tag(&self, types: &[Declaration]) -> bool {
        let only = Declaration::only_value(types, &self.schema.ty);
        only.is_some_and(|only| match &self.presence {
            Presence::Required => true,
            Presence::Default(default) => default == only,
            Presence::Optional => false,
        })
    }
}

impl Constraints {
    /// Returns the constraints in words: one phrase for each, such as `greater than 0`.
    pub fn phrases(&self) -> Vec<String> {
        fn number(text: &str, value: Option<&Number>) -> Option<String> {
            value.map(|value| format!("{text} {value}"))
        }
        fn counts(least: Option<u64>, most: Option<u64>, unit: &str) -> Vec<String> {
            let count = |text: &str, value: Option<u64>| {
                let plural = if value == Some(1) { "" } else { "s" };
                value.map(|value| format!("{text} {value} {unit}{plural}"))
            };
            let phrases = match least == most {
                true => [count("exactly", least), None],
                false => [count("at least", least), count("at most", most)],
            };
            phrases.into_iter().flatten().collect()
        }
        let numbers = [
            number("at least", self.minimum.as_ref()),
            number("greater than", self.exclusive_minimum.as_ref()),
            number("at most", self.maximum.as_ref()),
            number("less than", self.exclusive_maximum.as_ref()),
            number("a multiple of", self.multiple_of.as_ref()),
        ];
        let mut phrases: Vec<String> = numbers.into_iter().flatten().collect();
        phrases.extend(counts(self.min_length, self.max_length, "character"));
        let pattern = self.pattern.iter();
        phrases.extend(pattern.map(|pattern| format!("matching `{pattern}`")));
        if !self.excluded.is_empty() {
            let excluded = self.excluded.iter();
            let excluded: Vec<String> = excluded.map(|text| format!("`{text}`")).collect();
            phrases.push(format!("not one of {}", excluded.join(", ")));
        }
        phrases.extend(counts(self.min_items, self.max_items, "item"));
        phrases
    }

    fn is_broken_by_number(&self, number: &Number) -> bool {
        let compare = |limit: &Option<Number>, is_broken: fn(&f64, &f64) -> bool| {
            let limit = limit.as_ref().and_then(Number::as_f64);
            let pair = number.as_f64().zip(limit);
            pair.is_some_and(|(number, limit)| is_broken(&number, &limit))
        };
        compare(&self.minimum, f64::lt)
            || compare(&self.maximum, f64::gt)
            || compare(&self.exclusive_minimum, f64::le)
            || compare(&self.exclusive_maximum, f64::ge)
            || compare(&self.multiple_of, |number, step| number % step != 0.0)
    }

    fn is_broken_by_text(&self, text: &str) -> bool {
        let length = text.chars().count() as u64;
        self.min_length.is_some_and(|least| length < least)
            || self.max_length.is_some_and(|most| length > most)
            || self.excluded.iter().any(|excluded| excluded == text)
    }

    fn is_broken_by_count(&self, count: usize) -> bool {
        let count = count as u64;
        self.min_items.is_some_and(|least| count < least)
            || self.max_items.is_some_and(|most| count > most)
    }
}
