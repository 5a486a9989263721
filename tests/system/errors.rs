//! Errors with causes, in the log and in the responses to callers.

use std::sync::{Arc, LazyLock, Mutex};

use dasf::{CallError, Context};
use dasf_test_support::serve;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};

/// Errors of every kind. Callers get the outermost text.
#[dasf::module(topic = "errors", main = false)]
pub(crate) mod discreet {
    use anyhow::Context as _;

    /// A file could not be read.
    #[derive(Debug, thiserror::Error, dasf::IntoError)]
    #[cfg_attr(all(), dasf(code = "unreadable"))]
    #[error("the table cannot be read")]
    pub(crate) struct Unreadable(
        #[dasf(skip)]
        #[source]
        pub(crate) Missing,
    );

    /// A file is not there.
    #[derive(Debug, thiserror::Error)]
    #[error("{name} is missing")]
    pub(crate) struct Missing {
        pub(crate) name: String,
        pub(crate) source: std::io::Error,
    }

    pub(crate) fn missing(name: &str) -> Missing {
        let source = std::io::Error::other("disk off");
        let name = name.to_owned();
        Missing { name, source }
    }

    #[dasf::function]
    fn coded() -> Result<(), Unreadable> {
        Err(Unreadable(missing("coded")))
    }

    #[dasf::function]
    fn of_a_type() -> Result<(), Missing> {
        Err(missing("of_a_type"))
    }

    #[dasf::function]
    async fn of_anyhow() -> Result<(), anyhow::Error> {
        Err(missing("of_anyhow")).context("no mean")
    }

    #[dasf::function]
    fn of_anyhow_by_alias() -> anyhow::Result<()> {
        Err(missing("of_anyhow_by_alias")).context("no mean")
    }

    #[dasf::function(inline)]
    fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Err(Unreadable(missing("boxed")).into())
    }

    #[dasf::function]
    fn boxed_here() -> Result<(), Box<dyn std::error::Error>> {
        Err(Unreadable(missing("boxed_here")).into())
    }

    #[dasf::function]
    fn text() -> Result<(), String> {
        Err("text is all".to_owned())
    }

    /// The only function that shows the causes.
    #[dasf::function(errors = "chain")]
    fn open() -> Result<(), Missing> {
        Err(missing("open"))
    }
}

/// Errors with all causes for callers.
#[dasf::module(topic = "errors", main = false, errors = "chain")]
#[allow(unreachable_pub)] // public items of a class are callable
pub(crate) mod talkative {
    use super::discreet::{Missing, Unreadable, missing};

    #[dasf::function]
    fn coded() -> Result<(), Unreadable> {
        Err(Unreadable(missing("coded")))
    }

    #[dasf::function]
    fn of_anyhow() -> anyhow::Result<()> {
        anyhow::Context::context(Err(missing("of_anyhow")), "no mean")
    }

    #[dasf::function]
    fn text() -> Result<(), &'static str> {
        Err("text is all")
    }

    #[dasf::function(errors = "outermost")]
    fn closed() -> Result<(), Missing> {
        Err(missing("closed"))
    }

    pub struct Table;

    #[dasf::class]
    impl Table {
        pub fn new(name: &str) -> Result<Self, Missing> {
            if name == "none" {
                return Err(missing("new"));
            }
            Ok(Self)
        }

        pub fn read(&self) -> anyhow::Result<()> {
            Err(missing("read").into())
        }

        #[dasf(errors = "outermost")]
        pub fn close(&self) -> Result<(), Missing> {
            Err(missing("close"))
        }
    }
}

/// The failures in the logs of modules.
static LOGGED: LazyLock<Arc<Mutex<Vec<String>>>> = LazyLock::new(Arc::default);

/// Records the failures among the events of this thread.
struct Failures;

impl<S: Subscriber> Layer<S> for Failures {
    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        struct Find;
        impl Visit for Find {
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "failure" {
                    LOGGED.lock().unwrap().push(value.to_owned());
                }
            }

            fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
        }
        event.record(&mut Find);
    }
}

/// Returns the error message of a request to a module, without a broker.
async fn message(module: &dasf::Module, request: serde_json::Value) -> String {
    let outcome = module.call_value(request, Context::local(), None).await;
    outcome.unwrap_err().message().to_owned()
}

#[tokio::test]
async fn callers_get_the_outermost_text() {
    let module = discreet::module().unwrap();
    for (function, expected) in [
        ("coded", "the table cannot be read"),
        ("of_a_type", "of_a_type is missing"),
        ("of_anyhow", "no mean"),
        ("of_anyhow_by_alias", "no mean"),
        ("boxed", "the table cannot be read"),
        ("boxed_here", "the table cannot be read"),
        ("text", "text is all"),
        ("open", "open is missing: disk off"),
    ] {
        let told = message(&module, json!({"func_name": function})).await;
        assert_eq!(told, expected, "{function}");
    }
}

#[tokio::test]
async fn callers_get_the_causes_if_the_module_sends_them() {
    let module = talkative::module().unwrap();
    for (function, expected) in [
        (
            "coded",
            "the table cannot be read: coded is missing: disk off",
        ),
        ("of_anyhow", "no mean: of_anyhow is missing: disk off"),
        ("text", "text is all"),
        ("closed", "closed is missing"),
    ] {
        let told = message(&module, json!({"func_name": function})).await;
        assert_eq!(told, expected, "{function}");
    }
    for (name, method, expected) in [
        ("none", "read", "new is missing: disk off"),
        ("some", "read", "read is missing: disk off"),
        ("some", "close", "close is missing"),
    ] {
        let request =
            json!({"class_name": "Table", "name": name, "function": {"func_name": method}});
        assert_eq!(message(&module, request).await, expected, "{name} {method}");
    }
}

/// Runs on one thread, so the log contains only this test.
#[tokio::test]
async fn the_log_has_every_cause() {
    let subscriber = tracing_subscriber::registry().with(Failures);
    let _logs = tracing::subscriber::set_default(subscriber);
    let client = discreet::Client::builder();
    let (_broker, host, client) = serve("errors", discreet::module().unwrap(), client).await;
    let told = [
        client.coded().await,
        client.of_a_type().await,
        client.of_anyhow().await,
        client.of_anyhow_by_alias().await,
        client.boxed().await,
        client.boxed_here().await,
        client.text().await,
        client.open().await,
    ];
    let told = told.map(|outcome| match outcome.unwrap_err() {
        CallError::Module(failure) => failure,
        other => panic!("{other}"),
    });
    assert_eq!(told[0].code(), Some("unreadable"));
    assert_eq!(told[2].message(), "no mean");
    assert_eq!(told[7].message(), "open is missing: disk off");
    host.shutdown().await;
    let expected = [
        "the table cannot be read: coded is missing: disk off",
        "of_a_type is missing: disk off",
        "no mean: of_anyhow is missing: disk off",
        "no mean: of_anyhow_by_alias is missing: disk off",
        "the table cannot be read: boxed is missing: disk off",
        "the table cannot be read: boxed_here is missing: disk off",
        "text is all",
        "open is missing: disk off",
    ];
    let expected = expected.map(|text| format!("executing: {text}"));
    assert_eq!(*LOGGED.lock().unwrap(), expected);
}
