//! Reporting the progress of a running call.

mod pace;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use dasf_protocol::Status;
use dasf_protocol::payload;
use dasf_protocol::progress::Report;

use pace::Pace;

/// The id of every report. It is always the same, because a call has only one report.
const REPORT_ID: &str = "root";
/// The number of steps that are kept below one report, without the running ones. Beyond it, steps
/// that ended are dropped: the oldest first, and the failed ones last. So a loop over a million
/// files neither holds nor sends a million steps.
const MAX_STEPS_KEPT: usize = 100;
/// In a tree with so many steps, a step that succeeds drops the steps below it.
const MAX_STEPS_IN_TREE: usize = 300;
/// The number of levels of steps that are shown. Deeper steps do nothing. Parsers limit the depth
/// of JSON: `serde_json` to 127 levels, of which a step takes two.
const MAX_LEVELS: usize = 50;

/// A progress report, which a function sends to its caller.
///
/// A function with an argument of this type gets an open report. A step made with
/// [`step`](Self::step) ends when it is dropped. The whole report ends when the function returns:
/// with success for a value, as failed for an `Err`.
///
/// ```
/// use dasf_runtime::ProgressReport;
///
/// fn convert(files: &[&str], mut report: ProgressReport) {
///     report.set_steps(files.len());
///     for file in files {
///         let _step = report.step(format!("converting {file}"));
///         // … the work; `_step` ends with the loop's body
///     }
/// }
/// # convert(&["a", "b"], ProgressReport::new("converting"));
/// ```
///
/// A dropped step counts as a success, even if `?` leaves the function. For a step that can fail,
/// use [`finish`](Self::finish), which ends it according to its result:
///
/// ```
/// use dasf_runtime::ProgressReport;
///
/// async fn load(name: &str) -> Result<String, std::io::Error> {
///     // …
/// #   name.chars().map(|c| if c == '?' { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(c) }).collect()
/// }
///
/// async fn convert(files: &[&str], mut report: ProgressReport) -> Result<usize, std::io::Error> {
///     report.set_steps(files.len());
///     let mut size = 0;
///     for file in files {
///         let step = report.step(format!("loading {file}"));
///         size += step.finish(load(file).await)?.len();
///     }
///     Ok(size)
/// }
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # let mut convert = |files: &[&str]| runtime.block_on(convert(files, ProgressReport::new("")));
/// # assert_eq!(convert(&["a", "b"])?, 2);
/// # assert!(convert(&["a", "?"]).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Steps may have steps below them, up to fifty levels. Deeper steps are not shown. In a large
/// tree, steps that succeeded are dropped.
pub struct ProgressReport {
    tree: Arc<Tree>,
    /// The sink of the call, which lives as long as a report of it.
    sink: Option<ReportSink>,
    /// The position of this report in the tree: the numbers of the steps that lead to it.
    path: Vec<u64>,
}

/// Sends one report of a call.
type Publish = Box<dyn Fn(Status, Vec<u8>) -> bool + Send + Sync>;

/// The receiver of the reports of one call. The host creates it, and the [`ProgressReport`] of the
/// function writes to it.
#[derive(Clone)]
pub struct ReportSink(Arc<SinkState>);

struct SinkState {
    /// Sends one report at once. Returns `false` when this is not possible.
    publish: Publish,
    /// The largest payload that fits one frame, in bytes.
    size_limit: usize,
    /// Whether all reports stay until somebody reads them.
    are_kept: bool,
    opened: Mutex<Opened>,
}

/// The state of a call's report.
enum Opened {
    /// The function has not taken the report, and may never take it.
    NotYet,
    Running(Arc<Tree>),
    Finished,
}

struct Tree {
    /// The sink owns the tree, so the tree must not own the sink: a call that is cut off leaves nothing
    /// behind.
    sink: Weak<SinkState>,
    state: Mutex<TreeState>,
}

struct TreeState {
    root: Node,
    /// The number of steps in the tree, at any depth.
    steps: usize,
    pace: Pace,
    /// Whether the tree changed after it was sent last.
    is_dirty: bool,
    /// Whether a task waits to send the change.
    is_scheduled: bool,
    is_finished: bool,
}

/// A report with the steps below it.
struct Node {
    /// The report itself, with an empty list of children.
    report: Report,
    /// The steps by their numbers.
    steps: BTreeMap<u64, Node>,
    /// The number of the next step.
    next: u64,
    /// The number of dropped steps.
    folded: u64,
}

impl Node {
    fn new(mut report: Report) -> Self {
        let children = std::mem::take(&mut report.children);
        let steps: BTreeMap<u64, Node> = (0..).zip(children.into_iter().map(Self::new)).collect();
        let next = steps.len() as u64;
        Self {
            report,
            steps,
            next,
            folded: 0,
        }
    }

    /// Begins a step. Returns its number, and the number of steps dropped for it.
    fn begin(&mut self, step: Report) -> (u64, usize) {
        let mut left_out_steps = 0;
        if self.steps.len() >= MAX_STEPS_KEPT {
            let oldest = |status| {
                let mut steps = self.steps.iter();
                steps.find(|(_, step)| step.report.status == status)
            };
            let left_out = oldest(Status::Success).or_else(|| oldest(Status::Error));
            if let Some(oldest) = left_out.map(|(&number, _)| number) {
                let step = self.steps.remove(&oldest);
                left_out_steps = step.map_or(0, |step| step.size());
                self.folded += 1;
            }
        }
        let number = self.next;
        self.next += 1;
        self.steps.insert(number, Self::new(step));
        (number, left_out_steps)
    }

    /// Returns the number of steps, including this one and all below it.
    fn size(&self) -> usize {
        1 + self.steps_below()
    }

    fn steps_below(&self) -> usize {
        self.steps.values().map(Node::size).sum()
    }

    /// Drops the steps below that succeeded, and returns their number.
    fn leave_out_steps(&mut self) -> usize {
        let before = self.steps_below();
        let is_of_interest = |step: &Node| step.report.status != Status::Success;
        self.steps.retain(|_, step| is_of_interest(step));
        before - self.steps_below()
    }

    /// Ends this step and all running steps below it.
    fn end_running(&mut self, status: Status) {
        if self.report.status == Status::Running {
            self.report.status = status;
        }
        for step in self.steps.values_mut() {
            step.end_running(status);
        }
    }

    /// Returns the report to send. Readers compute the finished part from the steps that they see.
    /// So the number of steps is scaled down if steps were dropped.
    fn to_wire(&self) -> Report {
        let children: Vec<Report> = self.steps.values().map(Node::to_wire).collect();
        let is_over = |child: &&Report| child.status != Status::Running;
        let kept = children.iter().filter(is_over).count() as u64;
        let mut wire = self.report.clone();
        if self.folded > 0 {
            let scaled = u128::from(wire.steps) * u128::from(kept);
            let scaled = scaled.div_ceil(u128::from(kept + self.folded));
            wire.steps = u64::try_from(scaled).unwrap_or(u64::MAX);
        }
        // A reader divides the finished steps by the announced ones. The result must not exceed 1.
        wire.steps = wire.steps.max(children.len() as u64);
        wire.children = children;
        wire
    }
}

impl ProgressReport {
    /// Creates a report with a message and one step. As the default of an argument, it is the first
    /// report that the caller sees. Elsewhere, for example in a test, it is not sent.
    pub fn new(message: impl Into<String>) -> Self {
        Self::detached(Report::new(REPORT_ID, message, 1))
    }

    /// Sets the number of steps.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.set_steps(steps);
        self
    }

    pub(crate) fn detached(root: Report) -> Self {
        Self {
            tree: Arc::new(Tree::new(Weak::new(), root, Pace::new(false))),
            sink: None,
            path: Vec::new(),
        }
    }

    /// Returns the report to send.
    pub fn to_wire(&self) -> Report {
        self.tree.lock().root.to_wire()
    }

    /// Sets the number of steps below this report.
    pub fn set_steps(&mut self, steps: usize) {
        // The web page divides by the number of the root.
        let least = u64::from(self.path.is_empty());
        self.change(|report| report.steps = (steps as u64).max(least));
    }

    /// Sets the message.
    pub fn set_message(&mut self, message: impl Into<String>) {
        let message = message.into();
        self.change(|report| report.step_message = message);
    }

    /// Begins a step below this report, and returns the report of the step, which may have steps
    /// below it. The step ends when the returned report is dropped.
    pub fn step(&mut self, message: impl Into<String>) -> ProgressReport {
        let step = Report::new(REPORT_ID, message, 0);
        let tree = Arc::clone(&self.tree);
        let mut path = self.path.clone();
        let mut state = self.tree.lock();
        match state.node(&self.path) {
            Some(node) if path.len() < MAX_LEVELS => {
                let (number, left_out) = node.begin(step);
                state.steps = state.steps + 1 - left_out;
                path.push(number);
                self.tree.changed(state);
            }
            // This path leads to no step.
            _ => path.push(u64::MAX),
        }
        Self {
            tree,
            sink: self.sink.clone(),
            path,
        }
    }

    /// Ends this report as failed.
    pub fn fail(self) {
        self.end(Status::Error);
    }

    /// Ends this step as failed if a result is an `Err`, otherwise with success, and returns the
    /// result. The report of a whole call succeeds only when its function returns.
    ///
    /// # Errors
    /// Returns the error of the result.
    pub fn finish<T, E>(self, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.fail();
        }
        result
    }

    fn end(&self, status: Status) {
        let mut state = self.tree.lock();
        let is_large = state.steps > MAX_STEPS_IN_TREE;
        let node = state.node(&self.path);
        let Some(node) = node.filter(|node| node.report.status == Status::Running) else {
            return;
        };
        node.report.status = status;
        if is_large && status == Status::Success {
            let left_out = node.leave_out_steps();
            state.steps -= left_out;
        }
        self.tree.changed(state);
    }

    fn change(&self, edit: impl FnOnce(&mut Report)) {
        let mut state = self.tree.lock();
        let Some(node) = state.node(&self.path) else {
            return;
        };
        let before = node.report.clone();
        edit(&mut node.report);
        if node.report != before {
            self.tree.changed(state);
        }
    }
}

impl Drop for ProgressReport {
    /// Ends a step. The root ends with its function, according to the result.
    fn drop(&mut self) {
        if !self.path.is_empty() {
            self.end(if std::thread::panicking() {
                Status::Error
            } else {
                Status::Success
            });
        }
    }
}

impl fmt::Debug for ProgressReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressReport")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl ReportSink {
    /// Creates a sink that passes each report to `publish`, as JSON of at most `size_limit` bytes.
    ///
    /// `publish` must not block. If it returns `false`, the report was not sent, and a later state
    /// is sent instead.
    pub fn new(
        size_limit: usize,
        publish: impl Fn(Status, Vec<u8>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::paced(size_limit, false, publish)
    }

    /// Creates a sink as [`new`](Self::new) does. If all reports stay until somebody reads them, fewer of them are
    /// sent.
    pub(crate) fn paced(
        size_limit: usize,
        are_kept: bool,
        publish: impl Fn(Status, Vec<u8>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let publish = Box::new(publish);
        Self(Arc::new(SinkState {
            publish,
            size_limit,
            are_kept,
            opened: Mutex::new(Opened::NotYet),
        }))
    }

    /// Opens the report of a call, and sends its first state.
    pub(crate) fn open(self, mut root: Report) -> ProgressReport {
        root.steps = root.steps.max(1);
        root.status = Status::Running;
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*opened, Opened::Finished) {
            // The call was aborted before its function began.
            return ProgressReport::detached(root);
        }
        let pace = Pace::new(self.0.are_kept);
        let tree = Arc::new(Tree::new(Arc::downgrade(&self.0), root, pace));
        *opened = Opened::Running(Arc::clone(&tree));
        drop(opened);
        tree.changed(tree.lock());
        ProgressReport {
            tree,
            sink: Some(self),
            path: Vec::new(),
        }
    }

    /// Ends the report of a call according to its outcome, and returns the last state to send.
    /// Returns `None` when the function did not report.
    pub fn finish(&self, status: Status) -> Option<Vec<u8>> {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let Opened::Running(tree) = std::mem::replace(&mut *opened, Opened::Finished) else {
            return None;
        };
        drop(opened);
        let mut state = tree.lock();
        state.is_finished = true;
        state.root.end_running(status);
        self.encode(state.root.to_wire())
    }

    /// Returns the report as a payload that fits one frame. If the report is too large, drops the
    /// steps that succeeded, then all steps, and at last a part of the message. Returns `None` if
    /// that is still too large.
    fn encode(&self, mut report: Report) -> Option<Vec<u8>> {
        let cuts: [fn(&mut Report); 4] = [
            |_| {},
            prune,
            |report| report.children.clear(),
            |report| report.step_message = report.step_message.chars().take(80).collect(),
        ];
        for cut in cuts {
            cut(&mut report);
            let json = payload::to_json(&report).unwrap_or_default();
            if json.len() <= self.0.size_limit {
                return Some(json);
            }
        }
        let limit = self.0.size_limit;
        tracing::debug!(limit, "progress report not sent: it does not fit one frame");
        None
    }
}

impl fmt::Debug for ReportSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportSink")
            .field("size_limit", &self.0.size_limit)
            .finish_non_exhaustive()
    }
}

/// Removes the steps that succeeded.
fn prune(report: &mut Report) {
    report
        .children
        .retain(|child| child.status != Status::Success);
    report.children.iter_mut().for_each(prune);
}

impl Tree {
    fn new(sink: Weak<SinkState>, root: Report, pace: Pace) -> Self {
        let root = Node::new(root);
        let state = TreeState {
            steps: root.steps_below(),
            root,
            pace,
            is_dirty: false,
            is_scheduled: false,
            is_finished: false,
        };
        Self {
            sink,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, TreeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the tree now, or starts a task that sends its latest state soon.
    fn changed(self: &Arc<Self>, mut state: std::sync::MutexGuard<'_, TreeState>) {
        if state.is_finished || self.sink.strong_count() == 0 {
            return;
        }
        state.is_dirty = true;
        self.send_if_allowed(&mut state);
        if state.is_dirty && !state.is_scheduled {
            // Without a runtime, nothing can be sent later. `finish` sends the last state.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                state.is_scheduled = true;
                let tree = Arc::clone(self);
                runtime.spawn(async move { tree.send_later().await });
            }
        }
    }

    fn send_if_allowed(&self, state: &mut TreeState) {
        let Some(sink) = self.sink.upgrade().map(ReportSink) else {
            // The call is over.
            state.is_dirty = false;
            return;
        };
        if state.pace.take() {
            let wire = state.root.to_wire();
            let status = wire.status;
            let is_done = sink
                .encode(wire)
                .is_none_or(|json| (sink.0.publish)(status, json));
            state.is_dirty = !is_done;
            if !is_done {
                state.pace.failed();
            }
        }
    }

    async fn send_later(self: Arc<Self>) {
        loop {
            let wait = self.lock().pace.wait();
            tokio::time::sleep(wait).await;
            let mut state = self.lock();
            if state.is_dirty && !state.is_finished {
                self.send_if_allowed(&mut state);
            }
            if !state.is_dirty || state.is_finished {
                state.is_scheduled = false;
                return;
            }
        }
    }
}

impl TreeState {
    fn node(&mut self, path: &[u64]) -> Option<&mut Node> {
        let mut node = &mut self.root;
        for number in path {
            node = node.steps.get_mut(number)?;
        }
        Some(node)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pace::{BURST, INTERVAL};
    use super::*;

    type Sent = Arc<Mutex<Vec<Report>>>;

    fn recording_sink(size_limit: usize) -> (ReportSink, Sent) {
        let sent = Sent::default();
        let record = Arc::clone(&sent);
        let sink = ReportSink::new(size_limit, move |_, json| {
            record
                .lock()
                .unwrap()
                .push(serde_json::from_slice(&json).unwrap());
            true
        });
        (sink, sent)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_cut_off_leaves_nothing_behind() {
        let module = Arc::new(());
        let kept = Arc::clone(&module);
        let sink = ReportSink::new(10_000, move |_, _| Arc::strong_count(&kept) == 0);
        let mut report = sink.clone().open(Report::new("root", "working", 2));
        // The host gives the call up, but its function still runs.
        drop(sink);
        let step = report.step("first");
        drop(report);
        assert_eq!(Arc::strong_count(&module), 2);
        drop(step);
        assert_eq!(Arc::strong_count(&module), 1);
        // A task that waits to send the last state ends, too.
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(Arc::strong_count(&module), 1);
    }

    #[tokio::test]
    async fn every_change_of_a_short_call_is_sent() {
        let (sink, sent) = recording_sink(10_000);
        let mut report = sink.clone().open(Report::new("root", "working", 2));
        for message in ["first", "second"] {
            let mut step = report.step(message);
            step.set_message(message);
        }
        drop(report);
        let last: Report = serde_json::from_slice(&sink.finish(Status::Success).unwrap()).unwrap();
        let seen: Vec<(usize, f64)> = sent
            .lock()
            .unwrap()
            .iter()
            .map(|it| (it.children.len(), it.fraction()))
            .collect();
        assert_eq!(seen, [(0, 0.0), (1, 0.0), (1, 0.5), (2, 0.5), (2, 1.0)]);
        assert_eq!(last.status, Status::Success);
        assert_eq!(sink.finish(Status::Success), None);
    }

    #[tokio::test(start_paused = true)]
    async fn many_changes_are_sent_together_and_the_last_always() {
        let (sink, sent) = recording_sink(1 << 20);
        let mut report = sink.open(Report::new("root", "working", 1));
        for index in 0..1000 {
            report.set_message(format!("at {index}"));
        }
        assert_eq!(sent.lock().unwrap().len(), BURST as usize);
        tokio::time::sleep(INTERVAL * 2).await;
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len(), BURST as usize + 1);
        assert_eq!(sent.last().unwrap().step_message, "at 999");
    }

    #[tokio::test]
    async fn a_failed_call_fails_what_still_runs() {
        let (sink, _) = recording_sink(10_000);
        let mut report = sink.clone().open(Report::new("root", "working", 3));
        report.step("good");
        report.step("bad").fail();
        let running = report.step("running");
        let last: Report = serde_json::from_slice(&sink.finish(Status::Error).unwrap()).unwrap();
        let statuses: Vec<_> = last.children.iter().map(|child| child.status).collect();
        assert_eq!(statuses, [Status::Success, Status::Error, Status::Error]);
        assert_eq!(last.status, Status::Error);
        drop(running);
    }

    #[tokio::test]
    async fn a_report_always_fits_one_frame() {
        let (sink, sent) = recording_sink(600);
        let mut report = sink.clone().open(Report::new("root", "working", 3));
        for index in 0..10 {
            report.step(format!("step {index}"));
        }
        let _running = report.step("running");
        let json = sink.finish(Status::Success).unwrap();
        assert!(json.len() <= 600, "{}", json.len());
        let sent = sent.lock().unwrap();
        assert_eq!(
            sent.last().unwrap().children.len(),
            1,
            "only what runs is kept"
        );
    }

    #[tokio::test]
    async fn what_fits_no_frame_is_not_sent() {
        let (sink, sent) = recording_sink(100);
        let mut report = sink
            .clone()
            .open(Report::new("r".repeat(100), "working", 3));
        report.step("one");
        assert_eq!(sink.finish(Status::Success), None);
        assert!(sent.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_ten_reports_a_second_are_sent_in_the_long_run() {
        let (sink, sent) = recording_sink(1 << 20);
        let mut report = sink.clone().open(Report::new("root", "working", 1));
        for index in 0..6000 {
            report.set_message(format!("at {index}"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let last: Report = serde_json::from_slice(&sink.finish(Status::Success).unwrap()).unwrap();
        assert_eq!(last.step_message, "at 5999");
        let count = sent.lock().unwrap().len();
        assert!((590..=600 + BURST as usize).contains(&count), "{count}");
    }

    #[test]
    fn a_step_ends_as_its_result_says() {
        fn work(
            report: &mut ProgressReport,
            input: &str,
        ) -> Result<f64, std::num::ParseFloatError> {
            let mut step = report.step("parsing");
            let inner = step.step("thinking");
            let number = inner.finish(input.parse::<f64>())?;
            step.set_message("parsed");
            step.finish(Ok(number))
        }
        let mut report = ProgressReport::new("working");
        assert_eq!(work(&mut report, "1.5"), Ok(1.5));
        assert!(work(&mut report, "x").is_err());
        let wire = report.to_wire();
        let [good, bad] = wire.children.as_slice() else {
            panic!("{wire:?}");
        };
        assert_eq!(
            (good.status, good.step_message.as_str()),
            (Status::Success, "parsed")
        );
        assert_eq!(good.children[0].status, Status::Success);
        assert_eq!(bad.children[0].status, Status::Error);
        // `?` left the outer step without a call of `finish`.
        assert_eq!(bad.status, Status::Success);
        // The function cannot end its own report with success.
        assert_eq!(wire.status, Status::Running);
        assert_eq!(report.finish::<(), _>(Err("no")), Err("no"));
    }

    #[tokio::test]
    async fn the_report_of_a_call_is_ended_by_its_function() {
        for (result, expected) in [(Ok(()), Status::Running), (Err(()), Status::Error)] {
            let (sink, _) = recording_sink(1 << 20);
            let report = sink.clone().open(Report::new("root", "working", 1));
            let tree = Arc::clone(&report.tree);
            let _ = report.finish(result);
            assert_eq!(tree.lock().root.report.status, expected);
        }
    }

    #[tokio::test]
    async fn steps_nest_and_can_be_read_at_any_depth() {
        fn nest(report: &mut ProgressReport, depth: usize) {
            if depth > 0 {
                nest(&mut report.step(format!("{depth} to go")), depth - 1);
            }
        }
        let (sink, _) = recording_sink(1 << 20);
        let mut report = sink.clone().open(Report::new("root", "working", 1));
        nest(&mut report, 3 * MAX_LEVELS);
        let json = sink.finish(Status::Success).unwrap();
        let mut level: &Report = &serde_json::from_slice(&json).unwrap();
        let mut levels = 0;
        while let [inner] = level.children.as_slice() {
            level = inner;
            levels += 1;
        }
        assert_eq!(levels, MAX_LEVELS);
    }

    #[test]
    fn loops_in_loops_are_held_in_part() {
        fn size(report: &Report) -> usize {
            1 + report.children.iter().map(size).sum::<usize>()
        }
        let mut report = ProgressReport::new("looping").with_steps(50);
        for outer in 0..30 {
            let mut outer = report.step(format!("{outer}")).with_steps(30);
            for middle in 0..30 {
                let mut middle = outer.step(format!("{middle}")).with_steps(30);
                for inner in 0..30 {
                    middle.step(format!("{inner}"));
                }
            }
        }
        let wire = report.to_wire();
        let held = report.tree.lock().steps;
        assert_eq!(size(&wire), held + 1);
        assert!(held <= MAX_STEPS_IN_TREE + 30 + 30 + 30, "{held}");
        assert_eq!(wire.children.len(), 30);
        assert!((wire.fraction() - 0.6).abs() < 1e-9, "{}", wire.fraction());
    }

    #[test]
    fn a_loop_of_many_steps_is_held_and_sent_in_part() {
        let mut report = ProgressReport::new("looping").with_steps(1_000_000);
        let mut first = report.step("running all along");
        for index in 0..250_000 {
            report.step(format!("step {index}"));
        }
        report.step("bad").fail();
        first.set_message("still running");
        let wire = report.to_wire();
        assert_eq!(wire.children.len(), MAX_STEPS_KEPT);
        assert_eq!(wire.children[0].step_message, "still running");
        assert_eq!(wire.children[MAX_STEPS_KEPT - 1].status, Status::Error);
        assert!((wire.fraction() - 0.25).abs() < 0.01, "{}", wire.fraction());
    }

    #[test]
    fn a_report_without_a_caller_goes_nowhere() {
        let mut report = ProgressReport::new("alone").with_steps(0);
        report.step("one");
        let wire = report.to_wire();
        assert_eq!((wire.steps, wire.children.len()), (1, 1));
    }
}
