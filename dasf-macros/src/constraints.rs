//! What a value must satisfy beyond its type, and whether that can be.

use darling::util::SpannedValue;
use darling::{Error, FromMeta, Result};
use proc_macro2::Span;
use syn::{Expr, Lit, Type, UnOp};

use crate::names::{Known, Names, parameters, type_path, ungrouped};
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
    min_length: Option<SpannedValue<u32>>,
    max_length: Option<SpannedValue<u32>>,
    pattern: Option<SpannedValue<String>>,
    min_items: Option<SpannedValue<u32>>,
    max_items: Option<SpannedValue<u32>>,
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
    /// What kind of values it is about.
    about: Kind,
    span: Span,
}

/// The value of one constraint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConstraintValue {
    Integer(i64),
    Number(f64),
    Text(String),
}

impl ConstraintValue {
    #[allow(clippy::cast_precision_loss)] // for comparisons only; a bound beyond 2^53 is none
    fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(*integer as f64),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

/// What kind of values a type has, as far as can be seen in its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    /// A text of one character, whose default is no `&str`.
    Character,
    List,
    Boolean,
    /// The report or the context: no values at all.
    Tool,
    Unknown,
}

impl Kind {
    fn of(ty: &Type, names: &Names) -> Self {
        match ungrouped(ty) {
            Type::Array(_) | Type::Slice(_) => return Self::List,
            Type::Reference(reference) => return Self::of(&reference.elem, names),
            _ => {}
        }
        match names.known(ty) {
            Some((Known::Option, segment)) => {
                let inner = parameters(segment).next();
                return inner.map_or(Self::Unknown, |inner| Self::of(inner, names));
            }
            Some((Known::String, _)) => return Self::Text,
            Some((Known::Reporter | Known::Context, _)) => return Self::Tool,
            Some((Known::Result, _)) | None => {}
        }
        let Some(name) = type_path(ty).and_then(|path| path.path.segments.last()) else {
            return Self::Unknown;
        };
        let name = name.ident.to_string();
        match name.as_str() {
            name if names.declares(name) => Self::Unknown,
            "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64"
            | "u128" | "usize" | "f32" | "f64" => Self::Number,
            "str" => Self::Text,
            "char" => Self::Character,
            "bool" => Self::Boolean,
            "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => Self::List,
            _ => Self::Unknown,
        }
    }

    /// The kind in words, and the options that are about it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Number => ("numbers", "`gt`, `ge`, `lt`, `le` and `multiple_of`"),
            Self::Text | Self::Character => (
                "texts",
                "`min_length`, `max_length`, `pattern` and `format`",
            ),
            Self::List => ("lists", "`min_items` and `max_items`"),
            Self::Boolean => ("truth values", "no constraints"),
            Self::Tool | Self::Unknown => ("reports and contexts", "no constraints"),
        }
    }

    /// Whether a constraint about `other` can be one of this kind's values.
    fn takes(self, other: Self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Character => other == Self::Text,
            kind => kind == other,
        }
    }
}

impl Constraints {
    /// The constraints that are given.
    pub(crate) fn list(&self) -> Vec<Constraint> {
        let number = |option, keyword, value: &Option<SpannedValue<Number>>| {
            value.as_ref().map(|value| Constraint {
                option,
                keyword,
                value: value.0.clone(),
                about: Kind::Number,
                span: value.span(),
            })
        };
        let length = |option, keyword, about, value: &Option<SpannedValue<u32>>| {
            value.as_ref().map(|value| Constraint {
                option,
                keyword,
                value: ConstraintValue::Integer(i64::from(**value)),
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

/// What is wrong with the constraints of a value of this type, and with values that are given for
/// it, each with what it is called.
pub(crate) fn check<'e>(
    constraints: &[Constraint],
    values: impl Iterator<Item = (&'static str, &'e Expr)>,
    ty: &Type,
    names: &Names,
) -> Vec<Error> {
    let kind = Kind::of(ty, names);
    let mut errors = Vec::new();
    for constraint in constraints {
        if !kind.takes(constraint.about) {
            let (about, _) = constraint.about.words();
            let (values, options) = kind.words();
            let option = constraint.option;
            let error = format!("`{option}` is about {about}; {values} take {options}");
            errors.push(Error::custom(error).with_span(&constraint.span));
        }
    }
    errors.extend(contradictions(constraints));
    if errors.is_empty() {
        let checked =
            values.filter_map(|(what, value)| check_value(constraints, what, value, kind));
        errors = checked.collect();
    }
    errors
}

/// Constraints that no value satisfies.
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
                "no value satisfies both `{}` and `{}`; exchange them, or remove one",
                least.option, most.option
            );
            errors.push(Error::custom(error).with_span(&most.span));
        }
    }
    for (first, second) in [("gt", "ge"), ("lt", "le")] {
        if let (Some(_), Some(constraint)) = (find(&[first]), find(&[second])) {
            let error = format!("`{first}` and `{second}` are two bounds of one end; remove one");
            errors.push(Error::custom(error).with_span(&constraint.span));
        }
    }
    if let Some(step) = find(&["multiple_of"])
        && step.value.number().is_some_and(|step| step <= 0.0)
    {
        let error = "`multiple_of` takes a number above 0";
        errors.push(Error::custom(error).with_span(&step.span));
    }
    errors
}

/// A value that is a literal is checked as a request would be.
fn check_value(constraints: &[Constraint], what: &str, value: &Expr, kind: Kind) -> Option<Error> {
    let error = |text: String| Some(Error::custom(text).with_span(value));
    let literal = match literal(value)? {
        Literal::Text(_) if kind == Kind::Number => {
            return error(format!("{what} of a number is a number, such as 1 or -0.5"));
        }
        Literal::Number(_) if kind == Kind::Text => {
            return error(format!("{what} of a text is a text, such as \"m\""));
        }
        Literal::Text(text) if kind == Kind::Character => {
            return error(format!(
                "{what} of a character is one, such as {:?}",
                text.chars().next().unwrap_or('m')
            ));
        }
        Literal::Text(_) | Literal::Number(_) if kind == Kind::Boolean => {
            return error(format!("{what} of a truth value is `true` or `false`"));
        }
        literal => literal,
    };
    let breaks = |constraint: &&Constraint| {
        let Some(bound) = constraint.value.number() else {
            return false;
        };
        #[allow(clippy::cast_precision_loss)] // no literal has 2^53 characters
        let value = match (&literal, constraint.about) {
            (Literal::Number(number), Kind::Number) => *number,
            (Literal::Text(text), Kind::Text) => text.chars().count() as f64,
            _ => return false,
        };
        match constraint.option {
            "gt" => value <= bound,
            "ge" | "min_length" => value < bound,
            "lt" => value >= bound,
            "le" | "max_length" => value > bound,
            _ => false,
        }
    };
    let broken = constraints.iter().find(breaks)?;
    error(format!(
        "{what} breaks the argument's own `{}`",
        broken.option
    ))
}

enum Literal {
    Number(f64),
    Text(String),
}

fn literal(expression: &Expr) -> Option<Literal> {
    let expression = options::ungrouped(expression);
    match Number::from_expr(expression) {
        Ok(number) => number.0.number().map(Literal::Number),
        Err(_) => match expression {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(Literal::Text(text.value())),
                _ => None,
            },
            _ => None,
        },
    }
}

/// A number as a literal, with or without a sign.
#[derive(Debug)]
struct Number(ConstraintValue);

impl FromMeta for Number {
    fn from_expr(expression: &Expr) -> Result<Self> {
        let (negative, inner) = match expression {
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => (true, &*unary.expr),
            other => (false, other),
        };
        let value = match inner {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(integer) => {
                    let integer: i64 = integer.base10_parse()?;
                    Some(ConstraintValue::Integer(if negative {
                        -integer
                    } else {
                        integer
                    }))
                }
                Lit::Float(float) => {
                    let float: f64 = float.base10_parse()?;
                    Some(ConstraintValue::Number(if negative {
                        -float
                    } else {
                        float
                    }))
                }
                _ => None,
            },
            _ => None,
        };
        value.map(Self).ok_or_else(|| {
            Error::custom("expected a number, such as 0 or -1.5").with_span(expression)
        })
    }
}
