//! A module as the macros understand it.

use proc_macro2::Span;
use quote::format_ident;
use syn::ext::IdentExt;
use syn::{Attribute, Expr, Ident, Path, Type};

use crate::constraints::Constraint;
use crate::options::{DefaultOption, Errors, UnknownArguments};
use crate::types::{ArgumentType, ResultType, Shape};

/// An annotated `mod`.
pub(crate) struct Module {
    pub(crate) name: Ident,
    pub(crate) krate: Path,
    pub(crate) topic: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) description: String,
    pub(crate) version: Option<String>,
    pub(crate) has_main: bool,
    /// The texts of errors that callers get, unless a function has its own setting.
    pub(crate) errors: Errors,
    pub(crate) unknown_arguments: UnknownArguments,
    pub(crate) members: Vec<Member>,
}

pub(crate) enum Member {
    Function(Box<Function>),
    Class(Box<Class>),
}

/// A function, a method or a constructor.
pub(crate) struct Function {
    pub(crate) ident: Ident,
    /// The name in requests.
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// The attributes of the item that the client's method has too.
    pub(crate) outer: Outer,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) result: ResultType,
    pub(crate) return_description: Option<String>,
    pub(crate) return_constraints: Vec<Constraint>,
    pub(crate) schema_extra: Option<Expr>,
    pub(crate) is_async: bool,
    pub(crate) is_inline: bool,
    /// The texts of its errors that callers get, if it has its own setting.
    pub(crate) errors: Option<Errors>,
    /// Whether it is a method that takes `&mut self`.
    pub(crate) is_mutating: bool,
}

pub(crate) struct Class {
    pub(crate) ty: Type,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) outer: Outer,
    pub(crate) constructor: Function,
    pub(crate) methods: Vec<Function>,
}

/// The attributes of an item that generated code needs.
#[derive(Default)]
pub(crate) struct Outer {
    /// The documentation comment.
    pub(crate) docs: Vec<Attribute>,
    /// The attributes `#[cfg(…)]`.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) deprecated: Option<Attribute>,
}

pub(crate) struct Argument {
    pub(crate) ident: Ident,
    /// The name in requests.
    pub(crate) name: String,
    pub(crate) ty: ArgumentType,
    pub(crate) default: Option<DefaultOption>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) constraints: Vec<Constraint>,
    pub(crate) examples: Vec<Expr>,
    pub(crate) conditions: Vec<Attribute>,
}

impl Argument {
    /// Returns whether a request may leave it out.
    pub(crate) fn has_default(&self) -> bool {
        self.default.is_some() || matches!(self.ty.shape, Shape::Optional | Shape::Reporter)
    }

    /// Returns whether it is part of the request, and of a client's method.
    pub(crate) fn is_data(&self) -> bool {
        !matches!(self.ty.shape, Shape::Reporter | Shape::Context)
    }
}

impl Member {
    pub(crate) fn outer(&self) -> &Outer {
        match self {
            Self::Function(function) => &function.outer,
            Self::Class(class) => &class.outer,
        }
    }

    /// Returns the functions in it: itself, or the constructor and the methods of a class.
    pub(crate) fn functions(&self) -> Vec<&Function> {
        match self {
            Self::Function(function) => vec![function],
            Self::Class(class) => std::iter::once(&class.constructor)
                .chain(&class.methods)
                .collect(),
        }
    }
}

impl Outer {
    pub(crate) fn of(attributes: &[Attribute]) -> Self {
        Self {
            docs: of_name(attributes, "doc"),
            conditions: of_name(attributes, "cfg"),
            deprecated: of_name(attributes, "deprecated").pop(),
        }
    }
}

pub(crate) fn of_name(attributes: &[Attribute], name: &str) -> Vec<Attribute> {
    let attributes = attributes.iter();
    attributes
        .filter(|attribute| attribute.path().is_ident(name))
        .cloned()
        .collect()
}

/// Returns a name in snake case: `greeter` for `Greeter`, `sea_ice` for `SeaIce`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut previous_is_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && previous_is_lower {
            snake.push('_');
        }
        previous_is_lower = letter.is_lowercase() || letter.is_ascii_digit();
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// Joins several names to one for generated code. The length of each comes before it, so that
/// different lists make different names.
pub(crate) fn joined(parts: &[&Ident], suffix: &str) -> Ident {
    let mut name = "__dasf".to_owned();
    for part in parts {
        let part = part.unraw().to_string();
        name.push_str(&format!("_{}{part}", part.len()));
    }
    format_ident!("{name}_{suffix}", span = Span::call_site())
}
