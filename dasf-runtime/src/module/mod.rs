//! Modules: their members, and how a request becomes a call.

mod access;
mod arguments;
mod callable;
mod contract;
pub mod descriptor;
mod detour;
mod fields;
mod find;
mod floats;
mod parameters;
mod plain_arguments;
mod quickness;
mod readable;
pub(crate) mod request;
mod run;
pub(crate) mod schema;
mod target;
pub(crate) mod unknown_arguments;
mod unknown_variants;
pub mod validate;
pub(crate) mod value_types;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use dasf_protocol::api_info::{ApiInfo, Extensions, extension};
use dasf_protocol::payload::{self, PayloadError};
use serde_json::{Map, Value};

pub use arguments::Arguments;
pub use schema::{StructTag, schema_of};

pub use crate::outcome::{Failure, FailureKind, Outcome, Output, encode_result};

use crate::context::Context;
use crate::progress::{ProgressReport, ReportSink};
use crate::read;
use access::Access;
pub(crate) use access::Origin;
use callable::Callable;
use contract::Contract;
use descriptor::{ArgumentDescriptor, Member, ModuleDescriptor, TypeDescriptor};
#[cfg(feature = "cli")]
pub(crate) use detour::Intercept;
use detour::{Detour, Way};
use schema::SchemaBuilder;
pub(crate) use target::Target;
use target::full_name;

/// The name of the module in messages about a missing function or class.
pub(crate) const MODULE: &str = "the module";

/// A module that is ready to be called, with compiled schemas.
///
/// Generated code makes it from the annotated `mod`. The command line, the host and tests call it.
pub struct Module {
    descriptor: &'static ModuleDescriptor,
    description: String,
    functions: HashMap<&'static str, Arc<Callable>>,
    classes: HashMap<&'static str, Class>,
    /// The functions and classes, in the order of the source.
    members: Vec<&'static Member>,
    /// Who may call any of its functions.
    access: Access,
    /// What happens to each request before its function runs.
    detour: Option<Arc<Detour>>,
    api: ApiTemplate,
}

/// The documents that describe the module, without the topic that becomes their title.
struct ApiTemplate {
    schema: Map<String, Value>,
    info: ApiInfo,
}

struct Class {
    constructor: Contract,
    methods: HashMap<&'static str, Arc<Callable>>,
}

/// The error of a module that cannot be served, because a schema is invalid or some values of a
/// type can never be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[error("{member} cannot be served: {reason}")]
pub struct ModuleError {
    /// The function, class or method, or its argument or result.
    pub member: String,
    /// The error in its schema or type.
    pub reason: String,
}

/// The parts of a request that a generated wrapper passes to its function.
pub struct Invocation {
    /// The constructor's arguments; empty for a function.
    pub constructor: Arguments,
    /// The function's or method's own arguments.
    pub arguments: Arguments,
    /// The context of the call.
    pub context: Context,
    report: Option<ReportSink>,
    /// The detour that the call makes.
    way: Option<Way>,
}

impl Invocation {
    /// Returns the report of an argument of type [`ProgressReport`]: the one in the request, or the
    /// declared default.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the request's value is not a report.
    pub fn take_report(
        &mut self,
        name: &'static str,
        default: impl Fn() -> ProgressReport,
    ) -> Result<ProgressReport, Failure> {
        let mut report = self
            .arguments
            .take_or(name, read::read, || default().to_wire())?;
        if report.steps == 0 {
            // The form of the web page sends the default from the schema of reports, not the
            // default of the argument.
            report.steps = default().to_wire().steps;
        }
        Ok(match self.report.take() {
            Some(sink) => sink.open(report),
            None => ProgressReport::detached(report),
        })
    }
}

impl Module {
    /// Makes a module ready to be called.
    ///
    /// # Errors
    /// Returns a [`ModuleError`] if a schema is invalid, for example because a `pattern` is not a
    /// regular expression. Also fails if two members would get the same title, if a default does
    /// not match its schema, or if values of a type can never be read.
    pub fn new(descriptor: &'static ModuleDescriptor) -> Result<Self, ModuleError> {
        Self::of_members(descriptor, descriptor.members.iter().collect())
    }

    /// Leaves out all functions and classes but these. Callers see no others, and cannot call them. The order of the
    /// names has no meaning.
    ///
    /// ```no_run
    /// # fn run(arithmetic: dasf_runtime::Module) -> Result<(), dasf_runtime::ModuleError> {
    /// let part = arithmetic.with_members(["add", "Greeter"])?;
    /// # drop(part);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns a [`ModuleError`] if the module does not have a member of this name.
    pub fn with_members<N: AsRef<str>>(
        self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, ModuleError> {
        let mut chosen = HashSet::new();
        for name in names {
            let name = name.as_ref();
            if !self.members().any(|member| member == name) {
                let known: Vec<_> = self.members().map(str::to_owned).collect();
                return Err(ModuleError {
                    member: name.to_owned(),
                    reason: unknown_arguments::unknown_member(MODULE, "member", name, &known),
                });
            }
            chosen.insert(name.to_owned());
        }
        let mut members = self.members;
        members.retain(|member| chosen.contains(member.name()));
        let module = Self::of_members(self.descriptor, members)?;
        Ok(module.with_description(self.description))
    }

    fn of_members(
        descriptor: &'static ModuleDescriptor,
        members: Vec<&'static Member>,
    ) -> Result<Self, ModuleError> {
        let mut builder = SchemaBuilder::new(&members)?;
        check_types(&members)?;
        let mut functions = HashMap::new();
        let mut classes = HashMap::new();
        let mut extensions = Extensions::new([extension::REQUEST_FRAGMENTS, extension::TIMEOUT]);
        extensions.module_version = Some(descriptor.version.to_owned());
        let mut info = ApiInfo::new(Value::Null);
        info.x_dasf = Some(extensions);
        for member in &members {
            match member {
                Member::Function(function) => builder.add_function(function)?,
                Member::Class(class) => builder.add_class(class)?,
            }
        }
        let documents = builder.finish()?;
        let mut numbers = 1..=u16::MAX;
        // Functions beyond the last number share it.
        let mut next = || numbers.next().unwrap_or(u16::MAX);
        for member in &members {
            match member {
                Member::Function(function) => {
                    let schemas = documents.function(function);
                    let callable = Callable::new(next(), function, &schemas)?;
                    functions.insert(function.name, callable.into());
                    info.functions.push(schemas);
                }
                Member::Class(class) => {
                    let schemas = documents.class(class);
                    let mut methods = HashMap::new();
                    for (method, schemas) in class.methods.iter().zip(&schemas.methods) {
                        let callable = Callable::new(next(), method, schemas)?;
                        methods.insert(method.name, callable.into());
                    }
                    let constructor =
                        Contract::new(class.name, class.arguments, &schemas.rpc_schema)?;
                    classes.insert(
                        class.name,
                        Class {
                            constructor,
                            methods,
                        },
                    );
                    info.classes.push(schemas);
                }
            }
        }
        let api = ApiTemplate {
            schema: documents.into_module_schema(),
            info,
        };
        let description = descriptor.description.to_owned();
        Ok(Self {
            descriptor,
            description,
            functions,
            classes,
            access: Access::to_module(&members),
            members,
            detour: None,
            api,
        })
    }

    /// Replaces the description, which is the documentation comment by default.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Returns the name of the annotated `mod`.
    pub fn name(&self) -> &'static str {
        self.descriptor.name
    }

    /// Returns the topic from the attribute, if it has one.
    pub fn topic(&self) -> Option<&'static str> {
        self.descriptor.topic
    }

    /// Returns the version of the module: from the attribute, otherwise the version of the package.
    pub fn version(&self) -> &'static str {
        self.descriptor.version
    }

    /// Returns the description of the module.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Returns the names of the functions and classes.
    pub(crate) fn members(&self) -> impl Iterator<Item = &'static str> {
        self.members.iter().map(|member| member.name())
    }

    /// Returns the schema of a request to this module on `topic`: the response to `info`.
    pub fn schema(&self, topic: &str) -> Value {
        let mut schema = self.api.schema.clone();
        schema.insert("title".to_owned(), topic.into());
        schema.insert("description".to_owned(), self.description.as_str().into());
        Value::Object(schema)
    }

    /// Returns the API description of this module on `topic`: the response to `api_info`.
    pub fn api_info(&self, topic: &str) -> ApiInfo {
        let mut info = self.api.info.clone();
        info.rpc_schema = self.schema(topic);
        info
    }

    /// Runs the call in the payload of a request, which is base64.
    ///
    /// A plain function runs on a thread of the runtime for blocking work. An `async` function and a
    /// plain function marked as `inline` run in this task. A panic becomes a failure like any other.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the payload is not a valid request to this module, or if the
    /// function fails.
    ///
    /// # Cancel safety
    /// If the future is dropped, an `async` function is dropped at its next `await`. A plain
    /// function runs to its end.
    pub async fn call(
        &self,
        payload: &str,
        context: Context,
        report: Option<ReportSink>,
    ) -> Outcome {
        let payload = payload::decode(payload)
            .map_err(|error: PayloadError| Failure::validation(error.to_string()))?;
        let target = self.read(&payload.into(), context.origin())?;
        target.run(context, report).await
    }

    /// Runs the call in a request, given as JSON text. Numbers keep all their digits.
    ///
    /// # Errors
    /// The same as [`Module::call`].
    ///
    /// # Cancel safety
    /// The same as [`Module::call`].
    pub async fn call_text(
        &self,
        request: &str,
        context: Context,
        report: Option<ReportSink>,
    ) -> Outcome {
        let target = self.find(&request.into(), context.origin())?;
        target.run(context, report).await
    }

    /// Checks a request, which is a JSON text, against the schema of the function that it names.
    ///
    /// # Errors
    /// Returns the [`Failure`] with which the module rejects the request.
    pub(crate) fn check(&self, request: &str) -> Result<(), Failure> {
        self.find(&request.into(), Origin::Program).map(drop)
    }

    /// Runs the call in a request, given as a JSON value.
    ///
    /// # Errors
    /// The same as [`Module::call`].
    ///
    /// # Cancel safety
    /// The same as [`Module::call`].
    pub async fn call_value(
        &self,
        request: Value,
        context: Context,
        report: Option<ReportSink>,
    ) -> Outcome {
        let target = self.find(&request.to_string().into(), context.origin())?;
        target.run(context, report).await
    }

    /// Returns the number of the last function, or 0 if there is none.
    pub(crate) fn last_number(&self) -> u16 {
        let methods = self
            .classes
            .values()
            .flat_map(|class| class.methods.values());
        let all = self.functions.values().chain(methods);
        all.map(|it| it.number).max().unwrap_or_default()
    }

    /// Returns the name of the function with this number, with its class.
    pub(crate) fn function_name(&self, number: u16) -> Option<Cow<'static, str>> {
        let functions = self.functions.values().map(|function| ("", function));
        let methods = self
            .classes
            .iter()
            .flat_map(|(class, it)| it.methods.values().map(|method| (*class, method)));
        let mut all = functions.chain(methods);
        let (class, found) = all.find(|(_, it)| it.number == number)?;
        Some(full_name(class, found.descriptor.name))
    }

    /// Returns the names of the functions that only users in some groups may call.
    pub(crate) fn functions_for_groups(&self) -> Vec<Cow<'static, str>> {
        let members = self.members.iter();
        let all = members.flat_map(|member| match member {
            Member::Function(function) => vec![("", function)],
            Member::Class(class) => class.methods.iter().map(|it| (class.name, it)).collect(),
        });
        all.filter(|(_, function)| !function.allow_groups.is_empty())
            .map(|(class, function)| full_name(class, function.name))
            .collect()
    }

    /// Checks whether a call may reach any function of the module, before it is known which one it names.
    ///
    /// # Errors
    /// Returns the [`Failure`] of a call that may not.
    pub(crate) fn check_access(&self, origin: Origin<'_>) -> Result<(), Failure> {
        self.access.check(origin, || MODULE.to_owned())
    }
}

/// Checks that values of the types of all arguments and results can be read.
///
/// # Errors
/// Returns the first type whose values cannot be read.
fn check_types(members: &[&'static Member]) -> Result<(), ModuleError> {
    let mut checked = HashSet::new();
    let mut check = |ty: &TypeDescriptor, place: &dyn Fn() -> String| {
        if !checked.insert((ty.id)()) {
            return Ok(());
        }
        readable::check(ty).map_err(|reason| ModuleError {
            member: place(),
            reason,
        })
    };
    let mut check_arguments = |arguments: &[ArgumentDescriptor], member: &str| {
        arguments.iter().try_for_each(|argument| {
            let place = || format!("the argument {} of {member}", argument.name);
            check(&argument.ty, &place)
        })
    };
    for member in members {
        match member {
            Member::Function(function) => check_arguments(function.arguments, function.name)?,
            Member::Class(class) => {
                check_arguments(class.arguments, class.name)?;
                for method in class.methods {
                    check_arguments(method.arguments, method.name)?;
                }
            }
        }
    }
    for function in schema::functions(members) {
        let place = || format!("the result of {}", function.name);
        check(&function.returns.ty, &place)?;
    }
    Ok(())
}
