//! The description of a module that all languages are written from: its members, and the types
//! that their schemas tell of, without the many ways in which JSON Schema can say one thing.

use serde_json::{Number, Value};

/// A module, as its `api_info` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The topic, or whatever else the module gives as its title.
    pub topic: String,
    /// What the module does, in its own words; empty where it does not say.
    pub documentation: String,
    /// What can be called.
    pub functions: Vec<Function>,
    /// What can be made, and called on what was made.
    pub classes: Vec<Class>,
    /// The types that have a name, in the order in which they are met: what [`TypeId`] points to.
    pub types: Vec<Declaration>,
    /// The document itself.
    pub api_info: Value,
}

/// A function, or a method of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The `func_name` of a request.
    pub name: String,
    /// What it does; empty where the module does not say.
    pub documentation: String,
    /// The arguments that carry data, in the module's order.
    pub arguments: Vec<Field>,
    /// The name of the argument through which the function reports its progress, where it does.
    pub reporter: Option<String>,
    /// Whether callers may send arguments that the description does not name.
    pub is_open: bool,
    /// The result.
    pub result: Schema,
    /// Whether the module marks it as deprecated.
    pub is_deprecated: bool,
}

/// A class. It is made anew for every call of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The `class_name` of a request.
    pub name: String,
    /// What it is; empty where the module does not say.
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
    /// Its name in JSON, which need not be an identifier.
    pub name: String,
    /// What stands there.
    pub schema: Schema,
    /// Whether it may be left out.
    pub presence: Presence,
}

/// Whether a field may be left out, and what that means.
#[derive(Debug, Clone, PartialEq)]
pub enum Presence {
    /// It must be given.
    Required,
    /// It may be left out, which means this value.
    Default(Value),
    /// It may be left out; the module does not say what that means.
    Optional,
}

/// What may stand in one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The type.
    pub ty: Type,
    /// What it means here; empty where the module does not say.
    pub documentation: String,
    /// Which values of the type are accepted.
    pub constraints: Box<Constraints>,
}

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Only null.
    Null,
    /// True or false.
    Boolean,
    /// An integer; the width is given where a Rust module gave one.
    Integer(Option<Width>),
    /// A number that need not be an integer.
    Number,
    /// A text.
    Text(Format),
    /// One of these values: texts, integers, or truth values; at least one, none twice.
    Literal(Vec<Value>),
    /// The type or null. What is inside is neither null nor nullable.
    Nullable(Box<Schema>),
    /// A list.
    List(Box<Schema>),
    /// A list without a value twice.
    Set(Box<Schema>),
    /// A list of as many values as there are types.
    Tuple(Vec<Schema>),
    /// An object whose keys are data.
    Map(Box<Schema>),
    /// A type that has a name: the index in [`Description::types`].
    Named(TypeId),
    /// Any of at least two types, of which none is null, nullable or a union.
    Union(Vec<Variant>),
    /// Any JSON value.
    Any(Openness),
}

/// One of the types of a union.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// What the module calls it: the title, the tag, the name of a type; empty where there is none.
    pub name: String,
    /// The type.
    pub schema: Schema,
}

/// Why a type is any JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Openness {
    /// The module accepts anything, or does not say what.
    Declared,
    /// What the schema says cannot be said in this description, for this reason: a sentence without
    /// a full stop.
    Inexpressible(String),
}

/// The index of a type in [`Description::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub usize);

/// The width of an integer: the `format` that `schemars` writes, such as `uint8`.
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

/// What a text stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Itself.
    Plain,
    /// Bytes in the base64 of RFC 4648 §4.
    Base64,
    /// A NetCDF-3 file in base64: an array or a dataset of xarray, by the title.
    NetCdf(NetCdf),
    /// A date and a time, with or without an offset from UTC.
    DateTime,
    /// A date.
    Date,
    /// A time of the day.
    Time,
    /// A length of time, as in ISO 8601.
    Duration,
    /// A UUID.
    Uuid,
    /// What the schema's `format` says, and this description does not know.
    Other(String),
}

/// What a NetCDF file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetCdf {
    /// One variable.
    DataArray,
    /// Any number of variables.
    Dataset,
}

/// A type that has a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Its name, which no other has; not yet an identifier of any language.
    pub name: String,
    /// What it is; empty where the module does not say.
    pub documentation: String,
    /// What it consists of.
    pub definition: Definition,
}

/// What a type that has a name consists of.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// An object with known properties.
    Object {
        /// The properties, in the module's order.
        fields: Vec<Field>,
        /// What its further properties are, where the module says that there may be some.
        rest: Option<Box<Schema>>,
        /// The regular expressions that the names of further properties of that type match, if the
        /// module does not describe other properties; empty if all further properties have that
        /// type.
        rest_patterns: Vec<String>,
    },
    /// Another name for what a schema says. It leads to itself through a list, a tuple, a map or an
    /// object at most.
    Alias(Schema),
}

/// Which values of a type are accepted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Constraints {
    /// The least number.
    pub minimum: Option<Number>,
    /// The greatest number.
    pub maximum: Option<Number>,
    /// Numbers are greater than this.
    pub exclusive_minimum: Option<Number>,
    /// Numbers are less than this.
    pub exclusive_maximum: Option<Number>,
    /// Numbers are a multiple of this.
    pub multiple_of: Option<Number>,
    /// The least number of characters.
    pub min_length: Option<u64>,
    /// The greatest number of characters.
    pub max_length: Option<u64>,
    /// The regular expression that a text matches.
    pub pattern: Option<String>,
    /// The values that a text must not have.
    pub excluded: Vec<String>,
    /// The least number of values in a list, or of keys in a map.
    pub min_items: Option<u64>,
    /// The greatest number of values in a list, or of keys in a map.
    pub max_items: Option<u64>,
}

impl Description {
    /// The pattern in the syntax of Rust's `regex`, for checking texts. `None` if only the module
    /// can check it.
    ///
    /// Modules of this framework have patterns of JSON Schema, which are translated; patterns of
    /// pydantic have this syntax already.
    pub fn checked_pattern(&self, pattern: &str) -> Option<String> {
        match self.api_info.get("x_dasf") {
            Some(_) => dasf_pattern::to_rust(pattern).ok(),
            None => Some(pattern.to_owned()),
        }
    }

    /// The type that a name stands for.
    ///
    /// # Panics
    /// When `id` is of another description.
    pub fn declaration(&self, id: TypeId) -> &Declaration {
        &self.types[id.0]
    }
}

impl Type {
    /// The fixed texts, and the variant for other texts, if the type accepts both: the module knows
    /// the fixed ones, and a newer module may send others.
    pub fn open_texts(&self) -> Option<(&[Value], &Variant)> {
        match self {
            Self::Union(variants) => open_texts(variants),
            _ => None,
        }
    }
}

/// As [`Type::open_texts`], for the variants of a union.
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
    /// The only value of a type, if it has only one. Such a value distinguishes an object from
    /// others. `types` are those of the description.
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
    /// A schema that says nothing but the type.
    pub fn of(ty: Type) -> Self {
        Self {
            ty,
            documentation: String::new(),
            constraints: Box::default(),
        }
    }

    /// The constraints in words, with those of what is inside a nullable or a list.
    pub fn limits(&self) -> Vec<String> {
        let mut limits = self.constraints.phrases();
        match &self.ty {
            Type::Nullable(inner) => limits.extend(inner.limits()),
            Type::List(item) | Type::Set(item) => {
                let items = item.limits().into_iter();
                limits.extend(items.map(|limit| format!("each {limit}")));
            }
            _ => {}
        }
        limits
    }

    /// Whether a value breaks the constraints, as far as this is easy to find out. The default of a
    /// module may break them: rounding to 32 bits changes a number.
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
    /// Whether it must be given.
    pub fn is_required(&self) -> bool {
        self.presence == Presence::Required
    }

    /// Whether the property is always there with one value. It distinguishes its object from
    /// others: an object without it is another one. `types` are those of the description.
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
    /// The constraints in words, such as `greater than 0`, each a phrase of its own.
    pub fn phrases(&self) -> Vec<String> {
        fn number(text: &str, value: Option<&Number>) -> Option<String> {
            value.map(|value| format!("{text} {value}"))
        }
        fn count(text: &str, value: Option<u64>, unit: &str) -> Option<String> {
            let plural = if value == Some(1) { "" } else { "s" };
            value.map(|value| format!("{text} {value} {unit}{plural}"))
        }
        let phrases = [
            number("at least", self.minimum.as_ref()),
            number("greater than", self.exclusive_minimum.as_ref()),
            number("at most", self.maximum.as_ref()),
            number("less than", self.exclusive_maximum.as_ref()),
            number("a multiple of", self.multiple_of.as_ref()),
            count("at least", self.min_length, "character"),
            count("at most", self.max_length, "character"),
            self.pattern
                .as_ref()
                .map(|pattern| format!("the pattern `{pattern}`")),
            (!self.excluded.is_empty()).then(|| {
                let excluded = self.excluded.iter();
                let excluded: Vec<String> = excluded.map(|text| format!("`{text}`")).collect();
                format!("other than {}", excluded.join(", "))
            }),
            count("at least", self.min_items, "item"),
            count("at most", self.max_items, "item"),
        ];
        phrases.into_iter().flatten().collect()
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
