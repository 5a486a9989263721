//! The constraints on values beyond their type, and contradictions among them.

use darling::util::SpannedValue;
use darling::{Error, FromMeta};
use proc_macro2::Span;
use syn::{Expr, Lit, Type};

use crate::names::{INTEGERS, Known, Names, parameters, type_path, ungrouped};
use crate::number::Number;
use crate::options;

/// The constraints among the options of an argument or a result.
#[derive(Debug, Default, FromMeta)]
#[darling(default)]
pub(crate) struct Constraints {
    gt: Option<SpannedValue<Number>>,
    ge: Option<SpannedValue<Number>>,
    lt: Option<SpannedValue<Number>>,
    le: Option<SpannedValue<Number>>,
    multiple_of: Option<SpannedValue<Number>>,
    min_length: Option<SpannedValue<u64>>,
    max_length: Option<SpannedValue<u64>>,
    pattern: Option<SpannedValue<String>>,
    min_items: Option<SpannedValue<u64>>,
    max_items: Option<SpannedValue<u64>>,
    format: Option<SpannedValue<String>>,
}

/// One constraint.
#[derive(Debug)]
pub(crate) struct Constraint {
    /// The option's name.
    option: &'static str,
    /// The JSON Schema keyword.
    pub(crate) keyword: &'static str,
    pub(crate) value: ConstraintValue,
    /// The kind of values that it constrains.
    about: Kind,
    span: Span,
}

/// The value of one constraint.
#[derive(Debug, Clone)]
pub(crate) enum ConstraintValue {
    Number(Number),
    Text(String),
}

impl ConstraintValue {
    fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

/// The kind of the values of a type, as far as its tokens show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    /// A string of one character, whose default is a `char`.
    Character,
    List,
    Boolean,
    /// The progress report or the context, which are not data.
    Tool,
    Unknown,
}

/// Returns the type that a constraint applies to: the type inside an `Option` or behind a reference.
fn innermost<'t>(ty: &'t Type, names: &Names) -> &'t Type {
    let ty = ungrouped(ty);
    if let Type::Reference(reference) = ty {
        return innermost(&reference.elem, names);
    }
    match names.known(ty) {
        Some((Known::Option, segment)) => {
            let inner = parameters(segment).next();
            inner.map_or(ty, |inner| innermost(inner, names))
        }
        _ => ty,
    }
}

/// Returns the name of a type that the module does not declare itself.
fn own_name(ty: &Type, names: &Names) -> Option<String> {
    let name = type_path(ty)?.path.segments.last()?.ident.to_string();
    (!names.declares(&name)).then_some(name)
}

impl Kind {
    /// Returns the kind of the values of a type.
    pub(crate) fn of_values(ty: &Type, names: &Names) -> Self {
        Self::of(innermost(ty, names), names)
    }

    /// Returns the kind of an [`innermost`] type.
    fn of(ty: &Type, names: &Names) -> Self {
        if let Type::Array(_) | Type::Slice(_) = ty {
            return Self::List;
        }
        match names.known(ty) {
            Some((Known::String, _)) => return Self::Text,
            Some((Known::Reporter | Known::Context, _)) => return Self::Tool,
            Some((Known::Option | Known::Result, _)) | None => {}
        }
        match own_name(ty, names).as_deref() {
            Some(name) if INTEGERS.contains(&name) => Self::Number,
            Some("f32" | "f64") => Self::Number,
            Some("str") => Self::Text,
            Some("char") => Self::Character,
            Some("bool") => Self::Boolean,
            Some("Vec" | "VecDeque" | "HashSet" | "BTreeSet") => Self::List,
            _ => Self::Unknown,
        }
    }

    /// Returns the kind in words, and the options that constrain it.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Number => ("numbers", "`gt`, `ge`, `lt`, `le` and `multiple_of`"),
            Self::Text | Self::Character => (
                "strings",
                "`min_length`, `max_length`, `pattern` and `format`",
            ),
            Self::List => ("lists", "`min_items` and `max_items`"),
            Self::Boolean => ("booleans", "no constraints"),
            Self::Tool | Self::Unknown => ("progress reports and contexts", "no constraints"),
        }
    }

    /// Returns whether a constraint on values of the kind `other` applies to this kind.
    fn takes(self, other: Self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Character => other == Self::Text,
            kind => kind == other,
        }
    }
}

impl Constraints {
    /// Returns the constraints that are given.
    pub(crate) fn list(&self) -> Vec<Constraint> {
        let number = |option, keyword, value: &Option<SpannedValue<Number>>| {
            value.as_ref().map(|value| Constraint {
                option,
                keyword,
                value: ConstraintValue::Number(**value),
                about: Kind::Number,
                span: value.span(),
            })
        };
        let length = |option, keyword, about, value: &Option<SpannedValue<u64>>| {
            value.as_ref().map(|value| Constraint {
                option,
                keyword,
                value: ConstraintValue::Number(Number::natural(u128::from(**value))),
                about,
                span: value.span(),
            })
        };
        let text = |option, keyword, value: &Option<SpannedValue<String>>| {
            value.as_ref().map(|value| Constraint {
                option,
                keyword,
                value: ConstraintValue::Text((**value).clone()),
                about: Kind::Text,
                span: value.span(),
            })
        };
        let all = [
            number("gt", "exclusiveMinimum", &self.gt),
            number("ge", "minimum", &self.ge),
            number("lt", "exclusiveMaximum", &self.lt),
            number("le", "maximum", &self.le),
            number("multiple_of", "multipleOf", &self.multiple_of),
            length("min_length", "minLength", Kind::Text, &self.min_length),
            length("max_length", "maxLength", Kind::Text, &self.max_length),
            length("min_items", "minItems", Kind::List, &self.min_items),
            length("max_items", "maxItems", Kind::List, &self.max_items),
            text("pattern", "pattern", &self.pattern),
            text("format", "format", &self.format),
        ];
        all.into_iter().flatten().collect()
    }
}

/// Returns the mistakes in the constraints of a value of this type, and in its default and examples.
/// Each of those values comes with its name in messages, such as `the default`.
pub(crate) fn check<'e>(
    constraints: &[Constraint],
    values: impl Iterator<Item = (&'static str, &'e Expr)>,
    ty: &Type,
    names: &Names,
) -> Vec<Error> {
    let ty = innermost(ty, names);
    let kind = Kind::of(ty, names);
    let mut errors = Vec::new();
    for constraint in constraints {
        if !kind.takes(constraint.about) {
            let (about, _) = constraint.about.words();
            let (values, options) = kind.words();
            let option = constraint.option;
            let error = format!("`{option}` constrains {about}; {values} take {options}");
            errors.push(Error::custom(error).with_span(&constraint.span));
        }
    }
    errors.extend(contradictions(constraints));
    errors.extend(inexact(constraints));
    errors.extend(no_patterns(constraints));
    if errors.is_empty() {
        errors.extend(out_of_range(constraints, ty, names));
    }
    if errors.is_empty() {
        let checked =
            values.filter_map(|(what, value)| check_value(constraints, what, value, kind));
        errors = checked.collect();
    }
    errors
}

/// Returns pairs of constraints that no value satisfies.
fn contradictions(constraints: &[Constraint]) -> Vec<Error> {
    let find = |names: &[&str]| {
        let mut given = constraints.iter();
        given.find(|constraint| names.contains(&constraint.option))
    };
    let mut errors = Vec::new();
    for (least, most) in [
        (&["gt", "ge"][..], &["lt", "le"][..]),
        (&["min_length"], &["max_length"]),
        (&["min_items"], &["max_items"]),
    ] {
        let (Some(least), Some(most)) = (find(least), find(most)) else {
            continue;
        };
        let (Some(low), Some(high)) = (least.value.number(), most.value.number()) else {
            continue;
        };
        let is_open = [least, most]
            .iter()
            .any(|it| matches!(it.option, "gt" | "lt"));
        if low > high || (is_open && low >= high) {
            let error = format!(
                "no value satisfies both `{} = {low}` and `{} = {high}`; change or remove one",
                least.option, most.option
            );
            errors.push(Error::custom(error).with_span(&most.span));
        }
    }
    for (first, second, bound) in [("gt", "ge", "lower"), ("lt", "le", "upper")] {
        if let (Some(_), Some(constraint)) = (find(&[first]), find(&[second])) {
            let error = format!("`{first}` and `{second}` both set the {bound} bound; remove one");
            errors.push(Error::custom(error).with_span(&constraint.span));
        }
    }
    if let Some(step) = find(&["multiple_of"])
        && (step.value.number()).is_some_and(|step| step <= Number::natural(0))
    {
        let error = "`multiple_of` must be greater than 0";
        errors.push(Error::custom(error).with_span(&step.span));
    }
    errors
}

/// Refuses invalid patterns, and patterns whose meaning differs between dialects.
fn no_patterns(constraints: &[Constraint]) -> impl Iterator<Item = Error> {
    let patterns = constraints
        .iter()
        .filter(|constraint| constraint.option == "pattern");
    patterns.filter_map(|constraint| {
        let ConstraintValue::Text(pattern) = &constraint.value else {
            return None;
        };
        let mistake = dasf_pattern::to_rust(pattern).err()?;
        Some(Error::custom(mistake).with_span(&constraint.span))
    })
}

/// Refuses numbers that a schema cannot hold.
fn inexact(constraints: &[Constraint]) -> impl Iterator<Item = Error> {
    let numbers = constraints
        .iter()
        .filter_map(|constraint| Some((constraint, constraint.value.number()?)));
    let inexact = numbers.filter(|(_, number)| number.to_json().is_none());
    inexact.map(|(constraint, number)| {
        let error = format!(
            "JSON cannot hold exactly {number}: integers have 64 bits, and floats have 53 binary \
             digits; use a number that fits, such as a power of two"
        );
        Error::custom(error).with_span(&constraint.span)
    })
}

/// The numbers of a type.
struct Numbers {
    name: String,
    least: Number,
    most: Number,
    are_whole: bool,
}

impl Numbers {
    /// Returns the numbers of a primitive type. `usize` counts as 64 bits on every machine.
    fn of(ty: &Type, names: &Names) -> Option<Self> {
        let name = own_name(ty, names)?;
        let signed = |bits: u32| {
            let most = (1_u128 << (bits - 1)) - 1;
            (-Number::natural(most + 1), Number::natural(most))
        };
        let unsigned = |bits: u32| {
            (
                Number::natural(0),
                Number::natural(u128::MAX >> (128 - bits)),
            )
        };
        let float = |most: f64| (Number::Float(-most), Number::Float(most));
        let (least, most) = match name.as_str() {
            "i8" => signed(8),
            "i16" => signed(16),
            "i32" => signed(32),
            "i64" | "isize" => signed(64),
            "i128" => signed(128),
            "u8" => unsigned(8),
            "u16" => unsigned(16),
            "u32" => unsigned(32),
            "u64" | "usize" => unsigned(64),
            "u128" => unsigned(128),
            // The usual decimal form; the exact value is a little smaller.
            "f32" => float(3.402_823_5e38),
            "f64" => float(f64::MAX),
            _ => return None,
        };
        let are_whole = matches!(least, Number::Integer { .. });
        Some(Self {
            name,
            least,
            most,
            are_whole,
        })
    }

    /// Returns the mistake in a constraint on these numbers.
    fn mistake(&self, constraint: &Constraint) -> Option<String> {
        let Self {
            name, least, most, ..
        } = self;
        let option = constraint.option;
        let bound = constraint.value.number()?;
        let (is_impossible, is_useless) = match option {
            "ge" => (bound > *most, bound < *least),
            "gt" => (bound >= *most, bound < *least),
            "le" => (bound < *least, bound > *most),
            "lt" => (bound <= *least, bound > *most),
            "multiple_of" if bound > *most => {
                return Some(format!(
                    "the only value of `{name}` that is a multiple of {bound} is 0; use a smaller \
                     number"
                ));
            }
            _ => (false, false),
        };
        let values = format!("value of `{name}` ({least} to {most})");
        if is_impossible {
            Some(format!(
                "no {values} satisfies `{option} = {bound}`; use a bound in between"
            ))
        } else {
            is_useless.then(|| format!("every {values} satisfies `{option} = {bound}`; remove it"))
        }
    }

    /// Returns whether a number lies within these bounds.
    fn has_one_within(&self, constraints: &[Constraint]) -> bool {
        let mut least = self.least;
        let mut most = self.most;
        for constraint in constraints {
            let Some(bound) = constraint.value.number() else {
                continue;
            };
            match constraint.option {
                "ge" => least = later(least, bound.ceil()),
                "gt" => least = later(least, bound.floor().next()),
                "le" => most = earlier(most, bound.floor()),
                "lt" => most = earlier(most, bound.ceil().previous()),
                _ => {}
            }
        }
        !self.are_whole || least <= most
    }
}

fn later(one: Number, other: Number) -> Number {
    if other > one { other } else { one }
}

fn earlier(one: Number, other: Number) -> Number {
    if other < one { other } else { one }
}

/// Returns the number of characters or items of every value of a type, if the type fixes it.
fn fixed_length(ty: &Type, names: &Names) -> Option<(Number, &'static str)> {
    match ty {
        Type::Array(array) => match options::ungrouped(&array.len) {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(length) => {
                    let length = length.base10_parse().ok()?;
                    Some((Number::natural(length), "item"))
                }
                _ => None,
            },
            _ => None,
        },
        _ if Kind::of(ty, names) == Kind::Character => Some((Number::natural(1), "character")),
        _ => None,
    }
}

/// Refuses constraints that no value of the type satisfies, or that every value satisfies.
fn out_of_range(constraints: &[Constraint], ty: &Type, names: &Names) -> Vec<Error> {
    let mut errors = Vec::new();
    if let Some(numbers) = Numbers::of(ty, names) {
        for constraint in constraints {
            if let Some(mistake) = numbers.mistake(constraint) {
                errors.push(Error::custom(mistake).with_span(&constraint.span));
            }
        }
        if let (true, Some(last)) = (errors.is_empty(), constraints.last())
            && !numbers.has_one_within(constraints)
        {
            let error = "no integer lies within these bounds; widen them";
            errors.push(Error::custom(error).with_span(&last.span));
        }
    }
    if let Some((length, unit)) = fixed_length(ty, names) {
        for constraint in constraints {
            let Some(bound) = constraint.value.number() else {
                continue;
            };
            let is_least = constraint.option.starts_with("min");
            let quantity = match (bound == length, (bound > length) == is_least) {
                (true, _) => continue,
                (false, true) => "no value",
                (false, false) => "every value",
            };
            let option = constraint.option;
            let plural = if length == Number::natural(1) {
                ""
            } else {
                "s"
            };
            let error = format!(
                "{quantity} satisfies `{option} = {bound}`: every value has {length} \
                 {unit}{plural}; remove it"
            );
            errors.push(Error::custom(error).with_span(&constraint.span));
        }
    }
    errors
}

/// Returns the mistake in a default or an example that is a literal. Others are checked when the
/// module starts.
fn check_value(constraints: &[Constraint], what: &str, value: &Expr, kind: Kind) -> Option<Error> {
    let error = |text: String| Some(Error::custom(text).with_span(value));
    let literal = match literal(value)? {
        Literal::Text(_) if kind == Kind::Number => {
            return error(format!(
                "{what} of a number must be a number, such as 1 or -0.5"
            ));
        }
        Literal::Number(_) if kind == Kind::Text => {
            return error(format!(
                "{what} of a string must be a string, such as \"m\""
            ));
        }
        Literal::Text(text) if kind == Kind::Character => {
            return error(format!(
                "{what} of a character must be a character, such as {:?}",
                text.chars().next().unwrap_or('m')
            ));
        }
        Literal::Text(_) | Literal::Number(_) if kind == Kind::Boolean => {
            return error(format!("{what} of a boolean must be `true` or `false`"));
        }
        literal => literal,
    };
    let breaks = |constraint: &&Constraint| {
        let Some(bound) = constraint.value.number() else {
            return false;
        };
        let value = match (&literal, constraint.about) {
            (Literal::Number(number), Kind::Number) => *number,
            (Literal::Text(text), Kind::Text) => Number::natural(text.chars().count() as u128),
            _ => return false,
        };
        match constraint.option {
            "gt" => value <= bound,
            "ge" | "min_length" => value < bound,
            "lt" => value >= bound,
            "le" | "max_length" => value > bound,
            "multiple_of" => value.is_multiple_of(bound) == Some(false),
            _ => false,
        }
    };
    let broken = constraints.iter().find(breaks)?;
    let bound = broken.value.number()?;
    error(format!(
        "{what} does not satisfy `{} = {bound}` of this argument",
        broken.option
    ))
}

enum Literal {
    Number(Number),
    Text(String),
}

fn literal(expression: &Expr) -> Option<Literal> {
    let expression = options::ungrouped(expression);
    match Number::from_expr(expression) {
        Ok(number) => Some(Literal::Number(number)),
        Err(_) => match expression {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(Literal::Text(text.value())),
                _ => None,
            },
            _ => None,
        },
    }
}
