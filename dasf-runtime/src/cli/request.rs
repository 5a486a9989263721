//! Reading the REQUEST of a command.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use dasf_protocol::api_info::{ApiInfo, FunctionInfo};
use dasf_protocol::text;
use serde_json::value::RawValue;

use super::{Error, input, yaml};
use crate::module::unknown_arguments::{self, Part};
use crate::module::{Failure, Module};

/// Reads a request to a module that is JSON or YAML text, the path of a file that holds such a
/// text, or `-` for standard input. The result is JSON, with its numbers as they are written.
pub(super) fn read(request: &str, module: &Module) -> Result<Box<RawValue>, Error> {
    // An existing path is read as a file, whatever it is; the error says why it cannot be read.
    let (text, origin) = if request == "-" {
        (input::read_text(request)?, "standard input")
    } else if Path::new(request).exists() {
        (input::read_text(request)?, request)
    } else {
        (text::without_mark(request).to_owned(), "the request")
    };
    let parsed = parse(&text).map_err(|reason| {
        Error::Usage(format!(
            "{origin} is neither a JSON or YAML object nor a file: {reason}; \
             expected something like {{\"func_name\": \"add\", \"a\": 1}}"
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
    check_names(&module.api_info(""), &request).map_err(Error::failed)?;
    Ok(request)
}

/// An object, as its text defines it.
enum Parsed {
    Json(Box<RawValue>),
    Yaml(Rc<yaml::Node>),
}

fn parse(text: &str) -> Result<Parsed, String> {
    const NO_OBJECT: &str = "it is no object";
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

/// A flow mapping of YAML needs no quotes around its keys.
fn looks_like_yaml(text: &str) -> bool {
    !text
        .trim_start()
        .trim_start_matches('{')
        .trim_start()
        .starts_with('"')
}

/// The fields of a request, as they are written.
type Fields<'r> = BTreeMap<String, &'r RawValue>;

/// Refuses unknown arguments, because the module would ignore them.
fn check_names(api: &ApiInfo, request: &RawValue) -> Result<(), Failure> {
    let Ok(request) = serde_json::from_str::<Fields<'_>>(request.get()) else {
        return Ok(());
    };
    let text = |fields: &Fields<'_>, key: &str| {
        let value = fields.get(key)?.get();
        serde_json::from_str::<String>(value).ok()
    };
    let named = |functions: &[FunctionInfo], name: &str| {
        let function = functions.iter().find(|function| function.name == name);
        function.cloned()
    };
    // The module finds the function in the same way, and reports a class or function that does not
    // exist.
    let method = request.get("function").map(|it| it.get());
    let method = method.and_then(|it| serde_json::from_str::<Fields<'_>>(it).ok());
    let class = text(&request, "class_name");
    let class = class.and_then(|name| api.classes.iter().find(|class| class.name == name));
    let unknown = if let (Some(class), Some(arguments)) = (class, &method) {
        let name = text(arguments, "func_name").unwrap_or_default();
        let Some(method) = named(&class.methods, &name) else {
            return Ok(());
        };
        let constructor = Part {
            name: &class.name,
            schema: &class.rpc_schema,
            keys: request.keys().map(String::as_str),
        };
        let called = Part {
            name: &name,
            schema: &method.rpc_schema,
            keys: arguments.keys().map(String::as_str),
        };
        unknown_arguments::of_class(constructor, called)
    } else if let Some(name) = text(&request, "func_name")
        && let Some(function) = named(&api.functions, &name)
    {
        let keys = request.keys().map(String::as_str);
        unknown_arguments::of_function(&name, &function.rpc_schema, keys)
    } else {
        None
    };
    match unknown {
        Some(unknown) => Err(Failure::validation(unknown.message)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::module::descriptor::{
        ArgumentDescriptor, ClassDescriptor, FunctionDescriptor, Handler, Member, ModuleDescriptor,
    };
    use crate::probe::Probe;

    static OPTIONAL: &[ArgumentDescriptor] = &[
        ArgumentDescriptor::new("a", Probe::<i64>::TYPE),
        ArgumentDescriptor::new("b", Probe::<i64>::TYPE).default(|| Some(json!(2))),
    ];
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
        has_own_description: false,
        version: "1.2.3",
        members: &[
            Member::Function(function("add", OPTIONAL)),
            Member::Function(function("area", POINTS)),
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
            format!("{{\"func_name\": \"add\", \"a\": {digits}}}"),
            format!("{{func_name: add, a: {digits}}}"),
            format!("func_name: add\na: {digits}\n"),
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
        assert!(folder.contains("it is a folder"), "{folder}");
    }

    #[test]
    fn arguments_that_nothing_has_are_refused() {
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
        ] {
            let error = read(text).unwrap_err();
            let expected = format!("validating: {problem}");
            assert_eq!(error, Error::Failed(expected), "{text}");
        }
        for text in [
            "{func_name: open, name: A, more: 1}",
            "{func_name: area, points: [{x: 1, other: 2}]}",
            // The module reports functions and classes that do not exist.
            "{func_name: nothing, a: 1}",
            "{class_name: Nothing, function: {func_name: greet}}",
            "{class_name: Greeter, function: {func_name: nothing, a: 1}}",
            "{class_name: Greeter, function: 5, a: 1}",
        ] {
            read(text).unwrap();
        }
    }
}
