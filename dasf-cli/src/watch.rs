//! `dasf watch`: tells what happens on a topic, line by line.

use std::io::{self, Write};
use std::time::Instant;

use chrono::Utc;
use clap::Args;
use dasf::broker::{TopicActivity, topic_activity};
use dasf::cli::{self, Connection, Error, TimeLimit, printable};
use dasf::protocol::Topic;

use crate::top::name_of;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf watch monte-carlo
  dasf watch monte-carlo --interval 10 >> monte-carlo.log

The command prints a line when a module comes or goes, when other numbers of requests wait, run or are put aside, and \
when further messages came. It reads no message, so nothing changes for modules and callers. Only dasf-broker tells \
this. Ctrl-C ends the command.")]
pub(crate) struct Watch {
    /// The topic
    #[arg(value_name = "TOPIC")]
    watched: Topic,

    /// Time between two looks: seconds, or a time such as 5m
    #[arg(long, value_name = "TIME", default_value = "1")]
    interval: TimeLimit,
}

pub(crate) fn run(connection: &Connection, options: &Watch) -> Result<(), Error> {
    let watched = cli::run_until_interrupted(async {
        let mut before = None;
        loop {
            let begin = Instant::now();
            let topics = topic_activity(connection.address()?)
                .await
                .map_err(|error| connection.with_advice(&error))?;
            let now = topics
                .into_iter()
                .find(|it| it.topic == options.watched.as_str());
            for change in changes(before.as_ref(), now.as_ref()) {
                let time = Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
                if !write_line(&printable(&format!("{time} {change}")))? {
                    return Ok(());
                }
            }
            before = Some(now);
            tokio::time::sleep(options.interval.duration().saturating_sub(begin.elapsed())).await;
        }
    });
    match watched {
        // That is how the user ends it.
        Err(Error::Interrupted) => Ok(()),
        watched => watched,
    }
}

/// Writes a line. Returns whether somebody reads on.
fn write_line(line: &str) -> Result<bool, Error> {
    let mut output = io::stdout().lock();
    let written = writeln!(output, "{line}").and_then(|()| output.flush());
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::Failed(format!(
            "standard output cannot be written: {error}"
        ))),
    }
}

/// Returns what has changed on a topic. `before` is `None` at the first look, and `Some(None)` if there was no topic.
fn changes(before: Option<&Option<TopicActivity>>, now: Option<&TopicActivity>) -> Vec<String> {
    let is_first = before.is_none();
    let before = before.and_then(Option::as_ref);
    let names = |activity: Option<&TopicActivity>| -> Vec<String> {
        let listeners = activity.map(|it| it.listeners.as_slice());
        listeners.unwrap_or_default().iter().map(name_of).collect()
    };
    let (earlier, mut new) = (names(before), names(now));
    let mut gone = Vec::new();
    for name in earlier {
        match new.iter().position(|it| *it == name) {
            Some(index) => {
                new.remove(index);
            }
            None => gone.push(name),
        }
    }
    let mut changes: Vec<String> = gone.iter().map(|it| format!("{it} is gone")).collect();
    changes.extend(new.iter().map(|it| format!("{it} listens")));
    if is_first && new.is_empty() {
        changes.push("nobody listens".to_owned());
    }
    let numbers = |activity: Option<&TopicActivity>| {
        activity.map_or([0; 4], |it| {
            [
                it.waiting,
                it.unacknowledged,
                it.dead_requests,
                it.published,
            ]
        })
    };
    let (earlier, numbers) = (numbers(before), numbers(now));
    if numbers != earlier {
        let [waiting, running, aside, published] = numbers;
        let came = match is_first {
            true => String::new(),
            // The numbers of a topic that was removed meanwhile begin again.
            false => format!("{} came, ", published.saturating_sub(earlier[3])),
        };
        let aside = match aside {
            0 => String::new(),
            aside => format!(", {aside} put aside"),
        };
        changes.push(format!("{came}{waiting} waiting, {running} running{aside}"));
    }
    changes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn activity(waiting: u64, published: u64, processes: &[u32]) -> TopicActivity {
        let listeners: Vec<_> = processes
            .iter()
            .map(|it| json!({"module": "m", "version": "1", "host": "lab", "process": it}))
            .collect();
        let value = json!({
            "topic": "t", "waiting_messages": waiting, "published": published, "listeners": listeners,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_changes_are_told() {
        assert_eq!(changes(None, None), ["nobody listens"]);
        assert_eq!(changes(Some(&None), None), [] as [&str; 0]);
        let first = activity(0, 0, &[1, 2]);
        assert_eq!(
            changes(None, Some(&first)),
            ["m 1 on lab, 1 listens", "m 1 on lab, 2 listens"]
        );
        let second = activity(3, 5, &[2, 3]);
        assert_eq!(
            changes(Some(&Some(first)), Some(&second)),
            [
                "m 1 on lab, 1 is gone",
                "m 1 on lab, 3 listens",
                "5 came, 3 waiting, 0 running",
            ]
        );
        assert_eq!(
            changes(Some(&Some(second.clone())), Some(&second)),
            [] as [&str; 0]
        );
        assert_eq!(
            changes(Some(&Some(second)), None),
            [
                "m 1 on lab, 2 is gone",
                "m 1 on lab, 3 is gone",
                "0 came, 0 waiting, 0 running",
            ]
        );
    }
}
