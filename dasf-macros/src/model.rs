//! A module as the expansion needs it.

use syn::{Attribute, Expr, Ident, Path, Type};

use crate::attributes::{Constraint, DefaultOption, ErrorTexts, OuterAttributes, UnknownArguments};
use crate::types::{ArgumentKind, ArgumentType, ResultType};

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
    pub(crate) errors: ErrorTexts,
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
    pub(crate) outer: OuterAttributes,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) result: ResultType,
    pub(crate) return_description: Option<String>,
    pub(crate) return_constraints: Vec<Constraint>,
    pub(crate) schema_extra: Option<Expr>,
    pub(crate) is_async: bool,
    pub(crate) is_inline: bool,
    /// The texts of its errors that callers get, if it has its own setting.
    pub(crate) errors: Option<ErrorTexts>,
    /// The groups whose users may call it; everyone may if there are none.
    pub(crate) allow_groups: Vec<String>,
    /// Whether it is a method that takes `&mut self`.
    pub(crate) is_mutating: bool,
}

pub(crate) struct Class {
    pub(crate) ty: Type,
    pub(crate) ident: Ident,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) outer: OuterAttributes,
    pub(crate) constructor: Function,
    pub(crate) methods: Vec<Function>,
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

impl Function {
    /// Returns whether a call awaits: the function itself, or the constructor of its object.
    pub(crate) fn awaits(&self, class: Option<&Class>) -> bool {
        self.is_async || class.is_some_and(|class| class.constructor.is_async)
    }
}

impl Argument {
    /// Returns whether a request may leave it out.
    pub(crate) fn has_default(&self) -> bool {
        self.default.is_some()
            || matches!(
                self.ty.kind,
                ArgumentKind::Optional | ArgumentKind::Reporter
            )
    }

    /// Returns whether it is part of the request, and of a client's method.
    pub(crate) fn is_data(&self) -> bool {
        self.ty.is_data()
    }
}

impl Member {
    pub(crate) fn outer(&self) -> &OuterAttributes {
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
