//! `dasf jobs`: lists the jobs that the user has submitted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dasf::cli::{self, Connection, Error, print_result, printable};
use dasf::client::Job;
use dasf::protocol::Topic;
use dasf::{CallError, Caller};
use futures_util::stream::{self, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::job_list::{Entry, JobList};
use crate::options::Jobs;

/// The number of questions to the broker at a time.
const AT_ONCE: usize = 16;

pub(crate) fn run(connection: &Connection, options: &Jobs) -> Result<(), Error> {
    if options.indent.indent.is_some() && !options.json {
        return Err(Error::usage("--indent needs --json"));
    }
    let mut entries = JobList::of_user()?.entries()?;
    entries.reverse();
    let states = if entries.is_empty() {
        Vec::new()
    } else {
        let limit = options.timeout.duration();
        cli::run_until_interrupted(states(connection, &entries, limit))?
    };
    let jobs = entries.iter().zip(&states);
    if options.json {
        let jobs: Vec<Value> = jobs.map(|(entry, state)| object(entry, state)).collect();
        return options.indent.print(&jobs);
    }
    if entries.is_empty() {
        return print_result("No job is in the list.");
    }
    let page: String = jobs.map(|(entry, state)| paragraph(entry, state)).collect();
    print_result(page.trim_end())
}

/// Asks the broker for the state of each job.
async fn states(
    connection: &Connection,
    entries: &[Entry],
    limit: Duration,
) -> Result<Vec<String>, Error> {
    let address = connection.address()?;
    let topics: BTreeSet<&Topic> = entries.iter().map(|it| it.id.topic()).collect();
    let connecting = topics.into_iter().map(|topic| {
        let builder = Caller::builder(topic.as_str()).address(address.clone());
        async move { (topic, connection.connect(builder.timeout(limit)).await) }
    });
    let callers: BTreeMap<&Topic, Result<Caller, Error>> =
        stream::iter(connecting).buffered(AT_ONCE).collect().await;
    // Without any connection there is nothing to tell.
    if !callers.values().any(Result::is_ok)
        && let Some(Err(error)) = callers.values().next()
    {
        return Err(error.clone());
    }
    let questions = entries.iter().map(|entry| state(entry, &callers, limit));
    let states = stream::iter(questions).buffered(AT_ONCE).collect().await;
    for caller in callers.into_values().flatten() {
        cli::close(caller).await;
    }
    Ok(states)
}

/// Returns the state of a job in words.
async fn state(
    entry: &Entry,
    callers: &BTreeMap<&Topic, Result<Caller, Error>>,
    limit: Duration,
) -> String {
    let unknown = |reason: &dyn std::fmt::Display| format!("cannot be asked: {reason}");
    let caller = match callers.get(entry.id.topic()) {
        Some(Ok(caller)) => caller,
        Some(Err(error)) => return unknown(error),
        None => return unknown(&"its topic has no connection"),
    };
    let job: Job<Box<RawValue>> = match caller.attach(&entry.id) {
        Ok(job) => job,
        Err(error) => return unknown(&error),
    };
    match tokio::time::timeout(limit, job.status()).await {
        Ok(Ok(status)) => status.to_string(),
        Ok(Err(CallError::NoJob { .. })) => "unknown here".to_owned(),
        Ok(Err(error)) => unknown(&error),
        Err(_) => unknown(&format_args!("the broker did not answer within {limit:?}")),
    }
}

/// Returns the lines of a job. They are safe for a terminal.
fn paragraph(entry: &Entry, state: &str) -> String {
    let Entry {
        id,
        function,
        address,
        time,
    } = entry;
    let time = time.format("%Y-%m-%d %H:%M:%S UTC");
    let what = printable(&format!("{function}: {state}"));
    let origin = printable(&format!("submitted {time} at {address}"));
    format!("{id}\n  {what}\n  {origin}\n")
}

fn object(entry: &Entry, state: &str) -> Value {
    json!({
        "id": entry.id,
        "function": entry.function,
        "address": entry.address,
        "time": entry.time,
        "state": state,
    })
}

#[cfg(test)]
mod tests {
    use dasf::client::JobStatus;

    use super::*;

    #[test]
    fn a_line_of_the_list_cannot_control_the_terminal() {
        let entry: Entry = serde_json::from_value(json!({
            "id": "t.t_x.1", "function": "f\u{1b}]0;x\u{7}\n", "address": "ws://h\u{202e}",
            "time": "2026-11-28T15:04:05Z",
        }))
        .unwrap();
        let text = paragraph(&entry, &JobStatus::Waiting.to_string());
        assert_eq!(
            text,
            "t.t_x.1\n  f ]0;x; : waiting\n  submitted 2026-11-28 15:04:05 UTC at ws://h \n"
        );
    }
}
