//! The web component and its TypeScript client in a real browser, and the pages of Django.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dasf::HostOptions;
use dasf_examples::reference;
use dasf_test_support::listen_at;
use dasf_test_support::page::get;
use serde_json::{Map, Value, json};

use crate::brokers::django::Django;
use crate::brokers::{Role, TestBroker, on_dasf_brokers};
use crate::python;

/// The time that a peer has to notice a change.
const PATIENCE: Duration = Duration::from_secs(30);

/// Characters that the TypeScript client shows, but cannot send.
#[dasf::module(topic = "words", main = false)]
mod words {
    use dasf::ProgressReport;

    /// Says 世, as often as you like.
    ///
    /// # Returns
    /// 世界
    #[dasf::function]
    pub(super) fn world(times: usize, mut reporter: ProgressReport) -> String {
        reporter.set_steps(times);
        let word = |time| {
            let _step = reporter.step(format!("世 {time}"));
            "ä 世 "
        };
        (0..times).map(word).collect()
    }
}

// Both need the URL of a DASF broker, and add the topics to its path.
on_dasf_brokers!(the_web_component, the_typescript_client);

async fn the_web_component(broker: &TestBroker) {
    let reference_topic = broker.topic("web-component").await;
    let words_topic = broker.topic("web-words").await;
    let module = reference::module().unwrap();
    let api = serde_json::to_value(module.api_info(reference_topic.as_str())).unwrap();
    let reference = broker.serve(module, &reference_topic).await;
    let words = broker.serve(words::module().unwrap(), &words_topic).await;
    let (name, pages) = match broker {
        // The component requests the API description from the module.
        TestBroker::Embedded(embedded) => {
            for topic in [&reference_topic, &words_topic] {
                embedded.let_pages_call(topic.as_str());
            }
            ("embedded", None)
        }
        // The page contains the API description that the broker has requested.
        TestBroker::Django(django, _) => {
            stored_api_info(django, reference_topic.as_str()).await;
            stored_api_info(django, words_topic.as_str()).await;
            let pages = format!("http://127.0.0.1:{}/page/", django.port());
            ("django", Some(pages))
        }
        _ => panic!("the component takes the URL of a DASF broker"),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop");
    fs::create_dir_all(&folder).unwrap();
    let screenshots = folder.join(format!("web-component-{name}"));
    let wanted = json!({
        "websocket": broker.place(),
        "pages": pages,
        "reference": reference_topic.as_str(),
        "words": words_topic.as_str(),
        "screenshots": screenshots,
    });
    let seen = node("component.mjs", wanted).await;

    let members: Vec<Value> = ["functions", "classes"]
        .into_iter()
        .flat_map(|kind| api[kind].as_array().unwrap())
        .map(|member| match &member["rpc_schema"]["description"] {
            Value::Null => json!([member["name"]]),
            description => json!([member["name"], description]),
        })
        .collect();
    assert_eq!(seen["members"], Value::from(members));
    assert_eq!(seen["members"][0], json!(["add", "Add two numbers."]));
    assert_eq!(seen["argument"], "The first number");
    assert_eq!(seen["default"], "2");
    let sum = |value: i64| json!({"caption": "The sum", "value": value});
    assert_eq!((&seen["add"], &seen["add_again"]), (&sum(42), &sum(39)));
    let output = |value: &str| json!({"caption": "Output", "value": value});
    assert_eq!(seen["refused_by_form"], "must be > 0");
    assert_eq!(
        seen["fail"],
        output("Error: error executing request: no such dataset")
    );
    let invalid = seen["invalid"]["value"].as_str().unwrap();
    assert!(
        invalid.starts_with("Error: error validating request: "),
        "{invalid}"
    );
    assert_eq!(seen["hello"], output("Hallo Ada"));
    assert_eq!(seen["when"], output("2028-02-29T12:30:00Z"));
    assert_eq!(seen["area"], "\"root\":{2 items\n\"n\":int2\n\"s\":int1\n}");
    assert_eq!(seen["greet_untouched"], output("Hi Ada"));
    assert_eq!(seen["greet"], output("Grüß Gott Ada"));
    assert_eq!(seen["slow"], output("done"));
    let steps: Vec<String> = (0..8).map(|step| format!("step {step}")).collect();
    assert_eq!(seen["steps"], json!(steps));
    let progress = seen["progress"].as_array().unwrap();
    let bar: Vec<f64> = progress
        .iter()
        .map(|state| state[1].as_f64().unwrap())
        .collect();
    // The form sends a report without steps, so the three steps of the function count. With more
    // steps, their number grows, and the bar stays within its track.
    assert!(
        bar.iter().all(|part| (0.0..=100.0).contains(part)),
        "{progress:?}"
    );
    assert!(bar.len() > 1, "{progress:?}");
    assert_eq!(progress.first(), Some(&json!(["Step 0 of 3", 0])));
    assert_eq!(progress.last(), Some(&json!(["Step 8 of 8", 100])));
    assert_eq!(seen["echo"], output("äöü ß ÿ"));
    assert_eq!(seen["errors"], json!([]));
    let refused = seen["refused_by_client"].as_str().unwrap();
    assert!(refused.contains("InvalidCharacterError"), "{refused}");
    assert_eq!(
        seen["words"],
        json!([["world", "Says 世, as often as you like."]])
    );
    assert_eq!(
        seen["world"],
        json!({"caption": "世界", "value": "ä 世 ä 世 "})
    );
    // Here the function itself sets the number of steps.
    let progress = seen["world_progress"].as_array().unwrap();
    assert_eq!(progress.last(), Some(&json!(["Step 2 of 2", 100])));
    for picture in ["members", "progress", "words"] {
        let file = format!("{}-{picture}.png", screenshots.display());
        assert!(fs::read(file).unwrap().starts_with(b"\x89PNG"));
    }
    reference.shutdown().await;
    words.shutdown().await;
}

async fn the_typescript_client(broker: &TestBroker) {
    let topic = broker.topic("web-client").await;
    if let TestBroker::Embedded(embedded) = broker {
        embedded.let_pages_call(topic.as_str());
    }
    let module = reference::module().unwrap();
    let api = serde_json::to_value(module.api_info(topic.as_str())).unwrap();
    let options = HostOptions::default().max_payload_size(3000);
    let host = listen_at(
        broker.address_for(Role::Module),
        topic.as_str(),
        module,
        options,
    )
    .await;
    let long = "ä1".repeat(1000);
    let wanted = json!({"websocket": broker.place(), "topic": topic.as_str(), "long": long});
    let seen = node("client.mjs", wanted).await;

    assert_eq!(seen["pong"]["messageType"], "pong");
    assert_eq!(seen["pong"]["source_topic"], topic.as_str());
    let api = as_javascript(&api);
    assert_eq!(seen["info"], api["rpc_schema"]);
    assert_eq!(seen["api_info"], renamed(&api));
    assert_eq!(seen["add"], 42);
    assert_eq!(seen["greet"], "Hi ß");
    assert_eq!(seen["fragments_before"], 0);
    assert_eq!(seen["echo"], *long);
    // 7 characters of JSON for each ä1, the quotes, and a third more for base64.
    let fragments: Vec<Value> = (0..4).map(|index| json!([index, 4])).collect();
    assert_eq!(seen["fragments"], Value::from(fragments));
    assert_eq!(
        seen["fail"],
        "Error: error executing request: no such dataset"
    );
    let unknown = seen["unknown"].as_str().unwrap();
    assert!(
        unknown.starts_with("Error: error validating request: "),
        "{unknown}"
    );
    assert_eq!(seen["slow"]["result"], "done");
    let reports = seen["slow"]["reports"].as_array().unwrap();
    assert_eq!(
        reports.last(),
        Some(&json!(["success", ["success", "success"]]))
    );
    assert!(
        reports[..reports.len() - 1]
            .iter()
            .all(|report| report[0] == "running")
    );
    let wide = seen["wide"].as_str().unwrap();
    assert!(wide.contains("InvalidCharacterError"), "{wide}");
    host.shutdown().await;
}

/// Returns the value after JavaScript has read and written it, where 1.0 becomes 1.
fn as_javascript(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_javascript).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| (name.clone(), as_javascript(value)))
                .collect()
        }
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => serde_json::from_str(&float.to_string()).unwrap(),
            _ => value.clone(),
        },
        _ => value.clone(),
    }
}

/// Returns an API description as the TypeScript client shows it: with its own style of names, and
/// without other keys.
fn renamed(api: &Value) -> Value {
    let functions = |functions: &Value| -> Value {
        let functions = functions.as_array().unwrap().iter();
        functions
            .map(|function| {
                json!({
                    "name": function["name"],
                    "rpcSchema": function["rpc_schema"],
                    "returnSchema": function["return_schema"],
                })
            })
            .collect()
    };
    let classes = api["classes"].as_array().unwrap().iter();
    let classes: Value = classes
        .map(|class| {
            json!({
                "name": class["name"],
                "rpcSchema": class["rpc_schema"],
                "methods": functions(&class["methods"]),
            })
        })
        .collect();
    json!({
        "classes": classes,
        "functions": functions(&api["functions"]),
        "rpcSchema": api["rpc_schema"],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn django_knows_who_listens() {
    let broker = TestBroker::django().await;
    let TestBroker::Django(django, _) = &broker else {
        unreachable!("it was made so")
    };
    let topic = broker.topic("web-status").await;
    let ping = format!("/broker/{topic}/ping/");
    let status = format!("/broker/{topic}/status/");
    let unavailable = |text: &str| (503, text.to_owned());

    assert_eq!(
        get(django.port(), &status).await,
        unavailable("Status unknown")
    );
    assert_eq!(get(django.port(), &ping).await.0, 302);
    assert_eq!(
        get(django.port(), &status).await,
        unavailable("Consumer could not be reached")
    );

    let module = reference::module().unwrap();
    let api = serde_json::to_value(module.api_info(topic.as_str())).unwrap();
    let host = broker.serve(module, &topic).await;
    assert_eq!(stored_api_info(django, topic.as_str()).await, api);
    assert_eq!(get(django.port(), &ping).await.0, 302);
    let start = Instant::now();
    while get(django.port(), &status).await != (200, "Consumer connected".to_owned()) {
        assert!(start.elapsed() < PATIENCE, "the module was not found");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    host.shutdown().await;
}

/// Waits until the broker has an API description of a module, and returns it.
async fn stored_api_info(django: &Arc<Django>, topic: &str) -> Value {
    let start = Instant::now();
    loop {
        let (django, name) = (Arc::clone(django), topic.to_owned());
        let stored = tokio::task::spawn_blocking(move || django.api_info(&name));
        let stored = stored.await.unwrap();
        if stored != json!({}) {
            return stored;
        }
        assert!(start.elapsed() < PATIENCE, "nothing is stored of {topic}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the folder with the npm packages.
pub(crate) fn packages() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("target/web");
    // `cargo xtask browser` writes this file when all packages are installed.
    let stamp = fs::read_to_string(folder.join("installed.json"));
    let lock = fs::read_to_string(root.join("tests/interop/web/package-lock.json")).unwrap();
    assert!(
        stamp.is_ok_and(|stamp| stamp == lock),
        "the packages of tests/interop/web are not installed; run `cargo xtask browser` first"
    );
    folder
}

/// Runs a script of the folder `web`, or a script with an absolute path, and returns its results.
pub(crate) async fn node(script: impl AsRef<Path>, wanted: Value) -> Map<String, Value> {
    // The web component comes with the Python packages.
    python::interpreter();
    packages();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/web");
    let script = folder.join(script);
    let mut command = Command::new("node");
    command.arg(&script).arg(wanted.to_string());
    let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let output = output.await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}: {}\n{printed}{}",
        script.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = printed.lines().map(serde_json::from_str);
    lines.flat_map(Result::<Map<_, _>, _>::unwrap).collect()
}
