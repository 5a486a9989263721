//! What a module can do, and requests to it.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use dasf_protocol::api_info::{ApiInfo, ClassInfo, FunctionInfo};
use dasf_protocol::{Topic, reference};
use dasf_runtime::module::validate::{
    Dialect, Fields, Parameters, list_problems, unknown_argument, unknown_member,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::definitions::Definitions;
use crate::forms::ResultForms;
use crate::problem::{Kind, Offending, Problem, pointer};
use crate::signature::Signature;

/// The keys of requests that are not arguments.
const FUNCTION_NAME: &str = "func_name";
const CLASS_NAME: &str = "class_name";
const FUNCTION: &str = "function";
/// The name of the module in messages.
const MODULE: &str = "the module";

/// The API description of a module, with the checks of its requests.
#[derive(Debug)]
pub(crate) struct Description {
    topic: Topic,
    /// The description as the module sent it.
    text: String,
    info: ApiInfo,
    functions: HashMap<String, Parameters>,
    classes: HashMap<String, Class>,
    document: OnceLock<Bytes>,
}

#[derive(Debug)]
struct Class {
    constructor: Parameters,
    methods: HashMap<String, Parameters>,
}

/// A function, or a method with the class that it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'d> {
    name: &'d str,
    parameters: &'d Parameters,
    class: Option<(&'d str, &'d Parameters)>,
}

impl Description {
    /// Reads the description that a module sent.
    pub(crate) fn read(topic: &Topic, text: String) -> Result<Self, Problem> {
        let info: ApiInfo = serde_json::from_str(&text).map_err(|error| {
            Problem::new(
                Kind::Failed,
                format!(
                    "the API description of the module on topic {topic} cannot be read: {error}"
                ),
            )
        })?;
        let dialect = Dialect::of(&info);
        let named = |functions: &[FunctionInfo]| -> HashMap<String, Parameters> {
            let functions = functions.iter();
            functions
                .map(|it| (it.name.clone(), Parameters::new(&it.rpc_schema, dialect)))
                .collect()
        };
        let class = |class: &ClassInfo| {
            let read = Class {
                constructor: Parameters::new(&class.rpc_schema, dialect),
                methods: named(&class.methods),
            };
            (class.name.clone(), read)
        };
        Ok(Self {
            topic: topic.clone(),
            functions: named(&info.functions),
            classes: info.classes.iter().map(class).collect(),
            document: OnceLock::new(),
            info,
            text,
        })
    }

    /// Returns the description as the module sent it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the version of the module, if it has one.
    pub(crate) fn version(&self) -> Option<&str> {
        let extensions = self.info.x_dasf.as_ref()?;
        extensions.module_version.as_deref()
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    pub(crate) fn info(&self) -> &ApiInfo {
        &self.info
    }

    /// Finds a function.
    pub(crate) fn function(&self, name: &str) -> Result<Member<'_>, Problem> {
        if let Some((name, parameters)) = self.functions.get_key_value(name) {
            return Ok(Member {
                name,
                parameters,
                class: None,
            });
        }
        let detail = if self.classes.contains_key(name) {
            format!(
                "{name} is a class; call a method of it: /api/{}/{name}/METHOD",
                self.topic
            )
        } else {
            let functions = self.info.functions.iter().map(|it| it.name.clone());
            let classes = self.info.classes.iter().map(|it| it.name.clone());
            let known: Vec<String> = functions.chain(classes).collect();
            self.unknown(MODULE, "function", name, &known)
        };
        Err(Problem::new(Kind::NotFound, detail))
    }

    /// Finds a method of a class.
    pub(crate) fn method(&self, class: &str, name: &str) -> Result<Member<'_>, Problem> {
        let Some((class, found)) = self.classes.get_key_value(class) else {
            let known: Vec<String> = self.info.classes.iter().map(|it| it.name.clone()).collect();
            let detail = self.unknown(MODULE, "class", class, &known);
            return Err(Problem::new(Kind::NotFound, detail));
        };
        let Some((name, parameters)) = found.methods.get_key_value(name) else {
            let known: Vec<String> = found.methods.keys().cloned().collect();
            let detail = self.unknown(class, "method", name, &known);
            return Err(Problem::new(Kind::NotFound, detail));
        };
        Ok(Member {
            name,
            parameters,
            class: Some((class, &found.constructor)),
        })
    }

    fn unknown(&self, owner: &str, kind: &str, name: &str, known: &[String]) -> String {
        let text = unknown_member(owner, kind, name, known);
        format!("topic {}: {text}", self.topic)
    }

    /// Returns the document that shows the module, as JSON.
    pub(crate) fn document(&self) -> Bytes {
        let write = || Bytes::from(self.to_document().to_string());
        self.document.get_or_init(write).clone()
    }

    fn to_document(&self) -> Value {
        let mut document = Map::new();
        document.insert("topic".to_owned(), self.topic.as_str().into());
        if let Some(text) = self.info.rpc_schema.get("description") {
            document.insert("description".to_owned(), text.clone());
        }
        if let Some(version) = self.version() {
            document.insert("version".to_owned(), version.into());
        }
        let functions = self.info.functions.iter().map(function_document);
        document.insert("functions".to_owned(), functions.collect());
        let classes = self.info.classes.iter().map(class_document);
        document.insert("classes".to_owned(), classes.collect());
        Value::Object(document)
    }
}

fn class_document(class: &ClassInfo) -> Value {
    let mut document = member_document(&class.name, &class.rpc_schema);
    let methods = class.methods.iter().map(function_document);
    document.insert("methods".to_owned(), methods.collect());
    Value::Object(document)
}

fn function_document(function: &FunctionInfo) -> Value {
    let FunctionInfo {
        name,
        rpc_schema,
        return_schema,
        ..
    } = function;
    let mut document = member_document(name, rpc_schema);
    document.insert("returns".to_owned(), return_schema.clone());
    let properties = rpc_schema["properties"].as_object();
    let mut properties = properties.into_iter().flat_map(Map::values);
    let reports = properties.any(is_reporter);
    document.insert("reports_progress".to_owned(), reports.into());
    if let Some(kind) = response_type(return_schema) {
        document.insert("response_type".to_owned(), kind);
    }
    Value::Object(document)
}

fn is_reporter(schema: &Value) -> bool {
    schema["is_reporter"] == true
}

/// Returns the name with which a result tells how it wants to be shown, if its schema fixes it.
fn response_type(schema: &Value) -> Option<Value> {
    let target = schema.get("$ref").and_then(Value::as_str);
    let target = target.and_then(reference::definition);
    let target = target.map(|(keyword, name)| &schema[keyword][&*name]);
    let property = &target.unwrap_or(schema)["properties"]["response_type"];
    let value = property.get("const").or_else(|| property.get("default"));
    value.filter(|value| value.is_string()).cloned()
}

/// Returns what the documents of functions and classes have in common.
fn member_document(name: &str, schema: &Value) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("name".to_owned(), name.into());
    for key in ["title", "description", "uiSchema"] {
        if let Some(value) = schema.get(key) {
            document.insert(key.to_owned(), value.clone());
        }
    }
    document.insert("parameters".to_owned(), arguments_schema(schema));
    document
}

/// Returns the schema of the arguments alone, without the name of the function and the report of its progress.
pub(crate) fn arguments_schema(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else {
        return json!({"type": "object"});
    };
    let is_argument = |name: &str| {
        let property = schema.get("properties").and_then(|it| it.get(name));
        ![FUNCTION_NAME, CLASS_NAME, FUNCTION].contains(&name) && !property.is_some_and(is_reporter)
    };
    let mut arguments = schema.clone();
    arguments.remove("title");
    arguments.remove("description");
    arguments.remove("uiSchema");
    if let Some(properties) = arguments
        .get_mut("properties")
        .and_then(Value::as_object_mut)
    {
        properties.retain(|name, _| is_argument(name));
    }
    if let Some(required) = arguments.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str().is_some_and(is_argument));
    }
    Value::Object(arguments)
}

impl<'d> Member<'d> {
    /// Returns `add`, or `Greeter.greet`.
    pub(crate) fn full_name(&self) -> String {
        match self.class {
            None => self.name.to_owned(),
            Some((class, _)) => format!("{class}.{}", self.name),
        }
    }

    /// Returns whether a query can hold all arguments.
    pub(crate) fn fits_a_query(&self) -> bool {
        let constructor = self.class.is_none_or(|(_, it)| it.fit_a_query());
        constructor && self.parameters.fit_a_query()
    }

    /// Returns the arguments in the forms that they can have, with the definitions of their schemas.
    pub(crate) fn signature(
        &self,
        description: &'d Description,
    ) -> Result<(Definitions<'d>, Signature<'d>), Problem> {
        let class = self.class.map(|(name, _)| name);
        let found = Signature::find(&description.info, class, self.name);
        found.ok_or_else(|| Problem::new(Kind::Internal, "the description has changed"))
    }

    /// Returns the forms that the result can have.
    pub(crate) fn result_forms(
        &self,
        description: &'d Description,
    ) -> Result<ResultForms, Problem> {
        let (definitions, signature) = self.signature(description)?;
        Ok(ResultForms::of(&definitions, signature.result))
    }

    /// Returns the arguments that pairs of names and texts stand for. A list has a pair for each item.
    pub(crate) fn of_texts<'t>(
        &self,
        texts: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<Fields, Problem> {
        let mut names = Vec::new();
        let mut given: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, text) in texts {
            let texts = given.entry(name).or_default();
            if texts.is_empty() {
                names.push(name);
            }
            texts.push(text);
        }
        let mut fields = Fields::default();
        for name in names {
            let texts = given.get(name).map_or(&[][..], Vec::as_slice);
            let value = match self.place_of(name)? {
                Place::Function(name) => self.parameters.values_of(name, texts),
                Place::Constructor(constructor, name) => constructor.values_of(name, texts),
            };
            fields.0.push((name.to_owned(), value));
        }
        Ok(fields)
    }

    /// Checks the arguments, and returns the request.
    pub(crate) fn request(&self, arguments: &Fields) -> Result<Box<RawValue>, Problem> {
        let mut function = Object::named(FUNCTION_NAME, self.name);
        let Some((class, constructor)) = self.class else {
            for (name, value) in &arguments.0 {
                self.place_of(name)?;
                function.push(name, value.get());
            }
            let json = function.end();
            self.check(self.parameters, &json, pointer)?;
            return raw(json);
        };
        let mut request = Object::named(CLASS_NAME, class);
        for (name, value) in &arguments.0 {
            match self.place_of(name)? {
                Place::Function(name) => function.push(name, value.get()),
                Place::Constructor(_, name) => request.push(name, value.get()),
            }
        }
        let function = function.end();
        let mut problems = self.problems(constructor, &request.clone().end(), |path| {
            self.pointer_of_constructor(class, path)
        });
        problems.extend(self.problems(self.parameters, &function, pointer));
        self.refuse(problems)?;
        request.push(FUNCTION, &function);
        raw(request.end())
    }

    /// Returns where an argument belongs.
    fn place_of<'n>(&self, name: &'n str) -> Result<Place<'d, 'n>, Problem> {
        let names = self.parameters.names();
        let Some((class, constructor)) = self.class else {
            if names.allows(name) {
                return Ok(Place::Function(name));
            }
            let text = unknown_argument(self.name, name, &names.all());
            return Err(self.offending(name, text));
        };
        let of_constructor = constructor.names();
        let prefixed = name.strip_prefix(class).and_then(|it| it.strip_prefix('.'));
        if let Some(name) = prefixed.filter(|name| of_constructor.knows(name)) {
            return Ok(Place::Constructor(constructor, name));
        }
        if names.knows(name) {
            return Ok(Place::Function(name));
        }
        if of_constructor.knows(name) || (of_constructor.allows(name) && !names.allows(name)) {
            return Ok(Place::Constructor(constructor, name));
        }
        if names.allows(name) {
            return Ok(Place::Function(name));
        }
        let mut known = names.all();
        for name in of_constructor.all() {
            if known.contains(&name) {
                known.push(format!("{class}.{name}"));
            } else {
                known.push(name);
            }
        }
        Err(self.offending(name, unknown_argument(&self.full_name(), name, &known)))
    }

    /// Returns the pointer of a place in the arguments of the constructor, in the flat object.
    fn pointer_of_constructor(&self, class: &str, path: &str) -> String {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, rest) = path.split_at(end);
        if self.parameters.names().knows(name) {
            format!("/{class}.{name}{}", pointer(rest))
        } else {
            pointer(path)
        }
    }

    fn check(
        &self,
        parameters: &Parameters,
        json: &str,
        place: impl Fn(&str) -> String,
    ) -> Result<(), Problem> {
        self.refuse(self.problems(parameters, json, place))
    }

    fn problems(
        &self,
        parameters: &Parameters,
        json: &str,
        place: impl Fn(&str) -> String,
    ) -> Vec<(dasf_protocol::problem::Problem, Offending)> {
        let problems = parameters.problems(json, "").into_iter();
        let problems = problems.map(|problem| {
            let offending = Offending {
                path: place(problem.path()),
                detail: problem.message().to_owned(),
            };
            (problem, offending)
        });
        problems.collect()
    }

    fn refuse(
        &self,
        problems: Vec<(dasf_protocol::problem::Problem, Offending)>,
    ) -> Result<(), Problem> {
        if problems.is_empty() {
            return Ok(());
        }
        let (problems, errors): (Vec<_>, Vec<_>) = problems.into_iter().unzip();
        let detail = list_problems(&self.full_name(), &problems);
        Err(Problem::invalid(detail, errors))
    }

    /// Returns the problem of one argument.
    pub(crate) fn offending(&self, name: &str, detail: String) -> Problem {
        let name: String = name.chars().take(100).collect();
        let path = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let errors = vec![Offending {
            path,
            detail: detail.clone(),
        }];
        Problem::invalid(detail, errors)
    }
}

/// The part of a request to which an argument belongs, with its name there.
enum Place<'d, 'n> {
    Function(&'n str),
    Constructor(&'d Parameters, &'n str),
}

/// A JSON object while it is written.
#[derive(Clone)]
struct Object(String);

impl Object {
    /// Returns an object with one field, whose value is a text.
    fn named(key: &str, name: &str) -> Self {
        Self(format!("{{\"{key}\":{}", Value::from(name)))
    }

    fn push(&mut self, name: &str, json: &str) {
        self.0.push(',');
        // This writes JSON.
        let _ = write!(self.0, "{}", Value::from(name));
        self.0.push(':');
        self.0.push_str(json);
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn raw(json: String) -> Result<Box<RawValue>, Problem> {
    RawValue::from_string(json).map_err(|error| {
        Problem::new(
            Kind::BadRequest,
            format!("the arguments are not JSON: {error}"),
        )
    })
}
