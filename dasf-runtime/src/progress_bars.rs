//! Showing progress reports as bars in a terminal.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use dasf_protocol::Status;
use dasf_protocol::progress::Report;
use dasf_protocol::text::printable;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The greatest number of lines for one call.
const MAX_LINES: usize = 10;
/// The greatest number of calls with bars at a time. Each one needs a thread, and a terminal has no
/// room for more.
const MAX_CALLS: usize = 20;
/// The greatest length of a message, in characters.
const MAX_MESSAGE_LENGTH: usize = 200;
/// The length of a bar, in steps. One step is too small to see.
const BAR_LENGTH: u64 = 1000;
/// The line of a call.
const BAR_TEMPLATE: &str =
    "{spinner:.green} {bar:24.green/dim} {percent:>3} % {elapsed:>4} {wide_msg}";
/// The line of a step.
const STEP_TEMPLATE: &str = "{wide_msg}";
/// The time between two movements of a bar.
const TICK: Duration = Duration::from_millis(100);

/// The terminal of this process. Several calls may report at a time.
static SCREEN: LazyLock<Screen> = LazyLock::new(|| Screen::new(MultiProgress::new()));

/// A terminal with the bars of several calls.
#[derive(Clone)]
struct Screen {
    bars: MultiProgress,
    /// The number of calls with bars.
    calls: Arc<AtomicUsize>,
}

impl Screen {
    fn new(bars: MultiProgress) -> Self {
        let calls = Arc::default();
        Self { bars, calls }
    }

    fn is_empty(&self) -> bool {
        self.calls.load(Ordering::Relaxed) == 0
    }

    /// Counts a further call, if there is room for it.
    fn enter(&self) -> bool {
        let more = |calls| (calls < MAX_CALLS).then_some(calls + 1);
        let calls = &self.calls;
        let entered = calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        entered.is_ok()
    }

    fn leave(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns a handler for `on_progress` that draws the progress of a call in the terminal.
///
/// Standard error shows a bar with the finished part and the message of the report. The running and
/// failed steps are below it. All this has at most ten lines. When the call ends, one line with the
/// outcome replaces the bar. Up to twenty calls at a time have bars, one below the other. Further
/// calls have only the last line. If standard error is not a terminal, nothing is drawn.
///
/// ```no_run
/// # use dasf_runtime::client::{Caller, CallError};
/// # async fn run(caller: Caller) -> Result<(), CallError> {
/// let request = serde_json::json!({"func_name": "count", "n": 10});
/// let result = caller.call(&request).on_progress(dasf_runtime::show_progress()).await?;
/// # Ok(()) }
/// ```
///
/// Other output of the program to the terminal appears between the bars.
pub fn show_progress() -> impl FnMut(&Report) + Send + 'static {
    let mut bars = Bars::new(&SCREEN, io::stderr());
    move |report| bars.show(report)
}

/// Returns whether standard error is a terminal that can show bars.
pub(crate) fn can_be_drawn() -> bool {
    !SCREEN.bars.is_hidden()
}

/// Standard error, for output beside the bars.
pub(crate) struct BesideBars;

impl Write for BesideBars {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // Everything is written at once, so that no bar is drawn in the middle of a line.
        let write = || io::stderr().write_all(text);
        if SCREEN.is_empty() {
            write()?;
        } else {
            SCREEN.bars.suspend(write)?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The bars of one call.
struct Bars<W> {
    screen: Screen,
    /// The same terminal, for the lines that stay.
    output: W,
    begin: Instant,
    /// The bar of the call, and a line for each shown step. Empty if there is no room.
    lines: Vec<ProgressBar>,
    is_over: bool,
}

/// A shown step.
#[derive(Debug, PartialEq)]
enum Line<'r> {
    Step { depth: usize, report: &'r Report },
    More(usize),
}

impl<W: Write> Bars<W> {
    fn new(screen: &Screen, output: W) -> Self {
        Self {
            screen: screen.clone(),
            output,
            begin: Instant::now(),
            lines: Vec::new(),
            is_over: false,
        }
    }

    fn show(&mut self, report: &Report) {
        if self.is_over || self.screen.bars.is_hidden() {
            return;
        }
        match report.status {
            Status::Running => self.draw(report),
            Status::Success | Status::Error => self.finish(report),
        }
    }

    fn draw(&mut self, report: &Report) {
        let steps = lines_of(report);
        while self.lines.len() > steps.len() + 1 {
            if let Some(line) = self.lines.pop() {
                self.screen.bars.remove(&line);
            }
        }
        if self.lines.is_empty() {
            if !self.screen.enter() {
                return;
            }
            let bar = ProgressBar::new(BAR_LENGTH).with_style(style(BAR_TEMPLATE));
            let bar = self.screen.bars.add(bar);
            bar.enable_steady_tick(TICK);
            self.lines.push(bar);
        }
        let bar = &self.lines[0];
        bar.set_position(position(report));
        bar.set_message(message(report));
        for (index, step) in steps.iter().enumerate() {
            if self.lines.len() == index + 1 {
                let line = ProgressBar::new_spinner().with_style(style(STEP_TEMPLATE));
                let line = self.screen.bars.insert_after(&self.lines[index], line);
                self.lines.push(line);
            }
            self.lines[index + 1].set_message(step.to_string());
        }
    }

    fn finish(&mut self, report: &Report) {
        self.clear();
        self.is_over = true;
        let seconds = self.begin.elapsed().as_secs_f64();
        let mut text = format!("{} {} ({seconds:.1} s)\n", mark(report), message(report));
        for step in lines_of(report) {
            text = text + &step.to_string() + "\n";
        }
        // If standard error is closed, the call continues.
        let output = &mut self.output;
        let bars = &self.screen.bars;
        let _ = bars.suspend(|| output.write_all(text.as_bytes()));
    }
}

impl<W> Bars<W> {
    fn clear(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        for line in self.lines.drain(..) {
            line.finish_and_clear();
            self.screen.bars.remove(&line);
        }
        self.screen.leave();
    }
}

impl<W> Drop for Bars<W> {
    /// Removes the bars of a call that was dropped.
    fn drop(&mut self) {
        self.clear();
    }
}

/// Returns the style for a template. A test checks all templates.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─")
}

fn mark(report: &Report) -> char {
    match report.status {
        Status::Success => '✓',
        Status::Error => '✗',
        Status::Running => '·',
    }
}

fn position(report: &Report) -> u64 {
    let position = report.fraction() * BAR_LENGTH as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to the length
    let position = position as u64;
    position
}

fn message(report: &Report) -> String {
    let text: String = report
        .step_message
        .chars()
        .take(MAX_MESSAGE_LENGTH)
        .collect();
    printable(&text)
}

/// Returns the steps to show: the running and the failed ones. If they are too many, these are the
/// first ones and the last one, which is the innermost running step.
fn lines_of(root: &Report) -> Vec<Line<'_>> {
    fn collect<'r>(parent: &'r Report, depth: usize, lines: &mut Vec<Line<'r>>) {
        for report in &parent.children {
            if report.status != Status::Success {
                lines.push(Line::Step { depth, report });
                collect(report, depth + 1, lines);
            }
        }
    }
    let mut lines = Vec::new();
    collect(root, 1, &mut lines);
    // The bar takes one line.
    let most = MAX_LINES - 1;
    if lines.len() > most {
        let first = most / 2;
        let left_out = lines.len() - (most - 1);
        lines.splice(first..first + left_out, [Line::More(left_out)]);
    }
    lines
}

impl std::fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::More(count) => write!(f, "  … {count} more"),
            Self::Step { depth, report } => {
                // A deeper indentation would leave no room for the message.
                let indent = 2 * depth.min(&MAX_LINES);
                write!(f, "{:indent$}{} ", "", mark(report))?;
                if report.status == Status::Running && report.steps > 0 {
                    write!(f, "{:.0} % ", report.fraction() * 100.0)?;
                }
                f.write_str(&message(report))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};

    fn report(message: &str, status: Status, children: Vec<Report>) -> Report {
        let mut report = Report::new("root", message, children.len() as u64);
        report.status = status;
        report.children = children;
        report
    }

    /// Output to the screen beside the bars.
    struct Beside(InMemoryTerm);

    impl Write for Beside {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            for line in std::str::from_utf8(text).unwrap().lines() {
                self.0.write_line(line)?;
            }
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn terminal() -> (InMemoryTerm, Screen) {
        let terminal = InMemoryTerm::new(30, 60);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let bars = MultiProgress::with_draw_target(target);
        (terminal, Screen::new(bars))
    }

    /// Returns the contents of the screen, without the spinner and the time.
    fn seen(screen: &InMemoryTerm) -> Vec<String> {
        let without_time = |line: &str| match line.split_once(" % ") {
            Some((bar, rest)) if bar.contains('─') => {
                let bar: String = bar.chars().skip(2).collect();
                let (_, message) = rest.trim_start().split_once(' ').unwrap();
                format!("{bar} % {message}")
            }
            _ => line.split(" (").next().unwrap().to_owned(),
        };
        screen.contents().lines().map(without_time).collect()
    }

    fn whole() -> Report {
        let inner = report("reading", Status::Running, Vec::new());
        report(
            "converting",
            Status::Running,
            vec![
                report("a", Status::Success, Vec::new()),
                report("b", Status::Error, Vec::new()),
                report(
                    "c",
                    Status::Running,
                    vec![report("x", Status::Success, vec![]), inner],
                ),
                report("d\u{1b}[2J\n", Status::Running, Vec::new()),
            ],
        )
    }

    #[test]
    fn the_tree_is_drawn_and_replaced_by_its_outcome() {
        let (screen, terminal) = terminal();
        let mut bars = Bars::new(&terminal, Beside(screen.clone()));
        bars.show(&Report::new("root", "converting", 4));
        assert_eq!(seen(&screen), ["────────────────────────   0 % converting"]);
        let mut report = whole();
        bars.show(&report);
        assert_eq!(
            seen(&screen),
            [
                "━━━━━━━━━━━━━━━╸────────  62 % converting",
                "  ✗ b",
                "  · 50 % c",
                "    · reading",
                "  · d [2J",
            ]
        );
        report.children.truncate(2);
        bars.show(&report);
        assert_eq!(seen(&screen).len(), 2);
        report.status = Status::Success;
        bars.show(&report);
        assert_eq!(seen(&screen), ["✓ converting", "  ✗ b"]);
        // A late report is not drawn.
        bars.show(&whole());
        drop(bars);
        assert_eq!(seen(&screen).len(), 2);
    }

    #[test]
    fn simultaneous_calls_are_below_each_other() {
        let (screen, terminal) = terminal();
        let mut calls = [
            Bars::new(&terminal, Beside(screen.clone())),
            Bars::new(&terminal, Beside(screen.clone())),
        ];
        calls[0].show(&Report::new("root", "first", 1));
        calls[1].show(&Report::new("root", "second", 1));
        calls[0].show(&whole());
        let ends: Vec<_> = seen(&screen)
            .iter()
            .map(|line| line.trim_end().to_owned())
            .collect();
        assert_eq!(ends.len(), 6, "{ends:?}");
        assert!(
            ends[0].ends_with("converting") && ends[5].ends_with("second"),
            "{ends:?}"
        );
        calls[0].show(&report("first", Status::Error, Vec::new()));
        let ends = seen(&screen);
        assert_eq!(ends[0], "✗ first");
        assert!(ends[1].ends_with("second"), "{ends:?}");
        // A call that was dropped.
        drop(calls);
        assert_eq!(seen(&screen), ["✗ first"]);
    }

    #[test]
    fn a_limited_number_of_calls_have_bars() {
        let (screen, terminal) = terminal();
        let new = || Bars::new(&terminal, Beside(screen.clone()));
        let mut calls: Vec<_> = (0..MAX_CALLS + 1).map(|_| new()).collect();
        for call in &mut calls {
            call.show(&Report::new("root", "call", 1));
        }
        let with_bars = calls.iter().filter(|call| !call.lines.is_empty());
        assert_eq!(with_bars.count(), MAX_CALLS);
        // The last call has no bar, but ends like the others.
        let mut last = calls.pop().unwrap();
        last.show(&report("last", Status::Success, Vec::new()));
        assert_eq!(seen(&screen)[0], "✓ last");
        // When another call ends, there is room again.
        calls.pop();
        let mut next = new();
        next.show(&Report::new("root", "next", 1));
        assert_eq!(next.lines.len(), 1);
        drop((calls, next));
        assert!(terminal.is_empty());
    }

    #[test]
    fn many_steps_take_few_lines() {
        let steps = (0..100).map(|index| report(&format!("step {index}"), Status::Running, vec![]));
        let wide = report("wide", Status::Running, steps.collect());
        let lines: Vec<String> = lines_of(&wide).iter().map(Line::to_string).collect();
        assert_eq!(lines.len(), MAX_LINES - 1);
        assert_eq!(
            lines[2..6],
            ["  · step 2", "  · step 3", "  … 92 more", "  · step 96"]
        );
        let innermost = report("innermost", Status::Running, Vec::new());
        let deep = (0..50).fold(innermost, |inner, _| {
            report("outer", Status::Running, vec![inner])
        });
        let lines = lines_of(&deep);
        assert_eq!(lines.len(), MAX_LINES - 1);
        assert!(
            lines[MAX_LINES - 2].to_string().ends_with("· innermost"),
            "{lines:?}"
        );
    }

    #[test]
    fn without_a_terminal_nothing_is_drawn() {
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let mut bars = Bars::new(&Screen::new(hidden), io::sink());
        bars.show(&whole());
        assert!(bars.lines.is_empty());
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [BAR_TEMPLATE, STEP_TEMPLATE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
