//! The tables that describe a module. The macros build them at compile time.

use std::any::TypeId;
use std::future::Future;
use std::pin::Pin;

use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use super::{Invocation, Outcome};
use crate::read::{Finding, Source};

/// The table of a module, made by `#[dasf::module]`.
#[derive(Debug)]
pub struct ModuleDescriptor {
    /// The name of the `mod`.
    pub name: &'static str,
    /// The topic from the attribute.
    pub topic: Option<&'static str>,
    /// The group from the attribute.
    pub group: Option<&'static str>,
    /// The description of the module.
    pub description: &'static str,
    /// The version from the attribute, otherwise the version of the package.
    pub version: &'static str,
    /// The members, in the order of the source.
    pub members: &'static [Member],
}

/// A member of a module.
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
    /// The description of the class.
    pub description: Option<&'static str>,
    /// The arguments of the constructor.
    pub arguments: &'static [ArgumentDescriptor],
    /// Whether callers should use another class.
    pub is_deprecated: bool,
    /// Whether requests with unknown arguments of the constructor are refused. Otherwise the module
    /// ignores these arguments.
    pub refuses_unknown: bool,
    /// The methods.
    pub methods: &'static [FunctionDescriptor],
}

/// A function or method.
#[derive(Debug)]
pub struct FunctionDescriptor {
    /// The name in requests.
    pub name: &'static str,
    /// The description of the function.
    pub description: Option<&'static str>,
    /// The arguments, in the order of the source.
    pub arguments: &'static [ArgumentDescriptor],
    /// The result.
    pub returns: ReturnDescriptor,
    /// Additional keys for its schema.
    pub schema_extra: Option<fn() -> Value>,
    /// Whether callers should use another function.
    pub is_deprecated: bool,
    /// Whether requests with unknown arguments are refused. Otherwise the module ignores these
    /// arguments.
    pub refuses_unknown: bool,
    /// The groups whose users may call it; everyone may if there are none.
    pub allow_groups: &'static [&'static str],
    /// The generated wrapper around it.
    pub handler: Handler,
}

impl Member {
    /// Returns the name in requests.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Function(function) => function.name,
            Self::Class(class) => class.name,
        }
    }
}

impl ClassDescriptor {
    /// Returns a class without a description.
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

    /// Sets the description of the class.
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Marks the class as deprecated.
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
    /// Returns a function without a description, whose result has this type.
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
            allow_groups: &[],
            handler,
        }
    }

    /// Sets the description of the function.
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Sets the description of the result.
    pub const fn returns(mut self, description: &'static str) -> Self {
        self.returns.description = Some(description);
        self
    }

    /// Sets the constraints of the result.
    pub const fn return_keywords(mut self, keywords: &'static [Keyword]) -> Self {
        self.returns.keywords = keywords;
        self
    }

    /// Adds keys to the function's schema.
    pub const fn schema_extra(mut self, extra: fn() -> Value) -> Self {
        self.schema_extra = Some(extra);
        self
    }

    /// Marks the function as deprecated.
    pub const fn deprecated(mut self) -> Self {
        self.is_deprecated = true;
        self
    }

    /// Refuses requests with unknown arguments.
    pub const fn refuse_unknown(mut self) -> Self {
        self.refuses_unknown = true;
        self
    }

    /// Lets only users in these groups call the function.
    pub const fn allow_groups(mut self, groups: &'static [&'static str]) -> Self {
        self.allow_groups = groups;
        self
    }

    /// Returns whether the function reports its progress.
    pub fn reports(&self) -> bool {
        self.arguments
            .iter()
            .any(|argument| argument.kind == ArgumentKind::Reporter)
    }
}

impl ArgumentDescriptor {
    /// Returns a required argument of this type.
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

    /// Sets the title, which is made from the name by default.
    pub const fn title(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    /// Sets the description of the argument.
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Sets the default.
    pub const fn default(mut self, default: fn() -> Option<Value>) -> Self {
        self.default = Some(default);
        self
    }

    /// Sets the constraints and other keywords of the argument's schema.
    pub const fn keywords(mut self, keywords: &'static [Keyword]) -> Self {
        self.keywords = keywords;
        self
    }

    /// Makes the argument the progress report of the call.
    pub const fn reporter(mut self) -> Self {
        self.kind = ArgumentKind::Reporter;
        self
    }
}

impl Keyword {
    /// Returns a keyword with a value.
    pub const fn new(name: &'static str, value: Literal) -> Self {
        Self { name, value }
    }

    /// Returns a keyword for one of an argument's examples.
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
    /// The title, if it is not made from the name.
    pub title: Option<&'static str>,
    /// The description of the argument.
    pub description: Option<&'static str>,
    /// The type.
    pub ty: TypeDescriptor,
    /// The default; `None` for a required argument.
    pub default: Option<fn() -> Option<Value>>,
    /// The constraints and other schema keywords.
    pub keywords: &'static [Keyword],
    /// Whether it is data of the caller.
    pub kind: ArgumentKind,
}

/// The kind of an argument: data of the caller, or a tool of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A value in the request.
    Data,
    /// The progress report of the call.
    Reporter,
}

/// The result of a function.
#[derive(Debug)]
pub struct ReturnDescriptor {
    /// The description of the result.
    pub description: Option<&'static str>,
    /// The type.
    pub ty: TypeDescriptor,
    /// The constraints and other schema keywords.
    pub keywords: &'static [Keyword],
}

/// A function that returns the schema of a type, and adds its definitions to the generator.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The type of an argument or a result.
#[derive(Debug, Clone, Copy)]
pub struct TypeDescriptor {
    /// Returns the id that distinguishes it from other types.
    pub id: fn() -> TypeId,
    /// Returns its schema.
    pub schema: SchemaOf,
    /// Reads an example, to find out whether the type can be read.
    pub inspect: fn(Source<'_>) -> Finding,
}

/// A keyword of a JSON schema.
#[derive(Debug)]
pub struct Keyword {
    /// The name of the keyword in JSON Schema, for example `exclusiveMinimum`.
    pub name: &'static str,
    /// The value.
    pub value: Literal,
}

/// The value of a [`Keyword`].
#[derive(Debug)]
pub enum Literal {
    /// An integer of at most 64 bits, because a schema cannot hold longer ones exactly.
    Integer(i128),
    /// A float.
    Number(f64),
    /// A string.
    Text(&'static str),
    /// Another JSON value.
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

/// The generated code around a function. It extracts the arguments, calls the function and encodes
/// the result.
#[derive(Debug, Clone, Copy)]
pub enum Handler {
    /// Runs on a thread that may block.
    Blocking(fn(Invocation) -> Outcome),
    /// Runs on the thread of the host, which reads the requests, for functions that take only
    /// microseconds. If `max_workers` calls run, it waits for one of their threads.
    Inline(fn(Invocation) -> Outcome),
    /// Runs on the runtime.
    Async(fn(Invocation) -> BoxedCall),
}

/// The future of a call of an `async` function.
pub type BoxedCall = Pin<Box<dyn Future<Output = Outcome> + Send>>;
