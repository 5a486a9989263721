//! The request of a call or a job: reading it from the command line, and checking it as the module does.

use dasf_protocol::api_info::{ApiInfo, FunctionInfo};
use serde_json::Value;
use serde_json::value::RawValue;

use super::argument::argument_value;
use super::values::{Given, Sources};
use super::{Error, unknown, unknown_argument};
use crate::module::Failure;
use crate::module::unknown_arguments::ArgumentNames;
use crate::module::validate::{Dialect, Fields, Parameters, Problem, list_problems};

/// A request whose values are read, but not checked: a function with arguments `NAME=VALUE`.
///
/// ```
/// use dasf_protocol::api_info::ApiInfo;
/// use dasf_runtime::cli::UncheckedRequest;
/// use serde_json::json;
///
/// let api: ApiInfo = serde_json::from_value(json!({
///     "classes": [],
///     "functions": [{"name": "add", "rpc_schema": {"properties": {"func_name": {}, "a": {"type": "integer"}}}}],
///     "rpc_schema": {},
/// }))?;
/// let request = UncheckedRequest::read("add", &[], &["a=1".to_owned()], None)?;
/// assert_eq!(request.request(&api)?.get(), r#"{"a":1,"func_name":"add"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct UncheckedRequest {
    function: String,
    constructor: Input,
    arguments: Input,
}

impl UncheckedRequest {
    /// Reads the values of a function or of a method `CLASS.METHOD`, from files and from standard input where the
    /// arguments say so. `new` are the arguments of the constructor, and `json` is an object in place of
    /// `arguments`.
    ///
    /// # Errors
    /// [`Error::Usage`] when an argument has no value or is given twice, [`Error::Failed`] when a file cannot be
    /// read.
    pub fn read(
        function: &str,
        new: &[String],
        arguments: &[String],
        json: Option<&str>,
    ) -> Result<Self, Error> {
        let mut sources = Sources::default();
        let constructor = Input::Texts(sources.arguments(new)?);
        let arguments = match json {
            Some(json) => Input::Object(sources.object(json)?),
            None => Input::Texts(sources.arguments(arguments)?),
        };
        Ok(Self {
            function: function.to_owned(),
            constructor,
            arguments,
        })
    }

    /// Reads a request as modules receive it: a JSON object with `func_name`, or with `class_name` and `function`.
    ///
    /// ```
    /// use dasf_runtime::cli::UncheckedRequest;
    ///
    /// let request = r#"{"class_name": "Greeter", "function": {"func_name": "greet", "name": "Ada"}}"#;
    /// assert_eq!(UncheckedRequest::from_json(request)?.function(), "Greeter.greet");
    /// # Ok::<(), dasf_runtime::cli::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Usage`] when it is not an object, or names no function.
    pub fn from_json(request: &str) -> Result<Self, Error> {
        let mut fields = object("the request", request)?;
        let (constructor, name, mut arguments) = match take(&mut fields, "class_name") {
            None => (Input::Texts(Vec::new()), String::new(), fields),
            Some(class) => {
                let function = take(&mut fields, "function");
                let function = function.as_deref().map_or("null", RawValue::get);
                let name = format!("{}.", text("class_name", &class)?);
                (Input::Object(fields), name, object("function", function)?)
            }
        };
        let Some(function) = take(&mut arguments, "func_name") else {
            return Err(Error::usage(
                "the request has no func_name; write, for example, {\"func_name\": \"add\", \"a\": 1}",
            ));
        };
        Ok(Self {
            function: name + &text("func_name", &function)?,
            constructor,
            arguments: Input::Object(arguments),
        })
    }

    /// Returns the function, or the method as `CLASS.METHOD`.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// Checks the request as the module with this description does, and returns its JSON. The schema of a module
    /// may make this long.
    ///
    /// # Errors
    /// [`Error::Usage`] when the module would refuse the request.
    pub fn request(self, api: &ApiInfo) -> Result<Box<RawValue>, Error> {
        Target::find(api, &self.function)?.request(self.constructor, self.arguments)
    }
}

/// Takes a field of an object.
fn take(fields: &mut Fields, name: &str) -> Option<Box<RawValue>> {
    let place = fields.0.iter().position(|(field, _)| field == name)?;
    Some(fields.0.remove(place).1)
}

/// Reads a part of a request that must be an object.
fn object(part: &str, json: &str) -> Result<Fields, Error> {
    let object = serde_json::from_str(json);
    object.map_err(|error| Error::Usage(format!("{part} must be a JSON object: {error}")))
}

/// Reads a part of a request that must be a string.
fn text(part: &str, json: &RawValue) -> Result<String, Error> {
    let text = serde_json::from_str(json.get());
    text.map_err(|error| Error::Usage(format!("{part} must be a JSON string: {error}")))
}

/// Arguments from the command line.
#[derive(Debug)]
enum Input {
    /// Strings. Their meaning depends on the schema.
    Texts(Vec<Given>),
    /// JSON values.
    Object(Fields),
}

/// A function or method that is called.
#[derive(Debug)]
struct Target<'a> {
    /// The name in messages: `add` or `Greeter.greet`.
    name: &'a str,
    /// The constructor of the class, for a method.
    constructor: Option<Named<'a>>,
    function: Named<'a>,
}

/// The arguments of a function, method or constructor, with the name of it.
#[derive(Debug)]
struct Named<'a> {
    /// The name of the function, method or class.
    name: &'a str,
    parameters: Parameters,
}

impl<'a> Target<'a> {
    /// Finds a function by its name, or a method by `CLASS.METHOD`.
    fn find(api: &'a ApiInfo, name: &'a str) -> Result<Self, Error> {
        let patterns = Dialect::of(api);
        let named = |functions: &'a [FunctionInfo], name: &str| {
            functions.iter().find(|function| function.name == name)
        };
        if let Some(function) = named(&api.functions, name) {
            return Ok(Self {
                name,
                constructor: None,
                function: Named::new(&function.name, &function.rpc_schema, patterns),
            });
        }
        let (class_name, method_name) = name.split_once('.').unwrap_or((name, ""));
        let class = api.classes.iter().find(|class| class.name == class_name);
        if let Some(class) = class {
            if let Some(method) = named(&class.methods, method_name) {
                return Ok(Self {
                    name,
                    constructor: Some(Named::new(&class.name, &class.rpc_schema, patterns)),
                    function: Named::new(&method.name, &method.rpc_schema, patterns),
                });
            }
            let methods: Vec<String> = class.methods.iter().map(|it| it.name.clone()).collect();
            return Err(if method_name.is_empty() {
                let methods = methods.join(&format!(", {class_name}."));
                Error::Usage(format!(
                    "{class_name} is a class; call one of its methods: {class_name}.{methods}"
                ))
            } else {
                unknown(class_name, "method", method_name, &methods)
            });
        }
        let functions = api.functions.iter().map(|function| function.name.clone());
        let methods = api.classes.iter().flat_map(|class| {
            let methods = class.methods.iter();
            methods.map(|method| format!("{}.{}", class.name, method.name))
        });
        let known: Vec<String> = functions.chain(methods).collect();
        Err(unknown("the module", "function", name, &known))
    }

    /// Checks the arguments as the module does, and returns the request.
    fn request(&self, constructor: Input, arguments: Input) -> Result<Box<RawValue>, Error> {
        let constructor = match (&self.constructor, constructor) {
            (Some(class), input) => Some(class.read(class.name, input, |name| {
                let is_of_method = self.function.names().knows(name);
                is_of_method.then(|| format!("{} has it; write it without --new", self.name))
            })?),
            (None, Input::Texts(given)) if given.is_empty() => None,
            (None, _) => {
                let name = self.name;
                return Err(Error::Usage(format!(
                    "{name} is a function; --new is for the methods of classes"
                )));
            }
        };
        let mut arguments = self.function.read(self.name, arguments, |name| {
            let class = self.constructor.as_ref()?;
            let class_name = class.name;
            class
                .names()
                .knows(name)
                .then(|| format!("the constructor of {class_name} has it; put --new before it"))
        })?;
        push(
            &mut arguments,
            "func_name",
            Value::from(self.function.name).to_string(),
        )?;
        let arguments = arguments.to_json();

        let (Some(class), Some(mut request)) = (&self.constructor, constructor) else {
            self.refuse(&self.function.parameters.problems(&arguments, ""))?;
            return raw_json(arguments);
        };
        push(
            &mut request,
            "class_name",
            Value::from(class.name).to_string(),
        )?;
        let mut problems = class.parameters.problems(&request.to_json(), "");
        problems.extend(self.function.parameters.problems(&arguments, "function."));
        self.refuse(&problems)?;
        push(&mut request, "function", arguments)?;
        raw_json(request.to_json())
    }

    /// Fails with the message of the module if there are problems.
    fn refuse(&self, problems: &[Problem]) -> Result<(), Error> {
        if problems.is_empty() {
            return Ok(());
        }
        let problems = list_problems(self.name, problems);
        Err(Error::usage(Failure::validation(problems)))
    }
}

/// Adds a field whose value is JSON.
fn push(fields: &mut Fields, name: &str, json: String) -> Result<(), Error> {
    fields.0.push((name.to_owned(), raw_json(json)?));
    Ok(())
}

fn raw_json(json: String) -> Result<Box<RawValue>, Error> {
    RawValue::from_string(json).map_err(Error::failed)
}

impl<'a> Named<'a> {
    fn new(name: &'a str, schema: &Value, dialect: Dialect) -> Self {
        let parameters = Parameters::new(schema, dialect);
        if !parameters.is_checked() {
            tracing::warn!(
                name,
                "the schema is not valid; only the module checks the call"
            );
        }
        Self { name, parameters }
    }

    fn names(&self) -> ArgumentNames<'_> {
        self.parameters.names()
    }

    /// Returns the values of arguments. `elsewhere` returns the place where an argument of this
    /// name belongs.
    fn read(
        &self,
        full_name: &str,
        input: Input,
        elsewhere: impl Fn(&str) -> Option<String>,
    ) -> Result<Fields, Error> {
        let check = |name: &str| {
            if self.names().allows(name) {
                return Ok(());
            }
            Err(match elsewhere(name) {
                Some(hint) => Error::Usage(format!("{full_name} has no argument {name:?}; {hint}")),
                None => unknown_argument(full_name, name, &self.names().all()),
            })
        };
        match input {
            Input::Object(values) => {
                for (name, _) in &values.0 {
                    check(name)?;
                }
                Ok(values)
            }
            Input::Texts(texts) => {
                let mut values = Fields::default();
                for Given { name, text } in texts {
                    check(&name)?;
                    let value = argument_value(&self.parameters, &name, &text);
                    values.0.push((name, value));
                }
                Ok(values)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn api() -> ApiInfo {
        let text = json!({"type": "string"});
        serde_json::from_value(json!({
            "functions": [{
                "name": "f",
                "rpc_schema": {
                    "$defs": {"Lang": {"type": "string", "enum": ["en", "de"]}},
                    "type": "object",
                    "properties": {
                        "func_name": {"const": "f"},
                        "text": {"type": "string", "maxLength": 5},
                        "number": {"type": "number", "maximum": 9},
                        "lang": {"$ref": "#/$defs/Lang"},
                        "maybe": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}]},
                        "list": {"type": "array", "items": {"type": "integer"}},
                        "any": {},
                    },
                    "required": ["func_name", "number"],
                },
                "return_schema": {},
            }],
            "classes": [{
                "name": "Greeter",
                "rpc_schema": {
                    "type": "object",
                    "properties": {"class_name": {"const": "Greeter"}, "name": text, "greeting": text},
                    "required": ["class_name", "name"],
                },
                "methods": [{
                    "name": "greet",
                    "rpc_schema": {
                        "type": "object",
                        "properties": {"func_name": {"const": "greet"}, "name": text, "times": {"type": "integer"}},
                        "required": ["func_name", "name"],
                    },
                    "return_schema": {},
                }],
            }],
            "rpc_schema": {},
        }))
        .unwrap()
    }

    fn given(words: &[&str]) -> Input {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Input::Texts(Sources::default().arguments(&words).unwrap())
    }

    fn request_text(name: &str, constructor: &[&str], arguments: Input) -> Result<String, Error> {
        let api = api();
        let request = Target::find(&api, name)?.request(given(constructor), arguments)?;
        Ok(request.get().to_owned())
    }

    fn request(name: &str, constructor: &[&str], arguments: Input) -> Result<Value, Error> {
        let request = request_text(name, constructor, arguments)?;
        Ok(serde_json::from_str(&request).unwrap())
    }

    #[test]
    fn numbers_are_sent_as_they_are_written() {
        let digits = "265252859812191058636308480000000";
        for (argument, json) in [
            (format!("any={digits}"), format!(r#""any":{digits}"#)),
            (
                format!("any=[{digits}, 1.50]"),
                format!(r#""any":[{digits}, 1.50]"#),
            ),
            (
                format!("number=-{digits}"),
                format!(r#""number":-{digits}"#),
            ),
            (
                format!("text={}", &digits[..5]),
                format!(r#""text":"{}""#, &digits[..5]),
            ),
            ("any=1e400".to_owned(), r#""any":1e400"#.to_owned()),
            ("any=-0.0".to_owned(), r#""any":-0.0"#.to_owned()),
        ] {
            let mut arguments = vec![argument.as_str()];
            if !argument.starts_with("number") {
                arguments.push("number=1");
            }
            let sent = request_text("f", &[], given(&arguments)).unwrap();
            assert!(sent.contains(&json), "{sent}");
        }
        let json = format!(r#"{{"number": 1.0, "any": {{"a": {digits}}}}}"#);
        let fields = Sources::default().object(&json).unwrap();
        assert_eq!(
            request_text("f", &[], Input::Object(fields)).unwrap(),
            format!(r#"{{"number":1.0,"any":{{"a": {digits}}},"func_name":"f"}}"#)
        );
    }

    #[test]
    fn the_meaning_of_a_string_depends_on_the_schema() {
        for (argument, value) in [
            ("text=Ada", json!("Ada")),
            ("text=123", json!("123")),
            ("text=null", json!("null")),
            ("text=", json!("")),
            ("text=\"@x\"", json!("@x")),
            ("number=1", json!(1)),
            ("number=-1.5e3", json!(-1500.0)),
            ("lang=de", json!("de")),
            ("maybe=null", json!(null)),
            ("maybe=12", json!("12")),
            ("list=[1, 2]", json!([1, 2])),
            ("list=[1]\n", json!([1])),
            ("any=1", json!(1)),
            ("any=one", json!("one")),
            ("any={\"a\": 1}", json!({"a": 1})),
        ] {
            let mut arguments = vec![argument];
            if !argument.starts_with("number") {
                arguments.push("number=1");
            }
            let request = request("f", &[], given(&arguments)).unwrap();
            let name = argument.split('=').next().unwrap();
            assert_eq!(request[name], value, "{argument}");
            assert_eq!(request["func_name"], "f");
        }
    }

    #[test]
    fn problems_are_reported_in_the_words_of_the_module() {
        for (arguments, problem) in [
            (&["text=x"][..], "number: is required"),
            (
                &["number=10"],
                "number: 10 is greater than the maximum of 9",
            ),
            (&["number=x"], r#"number: "x" is not of type "number""#),
            (
                &["number=1", "text=123456"],
                r#"text: "123456" is longer than 5 characters"#,
            ),
            (
                &["number=1", "lang=5"],
                r#"lang: "5" is not one of "en" or "de""#,
            ),
            (
                &["number=1", "maybe=1"],
                r#"maybe: "1" is shorter than 2 characters"#,
            ),
            (
                &["number=1", "list=[1, \"a\"]"],
                r#"list[1]: "a" is not of type "integer""#,
            ),
        ] {
            let error = request("f", &[], given(arguments)).unwrap_err();
            let text = format!("validating: f: {problem}");
            assert_eq!(error, Error::Usage(text));
        }
    }

    #[test]
    fn constructor_and_method_have_their_own_arguments() {
        let method = ["name=Ada"];
        assert_eq!(
            request("Greeter.greet", &["name=Bob"], given(&method)).unwrap(),
            json!({
                "name": "Bob",
                "class_name": "Greeter",
                "function": {"name": "Ada", "func_name": "greet"},
            })
        );
        let error = request("Greeter.greet", &[], given(&["times=x"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "validating: Greeter.greet: name: is required; function.name: is required; \
             function.times: \"x\" is not of type \"integer\""
        );
        for (constructor, arguments, problem) in [
            (
                &[][..],
                &["greeting=Yo"][..],
                "Greeter.greet has no argument \"greeting\"; the constructor of Greeter has it; put \
                 --new before it",
            ),
            (
                &["times=1"],
                &[],
                "Greeter has no argument \"times\"; Greeter.greet has it; write it without --new",
            ),
            (
                &["greting=Yo"],
                &[],
                "Greeter has no argument \"greting\"; did you mean \"greeting\"?",
            ),
        ] {
            let error = request("Greeter.greet", constructor, given(arguments)).unwrap_err();
            assert_eq!(error, Error::Usage(problem.to_owned()));
        }
    }

    #[test]
    fn a_request_is_split_into_its_parts() {
        let read = |request: &str| UncheckedRequest::from_json(request)?.request(&api());
        for request in [
            r#"{"number":1.50,"func_name":"f"}"#,
            r#"{"name":"Bob","class_name":"Greeter","function":{"name":"Ada","func_name":"greet"}}"#,
        ] {
            assert_eq!(read(request).unwrap().get(), request);
        }
        for (request, problem) in [
            ("{", "the request must be a JSON object: "),
            ("{}", "the request has no func_name; "),
            (r#"{"func_name": 1}"#, "func_name must be a JSON string: "),
            (
                r#"{"class_name": "Greeter"}"#,
                "function must be a JSON object: ",
            ),
            (
                r#"{"class_name": "Greeter", "function": {}}"#,
                "the request has no func_name; ",
            ),
            (
                r#"{"func_name": "g"}"#,
                "the module has no function \"g\"; ",
            ),
            (
                r#"{"func_name": "f", "number": "1"}"#,
                "validating: f: number: ",
            ),
        ] {
            let error = read(request).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error:?}");
            assert!(error.to_string().starts_with(problem), "{error}");
        }
    }

    #[test]
    fn unknown_names_are_usage_mistakes() {
        let object =
            |json: Value| Input::Object(Sources::default().object(&json.to_string()).unwrap());
        for (name, constructor, arguments, problem) in [
            (
                "Greter.greet",
                &[][..],
                given(&[]),
                "the module has no function \"Greter.greet\"; did you mean \"Greeter.greet\"?",
            ),
            (
                "Greeter",
                &[],
                given(&[]),
                "Greeter is a class; call one of its methods: Greeter.greet",
            ),
            (
                "Greeter.great",
                &[],
                given(&[]),
                "Greeter has no method \"great\"; did you mean \"greet\"?",
            ),
            (
                "f",
                &["x=1"],
                given(&[]),
                "f is a function; --new is for the methods of classes",
            ),
            (
                "f",
                &[],
                given(&["nubmer=1"]),
                "f has no argument \"nubmer\"; did you mean \"number\"?",
            ),
            (
                "f",
                &[],
                object(json!({"func_name": "g", "number": 1})),
                "f has no argument \"func_name\"; its arguments are text, number, lang, maybe, list, \
                 any",
            ),
        ] {
            let error = request(name, constructor, arguments).unwrap_err();
            assert_eq!(error, Error::Usage(problem.to_owned()));
        }
    }

    #[test]
    fn an_invalid_schema_leaves_the_check_to_the_module() {
        for schema in [
            json!(null),
            json!([]),
            json!({"properties": {"a": {"pattern": "("}}}),
            json!({"properties": {"a": {"$ref": "#/nowhere"}}}),
            json!({"properties": 5}),
        ] {
            let parameters = Named::new("f", &schema, Dialect::Pydantic);
            let values = parameters
                .read("f", given(&["a=1"]), |_| None)
                .unwrap()
                .to_json();
            assert_eq!(values, r#"{"a":1}"#, "{schema}");
            assert_eq!(
                parameters.parameters.problems(&values, "").len(),
                0,
                "{schema}"
            );
        }
    }

    #[test]
    fn definitions_are_found_by_any_name() {
        let schema = json!({
            "$defs": {"Gruß": {"type": "string"}, "a/b~c": {"type": "string"}},
            "properties": {
                "a": {"$ref": "#/$defs/Gru%C3%9F"},
                "b": {"$ref": "#/$defs/a~1b~0c"},
            },
        });
        let parameters = Named::new("f", &schema, Dialect::Pydantic);
        let values = parameters
            .read("f", given(&["a=1", "b=2"]), |_| None)
            .unwrap();
        assert_eq!(values.to_json(), r#"{"a":"1","b":"2"}"#);
    }

    #[test]
    fn a_schema_that_leads_to_itself_ends() {
        let schema = json!({
            "$defs": {"A": {"$ref": "#/$defs/A"}, "B": {"anyOf": [{"$ref": "#/$defs/B"}]}},
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#/$defs/B"}},
        });
        let parameters = Named::new("f", &schema, Dialect::Pydantic);
        let values = parameters
            .read("f", given(&["a=1", "b=2"]), |_| None)
            .unwrap();
        parameters.parameters.problems(&values.to_json(), "");
    }
}
