//! The generated Python client with modules in Rust and in Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dasf::protocol::Topic;
use dasf::{Address, Host, HostOptions};
use dasf_broker::Broker;
use dasf_codegen::{Language, generate};
use dasf_examples::reference;
use dasf_test_support::peer::Socket;
use dasf_test_support::{listen, soon, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;

use crate::brokers::django::{Django, fresh_database};
use crate::brokers::embedded::Embedded;
use crate::brokers::{Process, Role, TestBroker, on_json_brokers};
use crate::dialog::Dialog;
use crate::generated_jobs::work_api;
use crate::python;
use crate::support::{connect, expect_cancelled_requests, reference_module};

on_json_brokers!(
    a_rust_module_is_called,
    a_python_module_is_called,
    a_functions_error_comes_with_its_code_and_details,
);

/// Returns the folder for the generated files of one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("generated")
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes the client of a module into a new folder; returns the folder.
pub(crate) fn save(name: &str, file: &str, api_info: &Value) -> String {
    let folder = folder(name);
    let source = generate(api_info, Language::Python, name).unwrap();
    fs::write(folder.join(file), source).unwrap();
    folder.to_str().unwrap().to_owned()
}

pub(crate) fn save_reference(name: &str) -> String {
    let api_info = reference::module().unwrap().api_info("test-topic");
    let api_info = serde_json::to_value(api_info).unwrap();
    save(name, "generated_reference.py", &api_info)
}

/// Returns the name of a folder, because each broker runs the same test.
fn name_for(broker: &TestBroker, topic: &Topic) -> String {
    let port: String = broker
        .place()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    format!("{topic}-{port}")
}

async fn a_rust_module_is_called(broker: &TestBroker) {
    let topic = broker.topic("py-rust").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let folder = save_reference(&name_for(broker, &topic));
    let arguments = [&folder, &broker.caller_place(), topic.as_str(), "rust"];
    assert_eq!(
        python::run_beside("generated_calls.py", &arguments).await,
        ""
    );
    host.shutdown().await;
}

/// The client is generated from the API description of the running module.
async fn a_python_module_is_called(broker: &TestBroker) {
    let topic = broker.topic("py-python").await;
    let mut module = reference_module(broker, &topic, &["--log-level", "50"]);
    let client = connect(broker, &topic).await;
    python::until_it_listens(&mut module, client.caller()).await;
    let api_info = serde_json::to_value(client.caller().api_info().await.unwrap()).unwrap();
    let folder = save(
        &name_for(broker, &topic),
        "generated_reference.py",
        &api_info,
    );
    let arguments = [&folder, &broker.caller_place(), topic.as_str(), "python"];
    assert_eq!(
        python::run_beside("generated_calls.py", &arguments).await,
        ""
    );
}

/// Errors with codes.
#[dasf::module(topic = "stations", main = false)]
mod stations {
    #[derive(Debug, thiserror::Error, dasf::IntoError)]
    pub(crate) enum StationError {
        #[error("there is no station {name}")]
        NoSuchStation { name: String },
        #[error("nothing was measured")]
        NothingMeasured,
    }

    /// Measure.
    #[dasf::function]
    pub(crate) fn measure(name: String) -> Result<f64, StationError> {
        if name.is_empty() {
            return Err(StationError::NothingMeasured);
        }
        Err(StationError::NoSuchStation { name })
    }
}

/// Names that differ only in the look or the spelling of letters.
#[dasf::module(topic = "names", main = false)]
mod names {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// Letters with the same compatibility form as others.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Greek {
        #[serde(rename = "ϵ")]
        epsilon: f64,
        #[serde(rename = "ϑ")]
        theta: f64,
        #[serde(rename = "µ")]
        micro: f64,
        #[serde(rename = "ϕ")]
        phi: f64,
        #[serde(rename = "ℓ")]
        length: f64,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub(crate) enum Unit {
        #[serde(rename = "M")]
        Mega(f64),
        #[serde(rename = "m")]
        Milli(f64),
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(crate) enum Gas {
        Loud {
            #[serde(rename = "CO")]
            co: f64,
        },
        Quiet {
            co: f64,
        },
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    pub(crate) struct Person {
        first_name: String,
        #[serde(default)]
        her_age: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, Vec<String>>,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    pub(crate) struct Team {
        head_of: Person,
        all_of: Vec<Person>,
    }

    #[dasf::function(name = "ﬁt")]
    pub(crate) fn fit_in_two_letters() -> String {
        "ligature".to_owned()
    }

    #[dasf::function]
    pub(crate) fn fit() -> String {
        "letters".to_owned()
    }

    /// The micro sign and the letter.
    #[dasf::function]
    pub(crate) fn letters(
        #[dasf(rename = "\u{b5}")] micro: f64,
        #[dasf(rename = "\u{3bc}")] mu: f64,
    ) -> [f64; 2] {
        [micro, mu]
    }

    #[dasf::function]
    pub(crate) fn turned(mut greek: Greek) -> Greek {
        let Greek {
            epsilon,
            theta,
            micro,
            phi,
            length,
        } = &mut greek;
        for number in [epsilon, theta, micro, phi, length] {
            *number = -*number;
        }
        greek
    }

    #[dasf::function]
    pub(crate) fn unit(unit: Unit) -> Unit {
        unit
    }

    #[dasf::function]
    pub(crate) fn gas(gas: Gas) -> Gas {
        gas
    }

    #[dasf::function]
    pub(crate) fn gas_of(json: &str) -> Result<Gas, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[dasf::function]
    pub(crate) fn person(person: Person) -> Person {
        person
    }

    #[dasf::function]
    pub(crate) fn team(team: Team) -> Team {
        team
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_look_alike_stay_different() {
    let broker = TestBroker::embedded().await;
    let topic = broker.topic("py-names").await;
    let host = broker.serve(names::module().unwrap(), &topic).await;
    let api_info = names::module().unwrap().api_info(topic.as_str());
    let api_info = serde_json::to_value(api_info).unwrap();
    let folder = save("names", "generated_names.py", &api_info);
    let arguments = [&folder, &broker.caller_place(), topic.as_str()];
    assert_eq!(
        python::run_beside("generated_spellings.py", &arguments).await,
        ""
    );
    host.shutdown().await;
}

/// Writes certificates of a broker, with their keys, into a folder.
fn certificates(folder: &Path) {
    let name = |text: &str| {
        let mut parameters =
            CertificateParams::new(["localhost".to_owned(), "broker.test".to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, text);
        parameters
    };
    let write = |name: &str, certificate: String, key: &KeyPair| {
        fs::write(folder.join(name).with_extension("pem"), certificate).unwrap();
        fs::write(folder.join(name).with_extension("key"), key.serialize_pem()).unwrap();
    };
    let authority = |text| {
        let mut parameters = name(text);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters
    };
    let key = KeyPair::generate().unwrap();
    let issuer = CertifiedIssuer::self_signed(authority("the authority of a test"), key).unwrap();
    write("authority", issuer.pem(), issuer.key());
    let mut other_name = CertificateParams::new(["elsewhere.test".to_owned()]).unwrap();
    other_name
        .distinguished_name
        .push(DnType::CommonName, "elsewhere");
    let mut expired = name("expired");
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    for (file, parameters) in [
        ("issued", name("issued")),
        ("other-name", other_name),
        ("expired", expired),
    ] {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &issuer).unwrap();
        write(file, certificate.pem(), &key);
    }
    // Like a certificate of `openssl req -x509`, and one without the extension for authorities.
    for (file, parameters) in [
        ("self-signed", authority("itself")),
        ("no-authority", name("itself")),
    ] {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        write(file, certificate.pem(), &key);
    }
}

/// With TLS, certificates of all kinds, and a proxy.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_reached_by_tls_and_through_a_proxy() {
    let broker = TestBroker::embedded().await;
    let topic = broker.topic("py-ways").await;
    let host = broker.serve(reference::module().unwrap(), &topic).await;
    let folder = save_reference("ways");
    certificates(Path::new(&folder));
    let arguments = [&folder, &broker.caller_place(), topic.as_str()];
    assert_eq!(
        python::run_beside("generated_ways.py", &arguments).await,
        ""
    );
    host.shutdown().await;
}

async fn a_functions_error_comes_with_its_code_and_details(broker: &TestBroker) {
    let topic = broker.topic("py-errors").await;
    let host = broker.serve(stations::module().unwrap(), &topic).await;
    let api_info = stations::module().unwrap().api_info(topic.as_str());
    let api_info = serde_json::to_value(api_info).unwrap();
    let folder = save(
        &name_for(broker, &topic),
        "generated_stations.py",
        &api_info,
    );
    let arguments = [&folder, &broker.caller_place(), topic.as_str()];
    let said = python::run_beside("generated_errors.py", &arguments).await;
    assert_eq!(
        said,
        "no_such_station {'name': 'ä 世'} execution there is no station ä 世\n\
         executing: there is no station ä 世\n\
         nothing_measured None execution nothing was measured\n\
         executing: nothing was measured\n"
    );
    host.shutdown().await;
}

/// Runs a script that calls before, during and after an outage of the broker.
async fn survive(folder: String, url: &str, restart: impl AsyncFnOnce(&mut Dialog)) {
    let arguments = [&folder, url, "restarted"];
    let mut script = Dialog::start(python::command("generated_restart.py", &arguments));
    assert_eq!(script.hear().await, "3");
    restart(&mut script).await;
    assert_eq!(script.hear().await, "4");
    assert_eq!(script.hear().await, "[5, 6]");
    script.end().await;
}

async fn serve_restarted(address: Address) -> Host {
    let module = reference::module().unwrap();
    dasf_test_support::listen_at(address, "restarted", module, HostOptions::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_survives_a_restart_of_the_embedded_broker() {
    let broker = Embedded::start().await;
    broker.make_topic("restarted");
    let url = broker.caller_place();
    let host = serve_restarted(broker.address_for(Role::Module)).await;
    let folder = save_reference("restarted-embedded");
    let mut again = None;
    let restart = async |script: &mut Dialog| {
        let stopped = broker.stop().await;
        script.say("call").await;
        assert_eq!(script.hear().await, "calling");
        again = Some(stopped.start().await);
    };
    survive(folder, &url, restart).await;
    host.shutdown().await;
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_survives_a_restart_of_the_django_broker() {
    let database = fresh_database("restarted-python");
    let start = |port| {
        let database = database.clone();
        tokio::task::spawn_blocking(move || {
            let django = Django::start(&database, port);
            if port == 0 {
                django.make_topic("restarted");
            }
            django
        })
    };
    let django = start(0).await.unwrap();
    let (url, port) = (django.url(), django.port());
    let host = serve_restarted(django.address()).await;
    let folder = save_reference("restarted-django");
    let mut again = None;
    let restart = async |script: &mut Dialog| {
        drop(django);
        script.say("call").await;
        assert_eq!(script.hear().await, "calling");
        again = Some(start(port).await.unwrap());
    };
    survive(folder, &url, restart).await;
    host.shutdown().await;
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_topic_fails_within_two_seconds() {
    let broker = dasf_test_support::broker().await;
    let folder = save_reference("nobody");
    let arguments = [&folder, &broker.url()[..]];
    assert_eq!(
        python::run_beside("generated_nobody.py", &arguments).await,
        ""
    );
    // What is refused does not run later.
    assert_eq!(broker.statistics().published, 0);
}

/// Starts a module when the broker has refused the first call of a script, and another one long after
/// the broker has restarted and refuses the second call.
pub(crate) async fn starts_late(script: impl FnOnce(&str) -> Command) {
    let serve = async |broker: &Broker| {
        let module = reference::module().unwrap();
        listen(broker, "late", module, HostOptions::default()).await
    };
    let refused = async |broker: &Broker, count: u64| {
        let is_refused = until(|| broker.statistics().refused >= count);
        soon("the refusal", is_refused).await;
    };
    let broker = dasf_test_support::broker().await;
    let mut script = Dialog::start(script(&broker.url()));
    assert_eq!(script.hear().await, "calling");
    refused(&broker, 1).await;
    let host = serve(&broker).await;
    assert_eq!(script.hear().await, "3");
    host.shutdown().await;
    let place = broker.local_addr();
    broker.shutdown().await;

    let broker = Broker::builder().bind(place).start().await.unwrap();
    script.say("call").await;
    // In the time for a module that starts just now, a call is not sent so often.
    refused(&broker, 10).await;
    let host = serve(&broker).await;
    assert_eq!(script.hear().await, "4");
    script.end().await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_module_that_starts_just_now() {
    let folder = save_reference("late");
    starts_late(|url| python::command("generated_late.py", &[&folder, url])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_given_up_are_cancelled() {
    let folder = save_reference("cancel");
    let broker = dasf_test_support::broker().await;
    let mut module = Socket::open(&format!("{}/cancel/module", broker.url())).await;
    let url = broker.url();
    let arguments = [&folder, &url, "cancel"];
    let (said, ()) = tokio::join!(
        python::run_beside("generated_cancel.py", &arguments),
        expect_cancelled_requests(&mut module, 3)
    );
    assert_eq!(said, "timed out\ncancelled\ninterrupted\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_the_right_to_publish_gets_an_error() {
    let django = Django::for_test().await;
    let folder = save_reference("refused");
    let arguments = [&folder, &django.url(), "private", &django.tokens().nobody];
    assert_eq!(
        python::run_beside("generated_refused.py", &arguments).await,
        "RefusedError User is not allowed to publish to this topic\n\
         RefusedError User is not allowed to publish to this topic\n"
    );
}

/// Python cannot import the stub of this function by demessaging: the stub uses a type that it does
/// not import.
#[test]
fn the_client_of_a_reporting_function_can_be_imported_unlike_the_stub_of_demessaging() {
    let arguments = ["--members", "slow", "--topic", "nowhere", "generate"];
    let stub = python::run("reference_module.py", &arguments, "");
    let stubs = folder("stub-of-slow");
    fs::write(stubs.join("stub.py"), stub).unwrap();
    let said = python::run("import_stub.py", &[stubs.to_str().unwrap()], "");
    assert_eq!(said, "name 'deprogressapi' is not defined\n");

    let api_info = include_str!("../../dasf-codegen/tests/schemas/reference.api.json");
    let client = save(
        "client-of-slow",
        "stub.py",
        &serde_json::from_str(api_info).unwrap(),
    );
    assert_eq!(python::run("import_stub.py", &[&client], ""), "");
}

#[test]
fn arguments_and_results_are_checked_by_their_types() {
    let api_info = include_str!("../../dasf-codegen/tests/schemas/awkward.api.json");
    let api_info = serde_json::from_str(api_info).unwrap();
    let folder = save("types", "generated_awkward.py", &api_info);
    assert_eq!(python::run("generated_types.py", &[&folder], ""), "");
}

#[test]
fn frames_in_any_order_and_lost_connections_are_survived() {
    let folder = save_reference("frames");
    assert_eq!(python::run("generated_runtime.py", &[&folder], ""), "");
}

/// Runs a tool of the Python environment on files. It must report nothing.
fn check(tool: &str, options: &[&str], files: &[PathBuf]) {
    let output = Command::new(python::interpreter())
        .args(["-m", tool])
        .args(options)
        .args(files)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{tool}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn generated_clients_are_typed_tidy_and_can_be_imported() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schemas = root.join("dasf-codegen/tests/schemas");
    let mut files = Vec::new();
    for entry in fs::read_dir(schemas).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = name.trim_end_matches(".api.json");
        let api_info = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        // Python has its own modules with names such as `types`.
        let file = format!("generated_{name}.py");
        files.push(PathBuf::from(save("all", &file, &api_info)).join(file));
    }
    let api_info = names::module().unwrap().api_info("names");
    let api_info = serde_json::to_value(api_info).unwrap();
    let file = "generated_names.py";
    files.push(PathBuf::from(save("all", file, &api_info)).join(file));
    let file = "generated_work.py";
    files.push(PathBuf::from(save("all", file, &work_api())).join(file));
    let folder = folder("all");
    check("black", &["--check", "--quiet"], &files);
    check("pyflakes", &[], &files);
    for file in &files {
        let file = file.to_str().unwrap();
        assert_eq!(python::run("import_file.py", &[file], ""), "");
    }
    // These scripts have types, and use the clients as programs do.
    for script in [
        "arrays_caller.py",
        "generated_calls.py",
        "generated_cancel.py",
        "generated_group.py",
        "generated_guarded.py",
        "generated_jobs.py",
        "generated_large.py",
        "generated_late.py",
        "generated_nobody.py",
        "generated_spellings.py",
        "generated_ways.py",
        "generated_restart.py",
        "generated_runtime.py",
    ] {
        let copy = folder.join(script);
        fs::copy(root.join("tests/interop/python").join(script), &copy).unwrap();
        files.push(copy);
    }
    files.push(root.join("dasf-codegen/src/python/runtime.py"));
    check("mypy", &["--strict", "--cache-dir", "mypy"], &files);
}

/// Returns the options of a module in a group that acknowledges a request after its response.
pub(crate) fn in_a_group() -> HostOptions {
    HostOptions::default()
        .group("workers".parse().unwrap())
        .acknowledge(dasf::Acknowledge::Completed)
        .max_workers(2)
}

/// Starts two reference modules that share a topic.
pub(crate) async fn serve_in_a_group(broker: &TestBroker, topic: &Topic) -> [Host; 2] {
    let start = || {
        let module = reference::module().unwrap();
        Host::start(
            module,
            topic,
            broker.group_address(Role::Module),
            in_a_group(),
        )
    };
    [start().await.unwrap(), start().await.unwrap()]
}

async fn call_a_group(broker: &TestBroker) {
    let topic = broker.topic("py-group").await;
    let team = serve_in_a_group(broker, &topic).await;
    let folder = save_reference(&name_for(broker, &topic));
    let arguments = [&folder, &broker.caller_place(), topic.as_str()];
    assert_eq!(
        python::run_beside("generated_group.py", &arguments).await,
        ""
    );
    for host in team {
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modules_of_a_group_ask_for_large_requests_at_the_embedded_broker() {
    call_a_group(&TestBroker::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_modules_of_a_group_ask_for_large_requests_at_a_pulsar() {
    call_a_group(&TestBroker::pulsar().await).await;
}

/// The names of the modules that have started to measure.
static BEGUN: std::sync::LazyLock<tokio::sync::watch::Sender<Vec<String>>> =
    std::sync::LazyLock::new(Default::default);

#[dasf::module(topic = "readers", main = false)]
mod readers {
    /// The number of bytes in a string. Some modules never finish.
    #[dasf::function]
    pub(super) async fn measure(text: String) -> u64 {
        let name = std::thread::current().name().unwrap().to_owned();
        let is_endless = name.starts_with("endless");
        super::BEGUN.send_modify(|names| names.push(name));
        if is_endless {
            std::future::pending::<()>().await;
        }
        text.len() as u64
    }
}

/// Returns the API description of the modules of which some never finish.
pub(crate) fn readers_api() -> Value {
    let api_info = readers::module().unwrap().api_info("readers");
    serde_json::to_value(api_info).unwrap()
}

/// Ends a module while it works on a large request, so that another module asks for the request. A
/// client at the URL makes the call.
pub(crate) async fn take_over(client: &str, call: impl AsyncFnOnce(String)) {
    let broker = Embedded::start().await;
    broker.make_topic("readers");
    let start = async |name: &str| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            .enable_all()
            .build()
            .unwrap();
        let address = broker.address_for(Role::Module);
        let host = runtime.spawn(async {
            let topic = "readers".parse().unwrap();
            Host::start(readers::module().unwrap(), &topic, address, in_a_group()).await
        });
        let host = host.await.unwrap().unwrap();
        (runtime, host)
    };
    let endless = format!("endless for {client}");
    let (first, _host) = start(&endless).await;
    let rescue = async {
        let mut begun = BEGUN.subscribe();
        let has_begun = begun.wait_for(|names| names.contains(&endless));
        drop(has_begun.await.unwrap());
        // It closes no connection, like a killed process.
        first.shutdown_background();
        start("second").await
    };
    let ((), (second, host)) = tokio::join!(call(broker.caller_place()), rescue);
    host.shutdown().await;
    second.shutdown_background();
}

/// Makes a call of a client in Python, which is `blocking` or `awaited`.
async fn is_taken_over(way: &str) {
    let folder = save(
        &format!("taken-over-{way}"),
        "generated_readers.py",
        &readers_api(),
    );
    let call = async |url: String| {
        let arguments = [&folder, &url, "readers", way];
        let said = python::run_beside("generated_takeover.py", &arguments).await;
        assert_eq!(said, "100000\n");
    };
    take_over(way, call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_is_sent_again_to_the_module_that_takes_over() {
    is_taken_over("blocking").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_awaited_large_request_is_sent_again_to_the_module_that_takes_over() {
    is_taken_over("awaited").await;
}
