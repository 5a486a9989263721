//! The modules at the broker.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use dasf_protocol::Topic;
use dasf_runtime::{ConnectError, ListedModule, list_modules};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

use crate::gateway::{Shared, json};
use crate::problem::{Kind, Problem};
use crate::users::{Login, Session};

/// How long the broker may take to list its modules.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a module may take to say that it is there.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a module that the broker lists may take to answer a ping. One that is busy may need longer, but the list
/// must not wait for it.
const LOAD_TIMEOUT: Duration = Duration::from_millis(500);
/// How many of the listed modules are asked. A client is kept for each, and their number is limited.
const MAX_MEASURED: usize = 64;
/// How many modules are asked at a time.
const MAX_ASKED: usize = 16;

/// The key of the time that a module takes to answer a ping.
const LATENCY: &str = "latency_ms";

/// What is known of the modules on a topic.
pub(crate) type Document = Map<String, Value>;

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let login = Login::read(&parts)?;
    let modules = shared.modules(&login).await?;
    let modules = shared.measured(&login, modules).await;
    let document = json!({"modules": modules});
    Ok(json(document.to_string().into()))
}

impl Shared {
    /// Returns a document for each topic with modules.
    pub(crate) async fn modules(&self, login: &Login) -> Result<Vec<Document>, Problem> {
        let Ok(_turn) = self.listings.acquire().await else {
            return Err(Problem::new(Kind::Unavailable, "the gateway ends"));
        };
        let address = self.users.address(login)?;
        let listing = timeout(LIST_TIMEOUT, list_modules(address)).await;
        match listing {
            Ok(Ok(modules)) => {
                // A broker with users lists the topics that the user may watch. He may call others.
                let mut documents = by_topic(&modules);
                documents.extend(self.ask_known(login, &modules).await);
                documents.sort_by(|one, other| topic_of(one).cmp(&topic_of(other)));
                Ok(documents)
            }
            Ok(Err(ConnectError::Unsupported { .. })) => Ok(self.ask_known(login, &[]).await),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Problem::timeout(LIST_TIMEOUT, "the broker is slow")),
        }
    }

    /// Asks the modules that the broker does not list, on the topics of the options and on those that the user has
    /// called.
    async fn ask_known(&self, login: &Login, listed: &[ListedModule]) -> Vec<Document> {
        let mut topics = self.options.topics.clone();
        topics.extend(self.users.topics_of(login));
        topics.retain(|topic| listed.iter().all(|it| it.topic != topic.as_str()));
        topics.sort_unstable();
        topics.dedup();
        let asked = stream::iter(topics).map(|topic| self.ask(login, topic));
        let answers = asked.buffered(MAX_ASKED);
        answers.filter_map(std::future::ready).collect().await
    }

    async fn ask(&self, login: &Login, topic: Topic) -> Option<Document> {
        let session = self.users.session(login, topic.as_str()).await.ok()?;
        let mut module = Document::new();
        module.insert("topic".to_owned(), topic.as_str().into());
        measure(&session, ASK_TIMEOUT, &mut module).await?;
        let description = session.client.description(ASK_TIMEOUT).await.ok()?;
        if let Some(version) = description.version() {
            module.insert("version".to_owned(), version.into());
        }
        Some(module)
    }

    /// Adds what the modules tell of themselves, if they answer in time and the user may call them.
    async fn measured(&self, login: &Login, documents: Vec<Document>) -> Vec<Document> {
        let numbered = stream::iter(documents.into_iter().enumerate());
        let measured = numbered.map(|(number, mut document)| async move {
            let topic = topic_of(&document).filter(|_| number < MAX_MEASURED);
            if let Some(topic) = topic
                && !document.contains_key(LATENCY)
                && let Ok(session) = self.users.session(login, topic).await
            {
                measure(&session, LOAD_TIMEOUT, &mut document).await;
            }
            document
        });
        measured.buffered(MAX_ASKED).collect().await
    }
}

pub(crate) fn topic_of(document: &Document) -> Option<&str> {
    document.get("topic").and_then(Value::as_str)
}

/// Pings a module, and adds how long that took and how much the module has to do. Returns `None` if the module does
/// not answer in time.
async fn measure(session: &Session, patience: Duration, document: &mut Document) -> Option<()> {
    let caller = session.client.caller().ok()?;
    let begun = Instant::now();
    let load = timeout(patience, caller.load()).await.ok()?.ok()?;
    let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
    document.insert(LATENCY.to_owned(), milliseconds.into());
    // One module of a group tells its own numbers alone.
    let is_alone = document.get("instances").is_none_or(|it| *it == 1);
    if let Some(load) = load.filter(|_| is_alone) {
        // The broker counts the calls that wait there.
        let in_broker = document.get("waiting").and_then(Value::as_u64);
        let waiting = in_broker.unwrap_or_default().saturating_add(load.waiting);
        document.insert("waiting".to_owned(), waiting.into());
        document.insert("running".to_owned(), load.running.into());
        document.insert("failures".to_owned(), load.failed.into());
    }
    Some(())
}

/// Returns a document for each topic. Modules that share a topic are its instances.
fn by_topic(modules: &[ListedModule]) -> Vec<Document> {
    let mut topics: BTreeMap<&str, Vec<&ListedModule>> = BTreeMap::new();
    for module in modules {
        topics.entry(&module.topic).or_default().push(module);
    }
    let documents = topics.into_iter().map(|(topic, modules)| {
        let mut document = Document::new();
        document.insert("topic".to_owned(), topic.into());
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                document.insert(key.to_owned(), value);
            }
        };
        let first = |text: fn(&ListedModule) -> Option<&str>| {
            let texts = modules.iter().filter_map(|it| text(it));
            texts.filter(|text| !text.is_empty()).min().map(Value::from)
        };
        set("name", first(|it| Some(&it.name)));
        set("version", first(|it| Some(&it.version)));
        set("description", first(|it| Some(&it.description)));
        set("group", first(|it| it.group.as_deref()));
        set("host", first(|it| it.host.as_deref()));
        set("user", first(|it| it.user.as_deref()));
        set("since", first(|it| it.connected_since.as_deref()));
        set("instances", Some(modules.len().into()));
        let waiting = modules.iter().filter_map(|it| it.waiting).max();
        set("waiting", waiting.map(Value::from));
        document
    });
    documents.collect()
}
