//! `dasf list`: lists the modules that listen.

use std::time::Duration;

use dasf::broker::{ConnectError, ListedModule, list_modules};
use dasf::cli::{self, Connection, Error, print_result, printable};
use dasf::protocol::Topic;
use dasf::{CallError, Caller};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use crate::api::{brief, page_width};
use crate::options::List;

/// The indentation of the lines below a topic.
const INDENT: &str = "  ";

pub(crate) fn run(connection: &Connection, options: &List) -> Result<(), Error> {
    if options.indent.indent.is_some() && !options.json {
        return Err(Error::usage("--indent needs --json"));
    }
    let topics: Vec<Topic> = options
        .topics
        .iter()
        .map(|topic| topic.parse().map_err(Error::usage))
        .collect::<Result<_, _>>()?;
    let modules = cli::run_until_interrupted(async {
        match list_modules(connection.address()?).await {
            Ok(mut modules) => {
                let is_asked =
                    |it: &ListedModule| topics.iter().any(|topic| topic.as_str() == it.topic);
                modules.retain(|module| topics.is_empty() || is_asked(module));
                Ok(modules)
            }
            Err(ConnectError::Unsupported { .. }) if !topics.is_empty() => {
                let timeout = options.timeout.duration();
                let asked = topics.iter().map(|topic| ask(connection, topic, timeout));
                let asked = try_join_all(asked).await?;
                Ok(asked.into_iter().flatten().collect())
            }
            Err(error) => Err(connection.with_advice(&error)),
        }
    })?;
    if options.json {
        return options.indent.print(&modules);
    }
    if modules.is_empty() {
        return print_result("No module listens.");
    }
    print_result(page(&modules, page_width()).trim_end())
}

/// Asks the module on a topic who it is. Returns `None` if no module answers.
async fn ask(
    connection: &Connection,
    topic: &Topic,
    timeout: Duration,
) -> Result<Option<ListedModule>, Error> {
    let builder = Caller::builder(topic.as_str()).address(connection.address()?);
    let caller = connection.connect(builder.timeout(timeout)).await?;
    let described = caller.api_info().await;
    cli::close(caller).await;
    let description = match described {
        Ok(description) => description,
        Err(CallError::Timeout { .. } | CallError::NobodyListens { .. }) => return Ok(None),
        Err(error) => return Err(Error::failed(error)),
    };
    let functions = description.functions.iter().map(|it| it.name.as_str());
    let classes = description.classes.iter().map(|it| it.name.as_str());
    let module: Value = json!({
        "topic": topic.as_str(),
        "name": "",
        "description": description.rpc_schema["description"].as_str().unwrap_or_default(),
        "functions": functions.chain(classes).collect::<Vec<_>>(),
    });
    let module = serde_json::from_value(module).map_err(Error::failed)?;
    Ok(Some(module))
}

/// Returns whether two modules share a heading.
fn is_same(a: &ListedModule, b: &ListedModule) -> bool {
    let parts = |it: &ListedModule| {
        let ListedModule {
            topic,
            name,
            version,
            description,
            group,
            functions,
            ..
        } = it.clone();
        (topic, name, version, description, group, functions)
    };
    parts(a) == parts(b)
}

/// Returns a heading for each topic and group, the description of the module, its functions and classes, and
/// where it runs. Equal modules share one heading with their number. The strings are safe for a terminal.
fn page(modules: &[ListedModule], width: usize) -> String {
    let mut text = String::new();
    let mut rest = modules;
    for same in modules.chunk_by(is_same) {
        let [module, ..] = same else { continue };
        rest = rest.get(same.len()..).unwrap_or_default();
        let is_last = rest.first().is_none_or(|next| next.topic != module.topic);
        text.push_str(&printable(&module.topic));
        text.push_str(&heading(same.len(), module.group.as_deref()));
        text.push('\n');
        let mut lines = vec![brief(&module.description), module.functions.join(", ")];
        lines.extend(same.iter().filter_map(whereabouts));
        let waits = module.waiting.filter(|count| *count > 0 && is_last);
        lines.extend(waits.map(waiting));
        for line in lines {
            if line.is_empty() {
                continue;
            }
            let line = printable(&line);
            let options = textwrap::Options::new(width)
                .initial_indent(INDENT)
                .subsequent_indent(INDENT);
            text.push_str(&textwrap::fill(&line, options));
            text.push('\n');
        }
    }
    text
}

/// Returns, for example, `2 messages wait`.
fn waiting(count: u64) -> String {
    match count {
        1 => "1 message waits".to_owned(),
        count => format!("{count} messages wait"),
    }
}

/// Returns, for example, `arithmetic 0.1.0 on lab-3, process 4711, user ada, since 2026-11-28 15:04:05 UTC`.
/// `None` if the broker does not tell where modules run.
fn whereabouts(module: &ListedModule) -> Option<String> {
    let address = module.address.as_ref()?;
    let is_introduced = !module.name.is_empty();
    let mut parts = Vec::new();
    let name = format!("{} {}", module.name, module.version);
    match &module.host {
        Some(host) => parts.push(format!("{} on {host}", name.trim())),
        None if is_introduced => parts.push(format!("{} at {address}", name.trim())),
        None => parts.push(format!("a listener at {address}")),
    }
    parts.extend(module.process.map(|process| format!("process {process}")));
    let subscription = module.subscription.as_ref().filter(|_| !is_introduced);
    parts.extend(subscription.map(|subscription| format!("subscription {subscription}")));
    let user = module.user.as_ref();
    parts.extend(user.map(|user| format!("user {user}")));
    let since = module.connected_since.as_deref();
    parts.extend(since.and_then(|since| {
        let (date, time) = since.split_once('T')?;
        Some(format!("since {date} {} UTC", time.get(..8)?))
    }));
    Some(parts.join(", "))
}

/// Returns, for example, ` (3 modules of the group workers)`.
fn heading(count: usize, group: Option<&str>) -> String {
    let group = group.map(printable);
    match (count, group) {
        (1, None) => String::new(),
        (1, Some(group)) => format!(" (group {group})"),
        (count, None) => format!(" ({count} modules)"),
        (count, Some(group)) => format!(" ({count} modules of the group {group})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_modules_are_counted() {
        let module = |topic: &str, group: Option<&str>| -> ListedModule {
            let module = json!({
                "topic": topic, "name": "m", "version": "1", "group": group,
                "description": "Computes\nthings.\n\nMore.", "functions": ["add\u{1b}", "Greeter"],
            });
            serde_json::from_value(module).unwrap()
        };
        let modules = [
            module("a", None),
            module("b", Some("g")),
            module("c", Some("g")),
            module("c", Some("g")),
            module("d", None),
            module("d", None),
        ];
        let below = "  Computes things.\n  add , Greeter\n";
        let expected = [
            "a",
            "b (group g)",
            "c (2 modules of the group g)",
            "d (2 modules)",
        ];
        assert_eq!(
            page(&modules, 80),
            expected
                .map(|heading| format!("{heading}\n{below}"))
                .concat()
        );
    }

    #[test]
    fn a_broker_tells_where_modules_run() {
        let module = |part: serde_json::Value| -> ListedModule {
            let mut module =
                json!({"topic": "a", "name": "", "waiting": 2, "address": "10.0.0.7:4711"});
            for (key, value) in part.as_object().unwrap() {
                module[key] = value.clone();
            }
            serde_json::from_value(module).unwrap()
        };
        let since = "2026-11-28T15:04:05.123456+00:00";
        let rust = module(json!({
            "name": "m", "version": "1", "host": "lab", "process": 7, "user": "ada",
            "connected_since": since,
        }));
        let python = module(json!({"subscription": "backend-module", "connected_since": since}));
        assert_eq!(
            page(&[rust, python], 100),
            "a\n  m 1 on lab, process 7, user ada, since 2026-11-28 15:04:05 UTC\n\
             a\n  a listener at 10.0.0.7:4711, subscription backend-module, since 2026-11-28 15:04:05 UTC\n  \
             2 messages wait\n"
        );
    }

    #[test]
    fn long_lines_are_wrapped() {
        let module = json!({"topic": "a", "name": "m", "functions": vec!["function"; 20]});
        let module: ListedModule = serde_json::from_value(module).unwrap();
        let text = page(&[module], 40);
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
        assert!(
            text.lines().skip(1).all(|line| line.starts_with(INDENT)),
            "{text}"
        );
    }
}
