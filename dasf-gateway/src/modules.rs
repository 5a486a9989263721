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
use crate::users::Login;

/// How long the broker may take to list its modules.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a module may take to say that it is there.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// How many modules are asked at a time.
const MAX_ASKED: usize = 16;

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let login = Login::read(&parts)?;
    let modules = shared.modules(&login).await?;
    let document = json!({"modules": modules});
    Ok(json(document.to_string().into()))
}

impl Shared {
    pub(crate) async fn modules(&self, login: &Login) -> Result<Vec<Value>, Problem> {
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
                documents.sort_by(|one, other| one["topic"].as_str().cmp(&other["topic"].as_str()));
                Ok(documents)
            }
            Ok(Err(ConnectError::Unsupported { .. })) => Ok(self.ask_known(login, &[]).await),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Problem::timeout(LIST_TIMEOUT, "the broker is slow")),
        }
    }

    /// Asks the modules that the broker does not list, on the topics of the options and on those that the user has
    /// called.
    async fn ask_known(&self, login: &Login, listed: &[ListedModule]) -> Vec<Value> {
        let mut topics = self.options.topics.clone();
        topics.extend(self.users.topics_of(login));
        topics.retain(|topic| listed.iter().all(|it| it.topic != topic.as_str()));
        topics.sort_unstable();
        topics.dedup();
        let asked = stream::iter(topics).map(|topic| self.ask(login, topic));
        let answers = asked.buffered(MAX_ASKED);
        answers.filter_map(std::future::ready).collect().await
    }

    async fn ask(&self, login: &Login, topic: Topic) -> Option<Value> {
        let session = self.users.session(login, topic.as_str()).await.ok()?;
        let begun = Instant::now();
        let ping = session.client.caller().ok()?.ping();
        timeout(ASK_TIMEOUT, ping).await.ok()?.ok()?;
        let latency = begun.elapsed();
        let mut module = Map::new();
        module.insert("topic".to_owned(), topic.as_str().into());
        let description = session.client.description(ASK_TIMEOUT).await.ok()?;
        if let Some(version) = description.version() {
            module.insert("version".to_owned(), version.into());
        }
        module.insert(
            "latency_ms".to_owned(),
            (latency.as_secs_f64() * 1e3).into(),
        );
        Some(module.into())
    }
}

/// Returns a document for each topic. Modules that share a topic are its instances.
fn by_topic(modules: &[ListedModule]) -> Vec<Value> {
    let mut topics: BTreeMap<&str, Vec<&ListedModule>> = BTreeMap::new();
    for module in modules {
        topics.entry(&module.topic).or_default().push(module);
    }
    let documents = topics.into_iter().map(|(topic, modules)| {
        let mut document = Map::new();
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
        Value::Object(document)
    });
    documents.collect()
}
