//! An Apache Pulsar with TLS, tokens and rights.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use dasf::broker::{ConnectError, Persistence, PulsarAddress, TlsFault};
use dasf::host::StartError;
use dasf::protocol::Topic;
use dasf::{Address, ClientError, Host, HostOptions};
use dasf_examples::reference;
use dasf_test_support::process::free_ports;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio::task::block_in_place;

use crate::brokers::pulsar::{Pulsar, Setup};
use crate::generated_python::save_reference;
use crate::generated_typescript;
use crate::python;
use crate::support::{call_everything, reference_program};

/// The key of the tokens below, in base64. The tokens are JWTs with HS256 of `{"sub":"admin"}`,
/// `{"sub":"member"}` and `{"sub":"nobody"}`.
const KEY: &str = "data:;base64,YSBzZWNyZXQgb2YgYSB0ZXN0LCAzMiBieXRlcyBsb25n";
const ADMIN: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.6J3JjoN2C-7VxbXAML1AdNy0TpqhEYcxXMlfi5YiVHg";
const MEMBER: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZW1iZXIifQ.KSlEzU5Njh0GSU2wT2IUC3jXpAJOmFNub42VoFSj030";
const NOBODY: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.2BpdWveOOlw72eWukPhpl4cY-jLlvWcS7LJHQKnoukY";

/// The rights of a role that may publish and consume.
const RIGHTS: &str = r#"["produce","consume"]"#;

struct Guarded {
    pulsar: Pulsar,
    tls_port: u16,
    /// The certificate of the authority, in PEM.
    authority: String,
}

/// Returns the Pulsar for one test at a time, because some tests change its settings.
async fn guarded() -> MutexGuard<'static, Guarded> {
    static SHARED: OnceCell<Mutex<Guarded>> = OnceCell::const_new();
    let start = || async {
        let start = tokio::task::spawn_blocking(Guarded::start);
        Mutex::new(start.await.unwrap())
    };
    SHARED.get_or_init(start).await.lock().await
}

impl Guarded {
    fn start() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = &mut authority.distinguished_name;
        name.push(DnType::CommonName, "the authority of a test");
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();

        let [tls_port] = free_ports();
        let setup = Setup {
            settings: &[
                ("webServicePortTls", &tls_port.to_string()),
                ("tlsCertificateFilePath", "{folder}/certificate.pem"),
                ("tlsKeyFilePath", "{folder}/key.pem"),
                ("authenticationEnabled", "true"),
                (
                    "authenticationProviders",
                    "org.apache.pulsar.broker.authentication.AuthenticationProviderToken",
                ),
                ("tokenSecretKey", KEY),
                ("authorizationEnabled", "true"),
                ("superUserRoles", "admin"),
                // The WebSocket proxy connects to the broker as a client.
                (
                    "brokerClientAuthenticationPlugin",
                    "org.apache.pulsar.client.impl.auth.AuthenticationToken",
                ),
                (
                    "brokerClientAuthenticationParameters",
                    &format!("token:{ADMIN}"),
                ),
                // The time that this client tries before it reports a refusal. The default is 30 s.
                ("brokerClient_lookupTimeoutMs", "3000"),
                ("brokerClient_operationTimeoutMs", "3000"),
            ],
            files: &[
                ("authority.pem", &authority.pem()),
                ("certificate.pem", &certificate.pem()),
                ("key.pem", &key.serialize_pem()),
            ],
            token: Some(ADMIN),
        };
        let guarded = Self {
            pulsar: Pulsar::start("guarded", &setup),
            tls_port,
            authority: authority.pem(),
        };
        guarded.administrate(
            "POST",
            "namespaces/public/default/permissions/member",
            RIGHTS,
        );
        guarded
    }

    fn administrate(&self, method: &str, path: &str, body: &str) {
        block_in_place(|| self.pulsar.administrate(method, path, body));
    }

    /// Changes a dynamic setting.
    fn set(&self, setting: &str, value: &str) {
        let path = format!("brokers/configuration/{setting}/{value}");
        self.administrate("POST", &path, "");
    }

    fn authority_file(&self) -> PathBuf {
        self.pulsar.folder().join("authority.pem")
    }

    /// Returns the address of persistent topics in a namespace, with trust in the authority.
    fn namespace(&self, namespace: &str) -> Address {
        let address = Address::try_from(
            PulsarAddress::default()
                .host("localhost")
                .port(self.tls_port)
                .tls(true)
                .persistence(Persistence::Persistent)
                .namespace(namespace),
        )
        .unwrap();
        let authority = self.authority.as_bytes();
        address.with_ca_certificates(authority).unwrap()
    }

    /// Returns the address without TLS of topics of a kind, with the token of the member.
    fn unencrypted(&self, persistence: Persistence) -> Address {
        let address = Address::try_from(
            PulsarAddress::default()
                .host("127.0.0.1")
                .port(self.pulsar.port())
                .persistence(persistence),
        )
        .unwrap();
        address.with_token(MEMBER).unwrap()
    }

    fn address(&self, token: &str) -> Address {
        self.namespace("default").with_token(token).unwrap()
    }
}

async fn serve(topic: &str, address: Address) -> Result<Host, ConnectError> {
    let topic: Topic = topic.parse().unwrap();
    let module = reference::module().unwrap();
    let host = Host::start(module, &topic, address, HostOptions::default()).await;
    host.map_err(|error| match error {
        StartError::Connect(error) => error,
        other => panic!("{other}"),
    })
}

async fn connect(topic: &str, address: Address) -> Result<reference::Client, ConnectError> {
    let builder = reference::Client::builder().topic(topic).address(address);
    builder.connect().await.map_err(|error| match error {
        ClientError::Connect(error) => error,
        other => panic!("{other}"),
    })
}

/// Returns the errors of a module and of a client that Pulsar refuses.
async fn refused(topic: &str, address: Address, status: u16, reason: &str, advice: &str) {
    let client = connect(topic, address.clone()).await.map(drop);
    let host = serve(topic, address).await.map(drop);
    for error in [client.unwrap_err(), host.unwrap_err()] {
        assert_refusal(&error, status, reason, advice);
    }
}

fn assert_refusal(error: &ConnectError, status: u16, reason: &str, advice: &str) {
    match error {
        ConnectError::Refused {
            status: told,
            reason: words,
            ..
        } => assert_eq!((*told, words.as_str()), (status, reason)),
        other => panic!("{other}"),
    }
    let given = error.advice().unwrap();
    assert!(given.contains(advice), "{status}: {given}");
}

#[tokio::test(flavor = "multi_thread")]
async fn module_and_client_meet_by_tls_with_tokens() {
    let guarded = guarded().await;
    let host = serve("meeting", guarded.address(MEMBER)).await.unwrap();
    let client = connect("meeting", guarded.address(MEMBER)).await.unwrap();
    call_everything(&client).await;
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_comes_by_tls_with_a_token() {
    let guarded = guarded().await;
    let host = serve("by-python", guarded.address(MEMBER)).await.unwrap();
    let folder = save_reference("guarded");
    let (port, authority) = (guarded.tls_port.to_string(), guarded.authority_file());
    let arguments = [
        &*folder,
        &port,
        "by-python",
        MEMBER,
        authority.to_str().unwrap(),
    ];
    let said = python::run_beside("generated_guarded.py", &arguments).await;
    assert_eq!(said, "");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_names_an_untrusted_authority() {
    let guarded = guarded().await;
    let untrusting = |tls, port| {
        let pulsar = PulsarAddress::default()
            .host("127.0.0.1")
            .port(port)
            .tls(tls);
        Address::try_from(pulsar)
            .unwrap()
            .with_token(MEMBER)
            .unwrap()
    };
    let by_tls = untrusting(true, guarded.tls_port);
    let client = connect("untrusted", by_tls.clone()).await.map(drop);
    let host = serve("untrusted", by_tls).await.map(drop);
    for error in [client.unwrap_err(), host.unwrap_err()] {
        match &error {
            ConnectError::Tls { fault, .. } => assert_eq!(*fault, TlsFault::UnknownAuthority),
            other => panic!("{other}"),
        }
        assert!(error.advice().unwrap().contains("--ca-file"));
    }

    // The ports are exchanged.
    let no_tls = connect("untrusted", untrusting(true, guarded.pulsar.port())).await;
    match no_tls.map(drop).unwrap_err() {
        ConnectError::Tls { fault, .. } => assert_eq!(fault, TlsFault::NotTls),
        other => panic!("{other}"),
    }
    let tls = connect("untrusted", untrusting(false, guarded.tls_port)).await;
    let tls = tls.map(drop).unwrap_err();
    assert!(matches!(tls, ConnectError::Protocol { .. }), "{tls}");
    assert!(tls.advice().unwrap().contains("--tls"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_a_topic_that_is_refused_without_it() {
    let guarded = guarded().await;
    let anonymous = guarded.namespace("default");
    let required = "Authentication required";
    refused("guarded", anonymous, 401, required, "--token").await;
    let rubbish = guarded.address("rubbish");
    refused("guarded", rubbish, 401, required, "check the login").await;
    let nobody = guarded.address(NOBODY);
    let not_authorized = "Not authorized";
    refused(
        "guarded",
        nobody.clone(),
        403,
        not_authorized,
        "produce and consume",
    )
    .await;

    // The test follows the advice of the error.
    let rights = "namespaces/public/default/permissions/nobody";
    guarded.administrate("POST", rights, RIGHTS);
    let host = serve("guarded", nobody.clone()).await.unwrap();
    let client = connect("guarded", nobody).await.unwrap();
    assert_eq!(client.add(1).await.unwrap(), 3);
    host.shutdown().await;
    guarded.administrate("DELETE", rights, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_advice() {
    let guarded = guarded().await;
    let address = || guarded.address(MEMBER);

    let url = |role: &str| {
        let port = guarded.tls_port;
        format!("wss://localhost:{port}/ws/v2/{role}/persistent/public/default")
    };
    let consumer = url("consumer") + "?receiverQueueSize=-1";
    let spelled = Address::websocket_pair(&url("producer"), &consumer).unwrap();
    let spelled = spelled.with_token(MEMBER).unwrap();
    let spelled = spelled.with_ca_certificates(guarded.authority.as_bytes());
    let reason = "Invalid query params: receiverQueueSize needs to be >= 0";
    refused("anything", spelled.unwrap(), 400, reason, "check the topic").await;

    // Only an administrator gets this error. Pulsar does not show other roles which namespaces exist.
    let nowhere = guarded.namespace("nowhere").with_token(ADMIN).unwrap();
    refused(
        "anything",
        nowhere,
        404,
        "Namespace not found",
        "create them",
    )
    .await;

    let limited = "namespaces/public/limited";
    guarded.administrate("PUT", limited, "");
    guarded.administrate("POST", &format!("{limited}/permissions/member"), RIGHTS);
    guarded.administrate("POST", &format!("{limited}/maxConsumersPerTopic"), "1");
    let address_there = || guarded.namespace("limited").with_token(MEMBER).unwrap();
    let first = serve("limited", address_there()).await.unwrap();
    let second = serve("limited", address_there()).await.map(drop);
    let reason = "Topic reached max consumers limit";
    assert_refusal(
        &second.unwrap_err(),
        409,
        reason,
        "limit of producers or consumers",
    );
    guarded.administrate("POST", &format!("{limited}/maxTopicsPerNamespace"), "1");
    let more = serve("another", address_there()).await.map(drop);
    let reason = "Exceed maximum number of topics in namespace.";
    assert_refusal(&more.unwrap_err(), 500, reason, "the log of the broker");
    first.shutdown().await;

    let host = serve("terminated", address()).await.unwrap();
    guarded.administrate("POST", "persistent/public/default/terminated/terminate", "");
    let client = connect("terminated", address()).await.map(drop);
    let reason = "Topic was already terminated";
    assert_refusal(&client.unwrap_err(), 503, reason, "terminated");
    host.shutdown().await;

    guarded.set("maxConcurrentLookupRequest", "0");
    let error = serve("looked-up", address()).await.map(drop).unwrap_err();
    guarded.set("maxConcurrentLookupRequest", "50000");
    let reason = "Failed due to too many pending lookup requests";
    assert_refusal(&error, 429, reason, "try again later");

    guarded.set("maxConcurrentTopicLoadRequest", "0");
    let error = serve("loaded", address()).await.map(drop).unwrap_err();
    guarded.set("maxConcurrentTopicLoadRequest", "5000");
    assert_refusal(&error, 504, "request timeout", "try again");
}

/// Runs a command of the program of a module.
fn run(program: &Path, guarded: &Guarded, options: &[&str], command: &[&str]) -> Output {
    let mut program = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DE_BACKEND_")) {
        program.env_remove(name);
    }
    let port = guarded.tls_port.to_string();
    program.args(["-t", "by-command-line", "--persistent", "persistent"]);
    program
        .args(["--tls", "--port", &port])
        .args(options)
        .args(command);
    program.stdin(Stdio::null()).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_reaches_it_by_tls() {
    // The build runs before the test waits for the Pulsar.
    let program = block_in_place(reference_program);
    let guarded = guarded().await;
    let host = serve("by-command-line", guarded.address(MEMBER))
        .await
        .unwrap();
    let file = guarded.authority_file();
    let trusted: &[&str] = &["--ca-file", file.to_str().unwrap()];
    let with = |token| [trusted, &["--token", token]].concat();
    let add = &["send-request", "{func_name: add, a: 1}"];
    let answered = block_in_place(|| run(&program, &guarded, &with(MEMBER), add));
    assert_eq!(answered.stdout, b"3\n", "{answered:?}");
    assert!(answered.status.success());
    for (options, end) in [
        (
            with("rubbish"),
            "with status 401: Authentication required; check the login, which the broker does not accept: it \
             may be wrong or expired\n",
        ),
        (
            with(NOBODY),
            "with status 403: Not authorized; ask the broker's administrator for access to this topic; at a Pulsar, the \
             token's role needs the rights to produce and consume in the namespace\n",
        ),
        (
            vec!["--token", MEMBER],
            "its certificate is from an authority that is not trusted here; give the authority's certificate or \
             the broker's own with --ca-file FILE\n",
        ),
    ] {
        let refused = block_in_place(|| run(&program, &guarded, &options, &["test-connect"]));
        let line = String::from_utf8(refused.stderr).unwrap();
        assert!(line.starts_with("error: "), "{line}");
        assert!(line.ends_with(end), "{line}");
        assert_eq!(refused.status.code(), Some(1));
    }
    host.shutdown().await;
}

/// The size of a request and of its result, 94 fragments each.
const LARGE: usize = 50_000_000;

/// These tests fill the connections that the WebSockets of Pulsar share. On the shared Pulsar, messages
/// of other tests to non-persistent topics would be dropped.
async fn large_request_and_result(persistence: Persistence) {
    let guarded = guarded().await;
    let address = guarded.unencrypted(persistence);
    let host = serve("large-calls", address.clone()).await.unwrap();
    let client = connect("large-calls", address).await.unwrap();
    let large = "0123456789".repeat(LARGE / 10);
    let echo = client.echo(&*large).timeout(Duration::from_secs(120)).await;
    // `assert_eq` would print both.
    assert!(echo.unwrap() == large);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_and_result_go_over_persistent_topics() {
    large_request_and_result(Persistence::Persistent).await;
}

/// Non-persistent topics drop messages while the connection of a consumer is busy.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_and_result_go_over_non_persistent_topics() {
    large_request_and_result(Persistence::NonPersistent).await;
}

/// The size of each request of a generated client, ten fragments. Several are on the way.
const LARGE_OF_SEVERAL: usize = 5_000_000;
const SEVERAL: usize = 6;
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets a client call a module, which joins the fragments of requests, and two modules of a group,
/// which ask for them.
async fn several_large_requests(language: &str, call: impl AsyncFn(&Guarded, &str, bool)) {
    let guarded = guarded().await;
    let address = guarded.unencrypted(Persistence::NonPersistent);
    let alone = format!("large-{language}");
    let host = serve(&alone, address.clone()).await.unwrap();
    call(&guarded, &alone, false).await;
    host.shutdown().await;

    let shared: Topic = format!("large-{language}-group").parse().unwrap();
    let start = || {
        let options = HostOptions::default().group("workers".parse().unwrap());
        let module = reference::module().unwrap();
        Host::start(module, &shared, address.clone(), options)
    };
    let team = [start().await.unwrap(), start().await.unwrap()];
    call(&guarded, shared.as_str(), true).await;
    for host in team {
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_of_a_typescript_client_go_over_non_persistent_topics() {
    let call = async |guarded: &Guarded, topic: &str, is_group: bool| {
        let pulsar = json!({"host": "127.0.0.1", "port": guarded.pulsar.port()});
        let wanted = json!({"pulsar": pulsar, "topic": topic, "token": MEMBER, "calls": SEVERAL,
            "size": LARGE_OF_SEVERAL, "group": is_group, "timeout": PATIENCE.as_millis() as u64});
        let seen = generated_typescript::run("large.js", wanted).await;
        assert_eq!(
            Value::from(seen),
            json!({"answered": 1 + SEVERAL, "left": []})
        );
    };
    several_large_requests("typescript", call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_of_a_python_client_go_over_non_persistent_topics() {
    let folder = save_reference("large");
    let call = async |guarded: &Guarded, topic: &str, is_group: bool| {
        let arguments = [
            &*folder,
            &guarded.pulsar.port().to_string(),
            topic,
            MEMBER,
            &LARGE_OF_SEVERAL.to_string(),
            &SEVERAL.to_string(),
            if is_group { "group" } else { "alone" },
            &PATIENCE.as_secs().to_string(),
        ];
        assert_eq!(
            python::run_beside("generated_large.py", &arguments).await,
            ""
        );
    };
    several_large_requests("python", call).await;
}
