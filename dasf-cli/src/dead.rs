//! `dasf dead`: requests that ended the modules that ran them, and that the broker has put aside.

use dasf::broker::{
    ConnectError, DeadAttempt, DeadRequest, DeadRequestDetails, dead_letters, dead_request,
    dead_requests, drop_dead_letter, drop_dead_request, retry_dead_letter, retry_dead_request,
};
use dasf::cli::{self, Connection, Error, print_result, printable};
use dasf::protocol::{Subscription, Topic};

use crate::options::{Dead, DeadChange, DeadList, DeadShow, Letters};

/// The statuses with which a broker refuses to do something with one request, without other advice.
const OF_ONE_REQUEST: [u16; 3] = [403, 409, 410];

pub(crate) fn run(connection: &Connection, command: &Dead) -> Result<(), Error> {
    match command {
        Dead::List(options) => list(connection, options),
        Dead::Show(options) => show(connection, options),
        Dead::Retry(options) => change(connection, options, true),
        Dead::Drop(options) => change(connection, options, false),
    }
}

/// Where the requests are.
enum Place {
    /// The broker has put them aside.
    Broker,
    /// A Pulsar has moved them to the dead-letter topic of a group.
    Letters(Topic, Subscription),
}

impl Place {
    fn of(connection: &Connection, letters: &Letters) -> Result<Self, Error> {
        let Some(group) = &letters.group else {
            return Ok(Self::Broker);
        };
        let group = group.parse().map_err(Error::usage)?;
        Ok(Self::Letters(connection.topic()?, group))
    }
}

fn no_letter(id: &str) -> Error {
    let id = printable(id);
    Error::failed(format!("there is no dead letter with the id '{id}'"))
}

fn failed(connection: &Connection, error: &ConnectError) -> Error {
    match error {
        ConnectError::Refused { status, reason, .. } if OF_ONE_REQUEST.contains(status) => {
            Error::failed(printable(reason.trim_end()))
        }
        error => connection.with_advice(error),
    }
}

fn list(connection: &Connection, options: &DeadList) -> Result<(), Error> {
    if options.indent.indent.is_some() && !options.json {
        return Err(Error::usage("--indent needs --json"));
    }
    let place = Place::of(connection, &options.letters)?;
    let mut dead = cli::run_until_interrupted(async {
        let address = connection.address()?;
        let listed = match &place {
            Place::Broker => dead_requests(address).await,
            Place::Letters(topic, group) => {
                let letters = dead_letters(address, topic, group).await;
                letters.map(|letters| letters.into_iter().map(|it| it.dead).collect())
            }
        };
        listed.map_err(|error| failed(connection, &error))
    })?;
    let topics = &options.topics;
    dead.retain(|it| topics.is_empty() || topics.contains(&it.topic));
    if options.json {
        return options.indent.print(&dead);
    }
    if dead.is_empty() {
        return print_result("No request is put aside.");
    }
    let lines: Vec<_> = dead.iter().map(entry).collect();
    print_result(&lines.join("\n"))
}

fn show(connection: &Connection, options: &DeadShow) -> Result<(), Error> {
    if options.indent.indent.is_some() && !options.json {
        return Err(Error::usage("--indent needs --json"));
    }
    let place = Place::of(connection, &options.letters)?;
    let details = cli::run_until_interrupted(async {
        let (address, id) = (connection.address()?, &options.id);
        match &place {
            Place::Broker => {
                let shown = dead_request(address, id).await;
                shown.map_err(|error| failed(connection, &error))
            }
            Place::Letters(topic, group) => {
                let letters = dead_letters(address, topic, group).await;
                let letters = letters.map_err(|error| failed(connection, &error))?;
                let found = letters.into_iter().find(|it| it.dead.id == *id);
                found.ok_or_else(|| no_letter(id))
            }
        }
    })?;
    if options.json {
        return options.indent.print(&details);
    }
    print_result(page(&details).trim_end())
}

fn change(connection: &Connection, options: &DeadChange, is_retry: bool) -> Result<(), Error> {
    let place = Place::of(connection, &options.letters)?;
    for id in &options.ids {
        cli::run_until_interrupted(async {
            let address = connection.address()?;
            let changed = match (&place, is_retry) {
                (Place::Broker, true) => retry_dead_request(address, id).await.map(|()| true),
                (Place::Broker, false) => drop_dead_request(address, id).await.map(|()| true),
                (Place::Letters(topic, group), true) => {
                    retry_dead_letter(address, topic, group, id).await
                }
                (Place::Letters(topic, group), false) => {
                    drop_dead_letter(address, topic, group, id).await
                }
            };
            match changed {
                Ok(true) => Ok(()),
                Ok(false) => Err(no_letter(id)),
                Err(error) => Err(failed(connection, &error)),
            }
        })?;
        let done = if is_retry { "sent again" } else { "dropped" };
        print_result(&format!("{done}: {}", printable(id)))?;
    }
    Ok(())
}

/// Returns the id of a request, and below it what it is.
fn entry(dead: &DeadRequest) -> String {
    format!("{}\n  {}", printable(&dead.id), printable(&summary(dead)))
}

/// Returns, for example, `pi on monte-carlo (group estimators), 3 deaths, 1 kB, 5m old, user ada`.
fn summary(dead: &DeadRequest) -> String {
    let function = dead.function.as_deref().unwrap_or("a request");
    let group = dead.subscription.as_deref();
    let group = group.map_or_else(String::new, |group| format!(" ({group})"));
    let mut parts = vec![format!("{function} on {}{group}", dead.topic)];
    parts.extend(dead.deaths.map(|deaths| match deaths {
        1 => "1 death".to_owned(),
        deaths => format!("{deaths} deaths"),
    }));
    parts.push(format!("{} bytes", dead.bytes));
    parts.extend(
        dead.age_seconds
            .map(|seconds| format!("{} old", age(seconds))),
    );
    parts.extend(dead.user.as_ref().map(|user| format!("user {user}")));
    parts.join(", ")
}

/// Returns, for example, `90s`, `5m`, `3h` or `2d`.
fn age(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds}s"),
        100..6000 => format!("{}m", seconds / 60),
        6000..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns, for example, `2026-11-28 15:04:05 UTC`.
fn time(rfc3339: &str) -> String {
    match rfc3339.split_once('T') {
        Some((date, time)) => format!("{date} {} UTC", time.get(..8).unwrap_or(time)),
        None => rfc3339.to_owned(),
    }
}

/// Returns a request with its history and its arguments. The strings are safe for a terminal.
fn page(details: &DeadRequestDetails) -> String {
    let dead = &details.dead;
    let mut lines = vec![dead.id.clone(), format!("  {}", summary(dead))];
    let at =
        |what: &str, at: &Option<String>| at.as_ref().map(|at| format!("  {what}  {}", time(at)));
    lines.extend(at("published", &dead.published));
    lines.extend(details.attempts.iter().map(attempt));
    lines.extend(at("put aside", &dead.put_aside));
    if let Some(topic) = &dead.response_topic {
        let context = details.context.as_deref().unwrap_or_default();
        lines.push(format!("  answers    to {topic}, context {context}"));
    }
    lines.push(match &details.request {
        Some(request) if details.is_whole => format!("  request    {request}"),
        Some(request) => format!("  request    {request} … (shortened)"),
        None if details.on_demand => "  request    is still with its caller".to_owned(),
        None => "  request    cannot be shown to you".to_owned(),
    });
    let lines: Vec<_> = lines.iter().map(|line| printable_line(line)).collect();
    lines.join("\n")
}

/// Returns a printable line with its indentation.
fn printable_line(line: &str) -> String {
    let text = line.trim_start();
    let indent = line.get(..line.len() - text.len()).unwrap_or_default();
    format!("{indent}{}", printable(text))
}

/// Returns, for example, `lost  2026-11-28 15:04:05 UTC, begun 15:04:01: monte_carlo 0.1.0 on lab-3, process 4711`.
fn attempt(attempt: &DeadAttempt) -> String {
    let consumer = &attempt.consumer;
    let mut who = Vec::new();
    let name = [&consumer.module, &consumer.version];
    let name: Vec<_> = name.into_iter().flatten().map(String::as_str).collect();
    let name = match name.is_empty() {
        true => "a listener".to_owned(),
        false => name.join(" "),
    };
    let place = consumer.host.as_ref().map(|host| format!(" on {host}"));
    let place = place.or_else(|| consumer.address.as_ref().map(|at| format!(" at {at}")));
    who.push(format!("{name}{}", place.unwrap_or_default()));
    who.extend(consumer.process.map(|process| format!("process {process}")));
    who.extend(consumer.user.as_ref().map(|user| format!("user {user}")));
    let begun = match &attempt.begun {
        Some(begun) => format!("begun {}", time(begun)),
        None => "begin not reported".to_owned(),
    };
    let (end, ended) = (&attempt.end, time(&attempt.ended));
    format!("  {end:<10} {ended}, {begun}: {}", who.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn details(more: &Value) -> DeadRequestDetails {
        let mut value = json!({
            "id": "7", "topic": "a", "subscription": "team", "function": "end", "user": "ada",
            "published": "2026-11-28T15:04:05.123456+00:00", "put_aside": "2026-11-28T15:05:05.123456+00:00",
            "age_seconds": 600, "deaths": 3, "messages": 1, "bytes": 90,
            "response_topic": "a_x", "context": "1",
        });
        for (key, part) in more.as_object().unwrap() {
            value[key] = part.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_request_is_shown_with_its_history_and_its_arguments() {
        let consumer = json!({"module": "m", "version": "1", "host": "lab", "process": 7});
        let attempts = json!([
            {"consumer": {"address": "10.0.0.7:4711"}, "ended": "2026-11-28T15:04:06+00:00", "end": "lost"},
            {"consumer": consumer, "begun": "2026-11-28T15:04:07+00:00", "ended": "2026-11-28T15:04:08+00:00", "end": "returned"},
        ]);
        let shown = page(&details(&json!({
            "attempts": attempts, "request": "{\"func_name\": \"end\u{1b}\"}", "is_whole": true,
        })));
        let expected = "7
  end on a (team), 3 deaths, 90 bytes, 10m old, user ada
  published  2026-11-28 15:04:05 UTC
  lost       2026-11-28 15:04:06 UTC, begin not reported: a listener at 10.0.0.7:4711
  returned   2026-11-28 15:04:08 UTC, begun 2026-11-28 15:04:07 UTC: m 1 on lab, process 7
  put aside  2026-11-28 15:05:05 UTC
  answers    to a_x, context 1
  request    {\"func_name\": \"end \"}";
        assert_eq!(shown, expected);
        let shown = page(&details(
            &json!({"on_demand": true, "function": null, "deaths": 1}),
        ));
        assert!(shown.contains("a request on a (team), 1 death,"), "{shown}");
        assert!(shown.ends_with("is still with its caller"), "{shown}");
        let shown = page(&details(&json!({})));
        assert!(shown.ends_with("cannot be shown to you"), "{shown}");
    }

    #[test]
    fn an_age_has_one_unit() {
        let shown = [0, 99, 100, 5999, 6000, 172_799, 172_800].map(age);
        assert_eq!(shown, ["0s", "99s", "1m", "99m", "1h", "47h", "2d"]);
    }
}
