//! Reading the REQUEST of a command.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use dasf_protocol::api_info::{ApiInfo, ClassInfo, FunctionInfo};
use dasf_protocol::text;
use serde_json::value::RawValue;

use super::{Error, input, unknown, yaml};
use crate::module::unknown_arguments::{self, Part};
use crate::module::{MODULE, Module};

/// Reads a request to a module: JSON or YAML, the path of a file with JSON or YAML, or `-` for
/// standard input. Returns JSON with the numbers as they are written.
///
/// Checks the request as the module does, and rejects unknown arguments, which the module would
/// ignore.
///
/// # Errors
/// [`Error::Usage`] when the request is not valid, [`Error::Failed`] when the file cannot be read.
pub(super) fn read(request: &str, module: &Module) -> Result<Box<RawValue>, Error> {
    // An existing path is always read as a file: the error shows why it cannot be read.
    let (text, origin) = if request == "-" {
        (input::read_text(request)?, "standard input")
    } else if Path::new(request).exists() {
        (input::read_text(request)?, request)
    } else {
        (text::without_mark(request).to_owned(), "the request")
    };
    let parsed = parse(&text).map_err(|reason| {
        Error::Usage(format!(
            "{origin} is neither a JSON or YAML object nor an existing file: {reason}; \
             write, for example, {{\"func_name\": \"add\", \"a\": 1}}"
        ))
    })?;
    let request = match parsed {
        Parsed::Json(json) => json,
        // The meaning of a plain word in YAML depends on the argument.
        Parsed::Yaml(node) => {
            let json = node.to_json(&module.schema("")).map_err(|reason| {
                Error::Usage(format!("{origin} cannot be written as JSON: {reason}"))
            })?;
            RawValue::from_string(json).map_err(Error::failed)?
        }
    };
    check_names(&module.api_info(""), &request)?;
    module.check(request.get()).map_err(Error::usage)?;
    Ok(request)
}

/// An object as JSON or YAML, as the user wrote it.
enum Parsed {
    Json(Box<RawValue>),
    Yaml(Rc<yaml::Node>),
}

fn parse(text: &str) -> Result<Parsed, String> {
    const NO_OBJECT: &str = "it is not an object";
    let error = match serde_json::from_str::<Box<RawValue>>(text) {
        Ok(json) if is_object(json.get()) => return Ok(Parsed::Json(json)),
        Ok(_) => return Err(NO_OBJECT.to_owned()),
        Err(error) => error,
    };
    if is_object(text) && !looks_like_yaml(text) {
        return Err(error.to_string());
    }
    let node = yaml::read(text)?;
    if node.is_object() {
        Ok(Parsed::Yaml(node))
    } else {
        Err(NO_OBJECT.to_owned())
    }
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Returns whether an object may be a flow mapping of YAML, whose keys need no quotes.
fn looks_like_yaml(text: &str) -> bool {
    !text
        .trim_start()
        .trim_start_matches('{')
        .trim_start()
        .starts_with('"')
}

/// The fields of a request, as they are written.
type Fields<'r> = BTreeMap<String, &'r RawValue>;

/// Rejects names that the module does not have, and suggests the name that was probably meant.
fn check_names(api: &ApiInfo, request: &RawValue) -> Result<(), Error> {
    let Ok(request) = serde_json::from_str::<Fields<'_>>(request.get()) else {
        return Ok(());
    };
    let text = |fields: &Fields<'_>, key: &str| {
        let value = fields.get(key)?.get();
        serde_json::from_str::<String>(value).ok()
    };
    let keys = |fields: &'_ Fields<'_>| fields.keys().cloned().collect::<Vec<_>>();
    let call = request.get("function").map(|it| it.get());
    let call = call.and_then(|it| serde_json::from_str::<Fields<'_>>(it).ok());
    let is_function = text(&request, "func_name").is_some();
    let has_class = |name: &str| api.classes.iter().any(|class| class.name == name);
    let unknown = match (text(&request, "class_name"), call) {
        // The module finds the function in the same way.
        (Some(class), Some(call)) if !is_function || has_class(&class) => {
            let class = find_class(api, &class)?;
            let Some(name) = text(&call, "func_name") else {
                return Ok(());
            };
            let method = find(&class.name, "method", &class.methods, &name, Vec::new)?;
            let (beside, inside) = (keys(&request), keys(&call));
            let constructor = Part {
                name: &class.name,
                schema: &class.rpc_schema,
                keys: beside.iter().map(String::as_str),
            };
            let called = Part {
                name: &name,
                schema: &method.rpc_schema,
                keys: inside.iter().map(String::as_str),
            };
            unknown_arguments::of_class(constructor, called)
        }
        _ => {
            let Some(name) = text(&request, "func_name") else {
                return Ok(());
            };
            let function = find(MODULE, "function", &api.functions, &name, || methods(api))?;
            let keys = keys(&request);
            let keys = keys.iter().map(String::as_str);
            unknown_arguments::of_function(&name, &function.rpc_schema, keys)
        }
    };
    match unknown {
        Some(unknown) => Err(Error::Usage(unknown.message)),
        None => Ok(()),
    }
}

fn find_class<'a>(api: &'a ApiInfo, name: &str) -> Result<&'a ClassInfo, Error> {
    let class = api.classes.iter().find(|class| class.name == name);
    class.ok_or_else(|| {
        let known: Vec<String> = api.classes.iter().map(|class| class.name.clone()).collect();
        unknown(MODULE, "class", name, &known)
    })
}

/// Finds a function or method. `others` returns further names that may have been meant.
fn find<'a>(
    owner: &str,
    kind: &str,
    functions: &'a [FunctionInfo],
    name: &str,
    others: impl FnOnce() -> Vec<String>,
) -> Result<&'a FunctionInfo, Error> {
    let function = functions.iter().find(|function| function.name == name);
    function.ok_or_else(|| {
        let known = functions.iter().map(|function| function.name.clone());
        let known: Vec<String> = known.chain(others()).collect();
        unknown(owner, kind, name, &known)
    })
}

/// Returns the names of all methods, as `CLASS.METHOD`.
fn methods(api: &ApiInfo) -> Vec<String> {
    let methods = api.classes.iter().flat_map(|class| {
        let methods = class.methods.iter();
        methods.map(|method| format!("{}.{}", class.name, method.name))
    });
    methods.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::module::Failure;
    use crate::module::descriptor::{
        ArgumentDescriptor, ClassDescriptor, FunctionDescriptor, Handler, Member, ModuleDescriptor,
    };
    use crate::probe::Probe;

    static OPTIONAL: &[ArgumentDescriptor] = &[
        ArgumentDescriptor::new("a", Probe::<i64>::TYPE),
        ArgumentDescriptor::new("b", Probe::<i64>::TYPE).default(|| Some(json!(2))),
    ];
    static NUMBER: &[ArgumentDescriptor] = &[ArgumentDescriptor::new("n", Probe::<f64>::TYPE)];
    static POINTS: &[ArgumentDescriptor] = &[ArgumentDescriptor::new(
        "points",
        Probe::<Vec<BTreeMap<String, f64>>>::TYPE,
    )];
    static NAME: &[ArgumentDescriptor] = &[ArgumentDescriptor::new("name", Probe::<String>::TYPE)];
    static GREETING: &[ArgumentDescriptor] =
        &[
            ArgumentDescriptor::new("greeting", Probe::<String>::TYPE)
                .default(|| Some(json!("Hi"))),
        ];
    static GREET: &[FunctionDescriptor] = &[function("greet", NAME)];
    static DESCRIPTOR: ModuleDescriptor = ModuleDescriptor {
        name: "test",
        topic: None,
        group: None,
        description: "A test.",
        version: "1.2.3",
        members: &[
            Member::Function(function("add", OPTIONAL)),
            Member::Function(function("area", POINTS)),
            Member::Function(function("round", NUMBER)),
            Member::Function(
                function("open", NAME).schema_extra(|| json!({"additionalProperties": true})),
            ),
            Member::Class(ClassDescriptor::new("Greeter", GREETING, GREET)),
        ],
    };

    const fn function(
        name: &'static str,
        arguments: &'static [ArgumentDescriptor],
    ) -> FunctionDescriptor {
        let handler = Handler::Inline(|_| Err(Failure::execution("never called")));
        FunctionDescriptor::new(name, arguments, Probe::<()>::TYPE, handler)
    }

    fn read(text: &str) -> Result<String, Error> {
        let module = Module::new(&DESCRIPTOR).unwrap();
        super::read(text, &module).map(|request| request.get().to_owned())
    }

    #[test]
    fn json_and_yaml_are_the_same_request() {
        let request = json!({"func_name": "area", "points": [{"x": 1.5}]});
        for text in [
            r#"{"func_name": "area", "points": [{"x": 1.5}]}"#,
            "\u{feff}{\"func_name\": \"area\", \"points\": [{\"x\": 1.5}]}",
            "func_name: area\npoints:\n  - x: 1.5\n",
            "\u{feff}func_name: area\npoints:\n  - x: 1.5\n",
            "{func_name: area, points: [{x: 1.5}]}",
        ] {
            let json: Value = serde_json::from_str(&read(text).unwrap()).unwrap();
            assert_eq!(json, request, "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        let digits = "265252859812191058636308480000000";
        for text in [
            format!("{{\"func_name\": \"round\", \"n\": {digits}}}"),
            format!("{{func_name: round, n: {digits}}}"),
            format!("func_name: round\nn: {digits}\n"),
        ] {
            let request = read(&text).unwrap();
            assert!(request.contains(digits), "{request}");
        }
        let request =
            read("class_name: Greeter\ngreeting: 1\nfunction: {func_name: greet, name: 007}");
        assert_eq!(
            request.unwrap(),
            r#"{"class_name":"Greeter","greeting":"1","function":{"func_name":"greet","name":"007"}}"#
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in [
            "",
            "5",
            "missing.json",
            "[1]",
            "{\"a\": ",
            "a: [",
            "\"text\"",
        ] {
            let error = match read(text) {
                Err(Error::Usage(message)) => message,
                other => panic!("{text:?}: {other:?}"),
            };
            assert!(
                !error.contains('\n') && error.contains("func_name"),
                "{error}"
            );
        }
        let folder = read("/").unwrap_err().to_string();
        assert!(folder.contains("it is a directory"), "{folder}");
    }

    #[test]
    fn names_that_the_module_does_not_have_are_rejected() {
        for (text, problem) in [
            (
                "{func_name: add, a: 1, bb: 3}",
                "add has no argument \"bb\"; did you mean \"b\"?",
            ),
            (
                r#"{"func_name": "add", "a": 1, "xyz": 3}"#,
                "add has no argument \"xyz\"; its arguments are a, b",
            ),
            (
                "{func_name: add, a: 1, class_name: None}",
                "add has no argument \"class_name\"; its arguments are a, b",
            ),
            (
                "{class_name: Greeter, greting: Yo, function: {func_name: greet, name: A}}",
                "Greeter has no argument \"greting\"; did you mean \"greeting\"?",
            ),
            (
                "{class_name: Greeter, function: {func_name: greet, nmae: A}}",
                "Greeter.greet has no argument \"nmae\"; did you mean \"name\"?",
            ),
            (
                "{class_name: Greeter, name: A, function: {func_name: greet}}",
                "Greeter has no argument \"name\"; Greeter.greet has it; write it inside \"function\"",
            ),
            (
                "{class_name: Greeter, function: {func_name: greet, name: A, greeting: Yo}}",
                "Greeter.greet has no argument \"greeting\"; the constructor of Greeter has it; write it \
                 beside \"function\"",
            ),
            (
                "{func_name: ad, a: 1}",
                "the module has no function \"ad\"; did you mean \"add\"?",
            ),
            (
                "{func_name: greet, name: A}",
                "the module has no function \"greet\"; did you mean \"Greeter.greet\"?",
            ),
            (
                "{func_name: xyz}",
                "the module has no function \"xyz\"; it has add, area, round, open, Greeter.greet",
            ),
            (
                "{class_name: Greter, function: {func_name: greet}}",
                "the module has no class \"Greter\"; did you mean \"Greeter\"?",
            ),
            (
                "{class_name: Greeter, function: {func_name: great, name: A}}",
                "Greeter has no method \"great\"; did you mean \"greet\"?",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), Error::usage(problem), "{text}");
        }
        for text in [
            "{func_name: open, name: A, more: 1}",
            "{func_name: area, points: [{x: 1, other: 2}]}",
        ] {
            read(text).unwrap();
        }
    }

    #[test]
    fn requests_that_the_module_rejects_are_not_valid() {
        for (text, problem) in [
            ("{a: 1}", "func_name: the name of the function is required"),
            ("{func_name: add}", "add: a: is required"),
            (
                "{func_name: add, a: one}",
                "add: a: \"one\" is not of type \"integer\"",
            ),
            (
                "{class_name: Greeter, function: {func_name: greet}}",
                "Greeter.greet: function.name: is required",
            ),
            (
                "{class_name: Greeter, function: 5, greeting: A}",
                "Greeter: function: an object with the func_name of the method is required",
            ),
        ] {
            let expected = Error::Usage(format!("validating: {problem}"));
            assert_eq!(read(text).unwrap_err(), expected, "{text}");
        }
    }
}
