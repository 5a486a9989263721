//! `dasf top`: shows live who listens, what waits and what runs.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use chrono::Utc;
use clap::Args;
use dasf::Caller;
use dasf::broker::{Address, ListenerActivity, TopicActivity, topic_activity};
use dasf::cli::{self, Connection, Error, TimeLimit, print_result, printable};
use dasf::client::ModuleLoad;
use dasf::protocol::Topic;
use futures_util::future::join_all;
use textwrap::core::display_width;

/// The greatest number of topics whose modules are asked.
const MAX_ASKED: usize = 50;
/// How long a module may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The greatest width of a cell, in characters.
const MAX_CELL: usize = 40;
/// The height of a terminal that does not tell it.
const HEIGHT: usize = 24;
/// The headings of the columns. Those of numbers stand on the right.
const HEADINGS: [&str; 9] = [
    "TOPIC", "LISTENER", "WAIT", "RUN", "IN/S", "OLDEST", "ANSWER", "FAILED", "ASIDE",
];
/// The number of columns with texts.
const TEXTS: usize = 2;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf top
  dasf top arithmetic river --interval 5
  dasf top -n 1

Columns: WAIT counts the requests that wait in the broker and in the module, and RUN the calls that run. IN/S is the rate \
of messages to the topic, OLDEST the age of the oldest message that waits or is not acknowledged, ANSWER the time in \
which a module answers a ping, FAILED the calls that have failed since the module started, and ASIDE the number of \
requests that are put aside. RUN and FAILED come from the module that answers, if it is a module in Rust. Only \
dasf-broker tells the rest. Ctrl-C ends the command.")]
pub(crate) struct Top {
    /// The topics to show [default: all]
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,

    /// Time between two pictures: seconds, or a time such as 5m
    #[arg(long, value_name = "TIME", default_value = "1")]
    interval: TimeLimit,

    /// Number of pictures [default: without end on a terminal, otherwise 1]
    #[arg(short = 'n', long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
}

/// The screen of a terminal, which shows the pictures and afterwards what it showed before.
struct Screen;

impl Screen {
    fn open() -> Self {
        write_out("\u{1b}[?1049h\u{1b}[?25l");
        Self
    }

    fn show(lines: &[String]) {
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\u{1b}[K")).collect();
        write_out(&format!("\u{1b}[H{}\u{1b}[J", lines.join("\r\n")));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write_out("\u{1b}[?25h\u{1b}[?1049l");
    }
}

/// Writes to the terminal. A terminal that is gone shows nothing.
fn write_out(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
}

pub(crate) fn run(connection: &Connection, options: &Top) -> Result<(), Error> {
    let is_terminal = io::stdout().is_terminal();
    let count = options.count.or((!is_terminal).then_some(1));
    let shown = cli::run_until_interrupted(async {
        let mut questions = Questions::new(connection.address()?);
        let screen = (is_terminal && options.count.is_none()).then(Screen::open);
        let mut number = 0;
        loop {
            let begin = Instant::now();
            let mut topics = topic_activity(connection.address()?)
                .await
                .map_err(|error| connection.with_advice(&error))?;
            topics.retain(|it| options.topics.is_empty() || options.topics.contains(&it.topic));
            let answers = questions.ask(&topics).await;
            let lines = picture(&topics, &answers);
            match &screen {
                Some(_) => Screen::show(&fit(lines)),
                None => print_result(&lines.join("\n"))?,
            }
            number += 1;
            if count == Some(number) {
                return Ok(());
            }
            tokio::time::sleep(options.interval.duration().saturating_sub(begin.elapsed())).await;
        }
    });
    match shown {
        // That is how the user ends it.
        Err(Error::Interrupted) => Ok(()),
        shown => shown,
    }
}

/// What a module answers.
#[derive(Debug, Clone, Copy)]
struct Answer {
    /// How long it took.
    time: Duration,
    /// How much it has to do, if it tells that.
    load: Option<ModuleLoad>,
}

/// The clients that ask the modules.
struct Questions {
    address: Address,
    callers: HashMap<String, Caller>,
}

impl Questions {
    fn new(address: Address) -> Self {
        Self {
            address,
            callers: HashMap::new(),
        }
    }

    /// Returns the answers of modules, by topic. A module that does not answer has none.
    async fn ask(&mut self, topics: &[TopicActivity]) -> HashMap<String, Answer> {
        let with_module = topics.iter().filter(|it| !it.listeners.is_empty());
        let topics: Vec<&str> = with_module
            .map(|it| it.topic.as_str())
            .take(MAX_ASKED)
            .collect();
        self.callers
            .retain(|topic, _| topics.contains(&topic.as_str()));
        for topic in &topics {
            // Topics of other tenants are not at the address.
            if self.callers.contains_key(*topic) || topic.parse::<Topic>().is_err() {
                continue;
            }
            let builder = Caller::builder(topic).address(self.address.clone());
            if let Ok(caller) = builder.timeout(PATIENCE).connect().await {
                self.callers.insert((*topic).to_owned(), caller);
            }
        }
        let questions = self.callers.iter().map(async |(topic, caller)| {
            let begin = Instant::now();
            let load = caller.load().await.ok()?;
            let time = begin.elapsed();
            Some((topic.clone(), Answer { time, load }))
        });
        join_all(questions).await.into_iter().flatten().collect()
    }
}

/// Returns the lines of a picture. They are safe for a terminal.
fn picture(topics: &[TopicActivity], answers: &HashMap<String, Answer>) -> Vec<String> {
    let listeners: usize = topics.iter().map(|it| it.listeners.len()).sum();
    let sum = |number: fn(&TopicActivity, Option<ModuleLoad>) -> u64| {
        let load = |it: &TopicActivity| answers.get(&it.topic).and_then(|answer| answer.load);
        topics.iter().map(|it| number(it, load(it))).sum::<u64>()
    };
    let summary = format!(
        "{}  topics: {}, listeners: {listeners}, waiting: {}, running: {}, put aside: {}",
        Utc::now().format("%H:%M:%S UTC"),
        topics.len(),
        sum(waiting),
        sum(running),
        sum(|it, _| it.dead_requests),
    );
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    for topic in topics {
        rows.extend(rows_of(topic, answers.get(&topic.topic)));
    }
    let mut lines = vec![summary, String::new()];
    lines.extend(aligned(&rows));
    lines
}

/// Returns how many requests wait, in the broker and in the module.
fn waiting(topic: &TopicActivity, load: Option<ModuleLoad>) -> u64 {
    topic
        .waiting
        .saturating_add(load.map_or(0, |load| load.waiting))
}

/// Returns how many calls run. Of a module that does not tell it, this is the number of messages that it has and did
/// not acknowledge.
fn running(topic: &TopicActivity, load: Option<ModuleLoad>) -> u64 {
    load.map_or(topic.unacknowledged, |load| load.running)
}

/// Returns a row for each listener of a topic. The first one also tells of the topic.
fn rows_of(topic: &TopicActivity, answer: Option<&Answer>) -> Vec<[String; HEADINGS.len()]> {
    let load = answer.and_then(|it| it.load);
    let time = |time: Option<&Duration>| time.map_or_else(|| "-".to_owned(), |time| short(*time));
    let first = topic.listeners.first();
    let mut rows = vec![[
        cell(&topic.topic),
        first.map_or_else(|| "nobody".to_owned(), |it| cell(&name_of(it))),
        waiting(topic, load).to_string(),
        running(topic, load).to_string(),
        format!("{:.1}", topic.published_per_second),
        time(topic.oldest.as_ref()),
        time(answer.map(|it| &it.time)),
        load.map_or_else(|| "-".to_owned(), |load| load.failed.to_string()),
        topic.dead_requests.to_string(),
    ]];
    for listener in topic.listeners.iter().skip(1) {
        let mut row = <[String; HEADINGS.len()]>::default();
        row[1] = cell(&name_of(listener));
        rows.push(row);
    }
    rows
}

/// Returns, for example, `arithmetic 0.1.0 on lab-3, 4711`.
pub(crate) fn name_of(listener: &ListenerActivity) -> String {
    let ListenerActivity {
        module,
        version,
        host,
        process,
        address,
        ..
    } = listener;
    let Some(module) = module else {
        let address = address.as_deref().unwrap_or("an unknown address");
        return format!("a listener at {address}");
    };
    let mut text = module.clone();
    for (before, part) in [(" ", version), (" on ", host)] {
        if let Some(part) = part {
            text.push_str(before);
            text.push_str(part);
        }
    }
    if let Some(process) = process {
        text.push_str(&format!(", {process}"));
    }
    text
}

/// Returns a text for a cell, which is safe for a terminal.
fn cell(text: &str) -> String {
    cut(&printable(text), MAX_CELL)
}

/// Cuts a text that is wider.
fn cut(text: &str, width: usize) -> String {
    if display_width(text) <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for symbol in text.chars() {
        let before = cut.len();
        cut.push(symbol);
        if display_width(&cut) >= width {
            cut.truncate(before);
            break;
        }
    }
    cut.push('…');
    cut
}

/// Returns a time with its significant digits.
fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds < 1.0 => format!("{:.1} ms", seconds * 1000.0),
        _ if seconds < 100.0 => format!("{seconds:.0} s"),
        _ if seconds < 6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3600.0),
    }
}

/// Returns lines with aligned columns.
fn aligned(rows: &[[String; HEADINGS.len()]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| display_width(&row[column])).max();
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|it| width(it).unwrap_or(0))
        .collect();
    let line = |row: &[String; HEADINGS.len()]| {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (text, width))| {
                let blanks = " ".repeat(width.saturating_sub(display_width(text)));
                if column < TEXTS {
                    format!("{text}{blanks}")
                } else {
                    format!("{blanks}{text}")
                }
            });
        let cells: Vec<String> = cells.collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Cuts lines to the size of the terminal.
fn fit(mut lines: Vec<String>) -> Vec<String> {
    let (width, height) = match terminal_size::terminal_size() {
        Some((width, height)) => (usize::from(width.0), usize::from(height.0)),
        None => (textwrap::termwidth(), HEIGHT),
    };
    if lines.len() > height {
        let hidden = lines.len() - height + 1;
        lines.truncate(height.saturating_sub(1));
        lines.push(format!("… {hidden} more lines"));
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn topic(value: serde_json::Value) -> TopicActivity {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_picture_has_a_row_for_each_listener() {
        let busy = topic(json!({
            "topic": "mönte\u{1b}[2J", "waiting_messages": 12, "unacknowledged_messages": 3,
            "oldest_message_seconds": 130.0, "published_per_second": 2.25, "dead_requests": 1,
            "listeners": [
                {"module": "m", "version": "1.0.0", "host": "lab", "process": 7, "unacknowledged_messages": 2},
                {"module": null, "address": "10.0.0.7:1", "unacknowledged_messages": 1},
            ],
        }));
        let left = topic(json!({"topic": "left", "listeners": []}));
        let load = json!({"running": 3, "waiting": 4, "answered": 9, "failed": 5});
        let answer = Answer {
            time: Duration::from_micros(1540),
            load: serde_json::from_value(load).unwrap(),
        };
        let answers = [(busy.topic.clone(), answer)].into();
        let lines = picture(&[busy, left], &answers);
        assert!(
            lines[0].ends_with("topics: 2, listeners: 2, waiting: 16, running: 3, put aside: 1"),
            "{}",
            lines[0]
        );
        let rows: Vec<String> = lines[2..]
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            rows[0],
            "TOPIC LISTENER WAIT RUN IN/S OLDEST ANSWER FAILED ASIDE"
        );
        assert!(
            rows[1].ends_with("m 1.0.0 on lab, 7 16 3 2.2 2 min 1.5 ms 5 1"),
            "{}",
            rows[1]
        );
        assert_eq!(rows[2], "a listener at 10.0.0.7:1");
        assert_eq!(rows[3], "left nobody 0 0 0.0 - - - 0");
        assert!(!lines.concat().contains('\u{1b}'), "{lines:?}");
        let ends = |line: &String| display_width(line);
        assert_eq!(ends(&lines[2]), ends(&lines[3]));
    }

    #[test]
    fn a_wide_text_is_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
    }
}
