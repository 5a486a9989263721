//! The documents of the gateway, over HTTP.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;

use super::{of_topic, of_topics};
use crate::description::Description;
use crate::gateway::{Shared, json};
use crate::modules::topic_of;
use crate::problem::Problem;
use crate::users::{Login, Session};

/// How many modules are asked for their descriptions at a time.
const MAX_ASKED: usize = 16;
/// The maximum number of modules in a document.
const MAX_MODULES: usize = 256;

/// Answers with the document of one module.
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let login = Login::read(&parts)?;
    let description = shared.describe(&login, &topic).await?;
    let document = of_topic(description.topic(), description.info());
    Ok(json(document.to_string().into()))
}

/// Answers with the document of all modules that tell what they can do.
pub(crate) async fn all(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let login = Login::read(&parts)?;
    let modules = shared.modules(&login).await?;
    let topics = modules.iter().filter_map(topic_of);
    let topics: Vec<String> = topics.take(MAX_MODULES).map(str::to_owned).collect();
    let asked = stream::iter(topics).map(|topic| shared.describe_if_there(&login, topic));
    let answers = asked.buffered(MAX_ASKED);
    let descriptions: Vec<Arc<Description>> =
        answers.filter_map(std::future::ready).collect().await;
    let document = of_topics(descriptions.iter().map(|it| (it.topic(), it.info())));
    Ok(json(document.to_string().into()))
}

impl Shared {
    async fn describe(&self, login: &Login, topic: &str) -> Result<Arc<Description>, Problem> {
        let Session {
            client,
            place: _place,
        } = self.users.session(login, topic).await?;
        client.description(self.options.description_timeout).await
    }

    /// Returns the description of a module; `None` if it does not answer soon.
    async fn describe_if_there(&self, login: &Login, topic: String) -> Option<Arc<Description>> {
        let described = self.describe(login, &topic);
        tokio::time::timeout(crate::modules::ASK_TIMEOUT, described)
            .await
            .ok()?
            .ok()
    }
}
