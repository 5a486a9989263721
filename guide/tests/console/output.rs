//! Comparing the output of a command with the output that a page shows.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The parts that differ from run to run: times, durations, ports and random names.
static VOLATILE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)
        |(?<duration>\b\d+(\.\d+)?\ ?(ms|µs)\b|\b\d+\.\d+\ ?s\b)
        |(?<port>(127\.0\.0\.1|localhost|\[::1\]):\d+)
        |(?<random>\b_[A-Za-z0-9_-]{8,22}\b|rust-client-[A-Za-z0-9_-]{22})
        ",
    )
    .unwrap()
});

/// The line without the parts that differ from run to run.
pub(crate) fn stable(line: &str) -> String {
    let replaced = VOLATILE.replace_all(line, |captures: &Captures<'_>| {
        let names = ["time", "duration", "port", "random"];
        let name = names.iter().find(|name| captures.name(name).is_some());
        name.map_or_else(String::new, |name| format!("<{name}>"))
    });
    replaced.trim_end().to_owned()
}

/// Whether a line is as the page shows it. In the page, `…` stands for any characters.
pub(crate) fn line_matches(shown: &str, actual: &str) -> bool {
    let shown = stable(shown);
    let actual = stable(actual);
    let parts: Vec<String> = shown.split('…').map(regex::escape).collect();
    let pattern = format!("^{}$", parts.join(".*"));
    Regex::new(&pattern).is_ok_and(|pattern| pattern.is_match(&actual)) || shown == actual
}

/// Whether the lines are as the page shows them. In the page, a line `…` stands for any lines. With
/// `may_go_on`, further lines may follow.
pub(crate) fn matches(shown: &[String], actual: &[String], may_go_on: bool) -> bool {
    match shown {
        [] => may_go_on || actual.is_empty(),
        [any, rest @ ..] if any.trim() == "…" => {
            (0..=actual.len()).any(|start| matches(rest, &actual[start..], may_go_on))
        }
        [line, rest @ ..] => actual.split_first().is_some_and(|(first, others)| {
            line_matches(line, first) && matches(rest, others, may_go_on)
        }),
    }
}

#[test]
fn volatile_parts_are_not_compared() {
    assert!(line_matches(
        "2026-11-22T15:43:44.276115Z  INFO listening broker=\"ws://localhost:8080/ws\"",
        "2027-01-02T03:04:05.000006Z  INFO listening broker=\"ws://localhost:40123/ws\""
    ));
    assert!(line_matches(
        "my-topic answers in 5.01 ms",
        "my-topic answers in 812 µs"
    ));
    assert!(!line_matches("within 2 s", "within 5 s"));
    assert!(!line_matches("a", "b"));
}

#[test]
fn an_ellipsis_stands_for_anything() {
    let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(line_matches("error: … [1]", "error: (no) [1]"));
    assert!(matches(
        &lines(&["a", "…", "d"]),
        &lines(&["a", "b", "c", "d"]),
        false
    ));
    assert!(!matches(&lines(&["a"]), &lines(&["a", "b"]), false));
    assert!(matches(&lines(&["a"]), &lines(&["a", "b"]), true));
}
