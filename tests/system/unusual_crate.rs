//! Modules of the crate `tests/unusual_crate`, where `dasf` has another name and the prelude is empty.

use std::collections::BTreeMap;

use dasf::{CallError, HostOptions, Module};
use dasf_test_support::{broker, listen, serve};
use dasf_test_unusual_crate::bare::atlas::{self, Missing, Place};
use dasf_test_unusual_crate::conditional::configured;
use dasf_test_unusual_crate::namesakes::lookalikes;
use serde_json::{Value, json};

/// Returns the schemas of the functions of a module, by name.
fn functions(module: &Module) -> BTreeMap<String, Value> {
    let functions = module.api_info("t").functions.into_iter();
    functions
        .map(|function| (function.name, function.rpc_schema))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_without_a_prelude_is_served_and_called() {
    let broker = broker().await;
    let module = atlas::module().unwrap();
    assert_eq!(module.version(), "3.1.4");
    let info = module.api_info("bare").x_dasf.unwrap();
    assert_eq!(info.module_version.as_deref(), Some("3.1.4"));
    let host = listen(&broker, "bare", module, HostOptions::default()).await;
    let client = atlas::Client::connect(&broker.url()).await.unwrap();
    let place = Place { latitude: 19.5 };
    let found = client.find("here").among(vec![place.clone()]).await;
    assert_eq!(found.unwrap(), place);
    assert_eq!(client.map().scale(3).zoom(2).await.unwrap(), 6);
    // Each call creates a new object.
    assert_eq!(client.map().scale(3).zoom(5).await.unwrap(), 15);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_arrives_with_its_type() {
    let client = atlas::Client::builder();
    let (_broker, host, client) = serve("bare", atlas::module().unwrap(), client).await;
    let failure = |error: &CallError| match error {
        CallError::Module(failure) => failure.clone(),
        other => panic!("{other}"),
    };

    let error = client.find("nowhere").await.unwrap_err();
    assert_eq!(error.to_string(), "executing: nobody knows nowhere");
    assert_eq!(failure(&error).code(), Some("unknown"));
    assert_eq!(failure(&error).details(), Some(&json!({"name": "nowhere"})));
    assert!(matches!(
        error.typed::<Missing>(),
        Some(Missing::Unknown { name }) if name == "nowhere"
    ));

    let error = client.find("far").await.unwrap_err();
    assert!(matches!(
        error.typed::<Missing>(),
        Some(Missing::Far(name, distance)) if name == "far" && distance.to_bits() == 0.5_f64.to_bits()
    ));

    // A field that is not sent does not arrive, but the code of the error does.
    let error = client.find("unreadable").await.unwrap_err();
    assert_eq!(failure(&error).code(), Some("no_map"));
    assert_eq!(failure(&error).details(), None);
    assert!(error.typed::<Missing>().is_none());

    // An error of a constructor is an error of the call.
    let error = client.map().scale(0).zoom(1).await.unwrap_err();
    assert_eq!(failure(&error).code(), Some("unknown"));

    // An error of the framework has no code.
    let request = json!({"func_name": "x"});
    let error = client.caller().call(&request).await.unwrap_err();
    assert_eq!(failure(&error).code(), None);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_under_a_false_condition_do_not_exist() {
    let broker = broker().await;
    let module = configured::module().unwrap();
    let schemas = functions(&module);
    let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
    assert_eq!(names, ["add", "either", "partly"]);
    let properties = |name: &str| {
        let properties = schemas[name]["properties"].as_object().unwrap();
        properties.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(properties("either"), ["func_name", "a"]);
    assert_eq!(properties("partly"), ["func_name", "there"]);
    let classes = module.api_info("t").classes;
    assert_eq!(classes.len(), 1);
    assert_eq!(classes[0].methods.len(), 1);

    let host = listen(&broker, "conditional", module, HostOptions::default()).await;
    let client = configured::Client::connect(&broker.url()).await.unwrap();
    assert_eq!(client.either().a(3).await.unwrap(), 3);
    assert_eq!(client.partly().await.unwrap(), 5);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deprecated_member_is_marked_and_works() {
    let broker = broker().await;
    let module = configured::module().unwrap();
    let schemas = functions(&module);
    assert_eq!(schemas["add"]["deprecated"], true);
    assert_eq!(schemas["either"].get("deprecated"), None);
    let schema = module.schema("t");
    assert_eq!(schema["$defs"]["FuncAdd"]["deprecated"], true);
    assert_eq!(schema["$defs"]["ClassHolder"]["deprecated"], true);

    let host = listen(&broker, "conditional", module, HostOptions::default()).await;
    let client = configured::Client::connect(&broker.url()).await.unwrap();
    // The compiler warns of a call through the client as of a call of the function.
    #[expect(deprecated)]
    let sum = client.add(1, 2);
    assert_eq!(sum.await.unwrap(), 3);
    #[expect(deprecated)]
    let holder = client.holder(4);
    assert_eq!(holder.value().await.unwrap(), 4);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_may_have_the_names_of_other_types() {
    use lookalikes::{AdderInstance, Context, ProgressReport, SumCall};

    let broker = broker().await;
    let module = lookalikes::module().unwrap();
    let required = &functions(&module)["sum"]["required"];
    assert_eq!(
        *required,
        json!(["func_name", "option", "string", "context", "report", "call"])
    );
    let host = listen(&broker, "namesakes", module, HostOptions::default()).await;
    let client = lookalikes::Client::connect(&broker.url()).await.unwrap();
    let sum = client.sum(
        lookalikes::Option::Double,
        lookalikes::String { quartet: 4 },
        Context(10),
        ProgressReport(20),
        SumCall(30),
    );
    assert_eq!(sum.await.unwrap(), lookalikes::Result { value: 328 });
    assert_eq!(client.adder_add().a(5).await.unwrap(), SumCall(5));
    let adder = client.adder().to(AdderInstance(40));
    assert_eq!(
        adder.add().context(Context(2)).await.unwrap(),
        AdderInstance(42)
    );
    host.shutdown().await;
}
