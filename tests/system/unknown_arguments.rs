//! Arguments in requests that a function does not have, in modules that ignore or refuse them.

use dasf::{Context, FailureKind, HostOptions, Module};
use dasf_codegen::{Language, first_difference, generate};
use serde_json::{Value, json};

use dasf_test_support::peer::Peer;
use dasf_test_support::{broker, listen};

/// The same members twice: in a module with the default setting, and in one that refuses.
macro_rules! modules {
    ($($name:ident: $setting:literal,)*) => {$(
        #[dasf::module(main = false, topic = "strict", unknown_arguments = $setting)]
        #[allow(unreachable_pub)]
        pub(crate) mod $name {
            use dasf::ProgressReport;

            #[dasf::function]
            pub(crate) fn add(a: i64, #[dasf(default = 2)] b: i64, report: ProgressReport) -> i64 {
                drop(report);
                a + b
            }

            #[dasf::function(schema_extra = serde_json::json!({"additionalProperties": true}))]
            pub(crate) fn open(a: i64) -> i64 {
                a
            }

            pub(crate) struct Greeter {
                greeting: String,
            }

            #[dasf::class]
            impl Greeter {
                pub fn new(#[dasf(default = "Hi")] greeting: String) -> Self {
                    Self { greeting }
                }

                pub fn greet(&self, name: &str) -> String {
                    format!("{} {name}", self.greeting)
                }
            }
        }
    )*};
}

modules! {
    ignoring: "ignore",
    refusing: "refuse",
}

/// Requests with one unknown argument, and the message about it.
fn unknown() -> [(Value, &'static str); 6] {
    [
        (
            json!({"func_name": "add", "a": 1, "bb": 3}),
            r#"add has no argument "bb"; did you mean "b"?"#,
        ),
        (
            json!({"func_name": "add", "a": 1, "unit": "m"}),
            r#"add has no argument "unit"; its arguments are a, b, report"#,
        ),
        // The message is about the mistake itself, not about the missing argument.
        (
            json!({"func_name": "add", "aa": 1}),
            r#"add has no argument "aa"; did you mean "a"?"#,
        ),
        (
            json!({"class_name": "Greeter", "greting": "Yo", "function": {"func_name": "greet", "name": "Ada"}}),
            r#"Greeter has no argument "greting"; did you mean "greeting"?"#,
        ),
        (
            json!({"class_name": "Greeter", "function": {"func_name": "greet", "name": "Ada", "greeting": "Yo"}}),
            "Greeter.greet has no argument \"greeting\"; the constructor of Greeter has it; write it \
             beside \"function\"",
        ),
        (
            json!({"class_name": "Greeter", "name": "Ada", "function": {"func_name": "greet"}}),
            "Greeter has no argument \"name\"; Greeter.greet has it; write it inside \"function\"",
        ),
    ]
}

/// Requests without a mistake, and their results.
fn sound() -> [(Value, Value); 4] {
    [
        (
            json!({"func_name": "add", "a": 1, "report": {"step_message": "adding"}}),
            json!(3),
        ),
        (json!({"func_name": "open", "a": 1, "other": 2}), json!(1)),
        (
            json!({"class_name": "Greeter", "function": {"func_name": "greet", "name": "Ada"}}),
            json!("Hi Ada"),
        ),
        (
            json!({"class_name": "Greeter", "greeting": "Yo", "function": {"func_name": "greet", "name": "Ada"}}),
            json!("Yo Ada"),
        ),
    ]
}

async fn result_of(module: &Module, request: Value) -> Result<Value, dasf::host::Failure> {
    let outcome = module.call_value(request, Context::local(), None).await;
    outcome.map(|output| serde_json::from_str(output.as_json()).unwrap())
}

#[tokio::test]
async fn a_module_refuses_unknown_arguments_if_it_is_set_to() {
    let refusing = refusing::module().unwrap();
    for (request, message) in unknown() {
        let failure = result_of(&refusing, request).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Validation);
        assert_eq!(failure.message(), message);
    }
    for (request, expected) in sound() {
        assert_eq!(result_of(&refusing, request).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_module_ignores_unknown_arguments_by_default() {
    let ignoring = ignoring::module().unwrap();
    let requests = unknown().map(|(request, _)| request);
    let results = [json!(3), json!(3), json!("Hi Ada"), json!("Hi Ada")];
    for (request, expected) in [0, 1, 3, 4].into_iter().zip(results) {
        let request = requests[request].clone();
        assert_eq!(result_of(&ignoring, request).await.unwrap(), expected);
    }
    for (request, expected) in sound() {
        assert_eq!(result_of(&ignoring, request).await.unwrap(), expected);
    }
}

#[test]
fn the_schemas_of_a_module_that_refuses_are_closed() {
    let info = serde_json::to_value(refusing::module().unwrap().api_info("strict")).unwrap();
    let add = &info["functions"][0]["rpc_schema"];
    assert_eq!(add["additionalProperties"], json!(false));
    let open = &info["functions"][1]["rpc_schema"];
    assert_eq!(open["additionalProperties"], json!(true));
    let class = &info["classes"][0];
    assert_eq!(class["rpc_schema"]["additionalProperties"], json!(false));
    assert_eq!(class["rpc_schema"]["required"], json!(["class_name"]));
    let method = &class["methods"][0]["rpc_schema"];
    assert_eq!(method["additionalProperties"], json!(false));

    // The published schema accepts and refuses the same requests.
    let schema = jsonschema::validator_for(&info["rpc_schema"]).unwrap();
    for (request, _) in unknown() {
        assert!(!schema.is_valid(&request), "{request}");
    }
    for (request, _) in sound() {
        assert!(schema.is_valid(&request), "{request}");
    }
    let parts = [&class["rpc_schema"], method];
    let [constructor, method] = parts.map(|it| jsonschema::validator_for(it).unwrap());
    let request = &sound()[3].0;
    assert!(constructor.is_valid(request) && method.is_valid(&request["function"]));
}

#[test]
fn the_schemas_of_a_module_that_ignores_stay_open() {
    let info = serde_json::to_value(ignoring::module().unwrap().api_info("strict")).unwrap();
    let class = &info["classes"][0];
    let schemas = [
        &info["functions"][0]["rpc_schema"],
        &class["rpc_schema"],
        &class["methods"][0]["rpc_schema"],
    ];
    for schema in schemas {
        assert_eq!(schema["additionalProperties"], Value::Null, "{schema}");
    }
    assert_eq!(class["rpc_schema"]["properties"]["function"], Value::Null);
}

/// Clients send known arguments only, so that the setting of the module makes no difference.
#[test]
fn generated_clients_are_the_same_for_both_settings() {
    let source = |module: Module, language| {
        let info = serde_json::to_value(module.api_info("strict")).unwrap();
        let source = generate(&info, language, "a test").unwrap();
        // The header has a hash of the description, and Rust has the description itself.
        let code = source.lines().filter(|line| !line.contains("rpc_schema"));
        code.collect::<Vec<_>>().join("\n")
    };
    for language in [Language::Rust, Language::Python, Language::TypeScript] {
        let ignoring = source(ignoring::module().unwrap(), language);
        let refusing = source(refusing::module().unwrap(), language);
        let without_hash = |text: &str| {
            let lines = text.lines().skip(12);
            lines.collect::<Vec<_>>().join("\n")
        };
        let (one, other) = (without_hash(&ignoring), without_hash(&refusing));
        assert!(one.contains("greet"), "{one}");
        assert_eq!(first_difference(&one, &other), None, "{language:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_get_the_name_that_they_meant() {
    let broker = broker().await;
    let module = refusing::module().unwrap();
    let host = listen(&broker, "strict", module, HostOptions::default()).await;

    let client = refusing::Client::connect(&broker.url()).await.unwrap();
    assert_eq!(client.add(1).b(5).await.unwrap(), 6);
    let greeting = client.greeter().greeting("Yo").greet("Ada").await;
    assert_eq!(greeting.unwrap(), "Yo Ada");

    let mut peer = Peer::connect(&broker.url(), "strict", "peer").await;
    let [(request, _), ..] = unknown();
    peer.request(1, &request).await;
    let (status, answer) = peer.answer().await;
    assert_eq!(status, "error");
    assert_eq!(
        answer,
        r#"error validating request: add has no argument "bb"; did you mean "b"?"#
    );
    host.shutdown().await;
}
