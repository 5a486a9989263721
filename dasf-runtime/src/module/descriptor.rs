//! What the macros say about a module: plain tables, built at compile time.

use std::any::TypeId;
use std::future::Future;
use std::pin::Pin;

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::read::{Finding, Source};
use super::{Invocation, Outcome};

/// A module: the table that `#[dasf::module]` makes.
#[derive(Debug)]
pub struct ModuleDescriptor {
    /// The name of the `mod`.
    pub name: &'static str,
    /// The topic given in the attribute.
    pub topic: Option<&'static str>,
    /// The group given in the attribute.
    pub group: Option<&'static str>,
    /// What the module does, in words.
    pub description: &'static str,
    /// Whether the attribute gives the description, in place of the documentation.
    pub has_own_description: bool,
    /// The attribute's version, or the package's.
    pub version: &'static str,
    /// What can be called, in the order of the source.
    pub members: &'static [Member],
}

/// Something that a request can name.
#[derive(Debug)]
pub enum Member {
    /// A function.
    Function(FunctionDescriptor),
    /// A class.
    Class(ClassDescriptor),
}

/// A class with its constructor and methods.
#[derive(Debug)]
pub struct ClassDescriptor {
    /// The name in requests.
    pub name: &'static str,
    /// What the class is, in words.
    pub description: Option<&'static str>,
    /// The constructor's arguments.
    pub arguments: &'static [ArgumentDescriptor],
    /// Whether callers should turn to another.
    pub is_deprecated: bool,
    /// Whether requests with unknown arguments of the constructor are refused. Otherwise the module
    /// ignores these arguments.
    pub refuses_unknown: bool,
    /// What can be called on it.
    pub methods: &'static [FunctionDescriptor],
}

/// A function or method.
#[derive(Debug)]
pub struct FunctionDescriptor {
    /// The name in requests.
    pub name: &'static str,
    /// What the function does, in words.
    pub description: Option<&'static str>,
    /// Its arguments, in the order of the source.
    pub arguments: &'static [ArgumentDescriptor],
    /// Its result.
    pub returns: ReturnDescriptor,
    /// More keys for its schema.
    pub schema_extra: Option<fn() -> Value>,
    /// Whether callers should turn to another.
    pub is_deprecated: bool,
    /// Whether requests with unknown arguments are refused. Otherwise the module ignores these
    /// arguments.
    pub refuses_unknown: bool,
    /// The generated wrapper around it.
    pub handler: Handler,
}

impl ClassDescriptor {
    /// A class without a description.
    pub const fn new(
        name: &'static str,
        arguments: &'static [ArgumentDescriptor],
        methods: &'static [FunctionDescriptor],
    ) -> Self {
        Self {
            name,
            description: None,
            arguments,
            is_deprecated: false,
            refuses_unknown: false,
            methods,
        }
    }

    /// Says what the class is, in words.
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Tells callers to turn to another.
    pub const fn deprecated(mut self) -> Self {
        self.is_deprecated = true;
        self
    }

    /// Refuses requests with unknown arguments.
    pub const fn refuse_unknown(mut self) -> Self {
        self.refuses_unknown = true;
        self
    }
}

impl FunctionDescriptor {
    /// A function without a description, whose result has this schema.
    pub const fn new(
        name: &'static str,
        arguments: &'static [ArgumentDescriptor],
        result: TypeDescriptor,
        handler: Handler,
    ) -> Self {
        Self {
            name,
            description: None,
            arguments,
            returns: ReturnDescriptor {
                description: None,
                ty: result,
                keywords: &[],
            },
            schema_extra: None,
            is_deprecated: false,
            refuses_unknown: false,
            handler,
        }
    }

    /// Says what the function does, in words.
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Says what the result means, in words.
    pub const fn returns(mut self, description: &'static str) -> Self {
        self.returns.description = Some(description);
        self
    }

    /// Constrains the result.
    pub const fn return_keywords(mut self, keywords: &'static [Keyword]) -> Self {
        self.returns.keywords = keywords;
        self
    }

    /// Adds keys to the function's schema.
    pub const fn schema_extra(mut self, extra: fn() -> Value) -> Self {
        self.schema_extra = Some(extra);
        self
    }

    /// Tells callers to turn to another.
    pub const fn deprecated(mut self) -> Self {
        self.is_deprecated = true;
        self
    }

    /// Refuses requests with unknown arguments.
    pub const fn refuse_unknown(mut self) -> Self {
        self.refuses_unknown = true;
        self
    }

    /// Whether the function reports its progress.
    pub fn reports(&self) -> bool {
        self.arguments
            .iter()
            .any(|argument| argument.kind == ArgumentKind::Reporter)
    }
}

impl ArgumentDescriptor {
    /// A required argument of a type with this schema.
    pub const fn new(name: &'static str, ty: TypeDescriptor) -> Self {
        Self {
            name,
            title: None,
            description: None,
            ty,
            default: None,
            keywords: &[],
            kind: ArgumentKind::Data,
        }
    }

    /// Gives a title that is not made from the name.
    pub const fn title(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// Says what the argument means, in words.
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Gives a value that stands for a missing one.
    pub const fn default(mut self, default: fn() -> Option<Value>) -> Self {
        self.default = Some(default);
        self
    }

    /// Constrains the values, and adds other keywords to their schema.
    pub const fn keywords(mut self, keywords: &'static [Keyword]) -> Self {
        self.keywords = keywords;
        self
    }

    /// Makes it the report of the call's progress.
    pub const fn reporter(mut self) -> Self {
        self.kind = ArgumentKind::Reporter;
        self
    }
}

impl Keyword {
    /// A keyword with a number or a text.
    pub const fn new(name: &'static str, value: Literal) -> Self {
        Self { name, value }
    }

    /// One of an argument's examples.
    pub const fn example(value: fn() -> Option<Value>) -> Self {
        Self {
            name: "examples",
            value: Literal::Json(value),
        }
    }
}

/// One argument.
#[derive(Debug)]
pub struct ArgumentDescriptor {
    /// The name in requests.
    pub name: &'static str,
    /// The title, where it is not made from the name.
    pub title: Option<&'static str>,
    /// What the argument means, in words.
    pub description: Option<&'static str>,
    /// Its type.
    pub ty: TypeDescriptor,
    /// The value that stands for a missing one; `None` for a required argument.
    pub default: Option<fn() -> Option<Value>>,
    /// Its constraints and other schema keywords.
    pub keywords: &'static [Keyword],
    /// Whether it is data.
    pub kind: ArgumentKind,
}

/// Whether an argument is data of the caller or a tool of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A value in the request.
    Data,
    /// The report of the call's progress.
    Reporter,
}

/// A function's result.
#[derive(Debug)]
pub struct ReturnDescriptor {
    /// What the result means, in words.
    pub description: Option<&'static str>,
    /// Its type.
    pub ty: TypeDescriptor,
    /// Its constraints and other schema keywords.
    pub keywords: &'static [Keyword],
}

/// The schema of a type. Its definitions stay in the generator.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The type of an argument or a result.
#[derive(Debug, Clone, Copy)]
pub struct TypeDescriptor {
    /// Tells it from others.
    pub id: fn() -> TypeId,
    /// Its schema.
    pub schema: SchemaOf,
    /// Reads an example, to find out whether the type can be read.
    pub inspect: fn(Source<'_>) -> Finding,
}

/// One keyword of a JSON schema.
#[derive(Debug)]
pub struct Keyword {
    /// The keyword as JSON Schema writes it, such as `exclusiveMinimum`.
    pub name: &'static str,
    /// Its value.
    pub value: Literal,
}

/// The value of a [`Keyword`].
#[derive(Debug)]
pub enum Literal {
    /// An integer of at most 64 bits, because a schema does not hold longer ones exactly.
    Integer(i128),
    /// A number.
    Number(f64),
    /// A text.
    Text(&'static str),
    /// Anything else.
    Json(fn() -> Option<Value>),
}

impl Literal {
    pub(super) fn to_json(&self) -> Value {
        match *self {
            Self::Integer(integer) => match (i64::try_from(integer), u64::try_from(integer)) {
                (Ok(integer), _) => integer.into(),
                (_, Ok(integer)) => integer.into(),
                _ => (integer as f64).into(),
            },
            Self::Number(number) => number.into(),
            Self::Text(text) => text.into(),
            Self::Json(value) => value().unwrap_or_default(),
        }
    }
}

/// The generated code around a function: takes its arguments apart, calls it and encodes its
/// result.
#[derive(Debug, Clone, Copy)]
pub enum Handler {
    /// Runs on a thread where it may block.
    Blocking(fn(Invocation) -> Outcome),
    /// Runs where the I/O runs, without a thread of its own: for functions that take microseconds.
    Inline(fn(Invocation) -> Outcome),
    /// Runs on the runtime.
    Async(fn(Invocation) -> BoxedCall),
}

/// The future of an `async` function's call.
pub type BoxedCall = Pin<Box<dyn Future<Output = Outcome> + Send>>;
