//! Reporting the progress of a running call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dasf_protocol::Status;
use dasf_protocol::payload;
use dasf_protocol::progress::Report;
use tokio::time::Instant;

/// The id that every report carries: a call has one.
const REPORT_ID: &str = "root";
/// How many reports of one call may follow each other at once.
const BURST: u32 = 20;
/// How many steps below one report are kept, besides those that run. Beyond it, those that ended
/// are left out, the oldest first, and the failed ones last: a loop over a million files must not
/// send, or hold, a million steps.
const MAX_STEPS_KEPT: usize = 100;
/// How often a report is sent in the long run. Changes in between are sent together, the last
/// always.
const INTERVAL: Duration = Duration::from_millis(100);

/// Tells the caller how far a call got.
///
/// A function that has an argument of this type receives it open; each step made with
/// [`step`](Self::step) is over when it is dropped, and the whole report when the function returns:
/// well for a value, failed for an `Err`.
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
pub struct ProgressReport {
    tree: Arc<Tree>,
    /// Where this report stands: the numbers of the steps that lead to it.
    path: Vec<u64>,
}

/// Takes the reports of one call, in the form of payloads.
type Publish = Box<dyn Fn(Status, Vec<u8>) -> bool + Send + Sync>;

/// Where the reports of one call go. Made by whoever runs the call; the function's
/// [`ProgressReport`] writes to it.
#[derive(Clone)]
pub struct ReportSink(Arc<SinkState>);

struct SinkState {
    /// Sends one report now; `false` when that is not possible now.
    publish: Publish,
    /// The largest payload that fits one frame, in bytes.
    size_limit: usize,
    opened: Mutex<Opened>,
}

/// What became of a call's report.
enum Opened {
    /// The function has not taken it yet, and may never do so.
    NotYet,
    Running(Arc<Tree>),
    Finished,
}

struct Tree {
    sink: Option<ReportSink>,
    state: Mutex<TreeState>,
}

struct TreeState {
    root: Node,
    /// How many reports may be sent at once.
    allowance: u32,
    refilled: Instant,
    /// The tree changed since it was last sent.
    is_dirty: bool,
    /// A task is waiting to send the change.
    is_scheduled: bool,
    is_finished: bool,
}

/// A report with the steps below it.
struct Node {
    /// The report itself; its list of children stays empty.
    report: Report,
    /// The steps by their numbers.
    steps: BTreeMap<u64, Node>,
    /// The number of the next step.
    next: u64,
    /// How many steps that ended are not kept any more.
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

    /// Begins a step, and returns its number.
    fn begin(&mut self, step: Report) -> u64 {
        if self.steps.len() >= MAX_STEPS_KEPT {
            let oldest = |status| {
                let mut steps = self.steps.iter();
                steps.find(|(_, step)| step.report.status == status)
            };
            let left_out = oldest(Status::Success).or_else(|| oldest(Status::Error));
            if let Some(oldest) = left_out.map(|(&number, _)| number) {
                self.steps.remove(&oldest);
                self.folded += 1;
            }
        }
        let number = self.next;
        self.next += 1;
        self.steps.insert(number, Self::new(step));
        number
    }

    /// Ends this and everything below it that still runs.
    fn end_running(&mut self, status: Status) {
        if self.report.status == Status::Running {
            self.report.status = status;
        }
        for step in self.steps.values_mut() {
            step.end_running(status);
        }
    }

    /// The report as it is sent. Where steps were left out, their number is scaled down with them,
    /// because readers take the part that is done from the steps that they see.
    fn to_wire(&self) -> Report {
        let children: Vec<Report> = self.steps.values().map(Node::to_wire).collect();
        let is_over = |child: &&Report| child.status != Status::Running;
        let kept = children.iter().filter(is_over).count() as u64;
        let mut wire = self.report.clone();
        if self.folded > 0 {
            let scaled = u128::from(wire.steps) * u128::from(kept);
            let scaled = scaled.div_ceil(u128::from(kept + self.folded));
            let scaled = u64::try_from(scaled).unwrap_or(u64::MAX);
            wire.steps = scaled.max(children.len() as u64);
        }
        wire.children = children;
        wire
    }
}

impl ProgressReport {
    /// A report with a message and one step. As an argument's default it says what the caller sees
    /// first; elsewhere, for instance in a test, it goes nowhere.
    pub fn new(message: impl Into<String>) -> Self {
        Self::detached(Report::new(REPORT_ID, message, 1))
    }

    /// The report with another number of steps.
    #[must_use]
    pub fn with_steps(mut self, steps: usize) -> Self {
        self.set_steps(steps);
        self
    }

    pub(crate) fn detached(root: Report) -> Self {
        Self {
            tree: Arc::new(Tree::new(None, root)),
            path: Vec::new(),
        }
    }

    /// The report as it is sent.
    pub fn to_wire(&self) -> Report {
        self.tree.lock().root.to_wire()
    }

    /// Says how many steps there will be below this report.
    pub fn set_steps(&mut self, steps: usize) {
        // The web page divides by the root's number.
        let least = u64::from(self.path.is_empty());
        self.change(|report| report.steps = (steps as u64).max(least));
    }

    /// Says what is being done now.
    pub fn set_message(&mut self, message: impl Into<String>) {
        let message = message.into();
        self.change(|report| report.step_message = message);
    }

    /// Begins a step below this report. It ends when the returned report is dropped, which may have
    /// steps of its own.
    pub fn step(&mut self, message: impl Into<String>) -> ProgressReport {
        let step = Report::new(REPORT_ID, message, 0);
        let mut path = self.path.clone();
        let mut state = self.tree.lock();
        if let Some(node) = state.node(&self.path) {
            path.push(node.begin(step));
        }
        self.tree.changed(state);
        Self {
            tree: Arc::clone(&self.tree),
            path,
        }
    }

    /// Ends this report as failed.
    pub fn fail(self) {
        self.end(Status::Error);
    }

    fn end(&self, status: Status) {
        self.change(|report| {
            if report.status == Status::Running {
                report.status = status;
            }
        });
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
    /// Ends a step; the root ends with its function, whose result decides.
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
    /// A sink that hands each report, as JSON of at most `size_limit` bytes, to `publish`. That
    /// must not block; where it returns `false`, the report is kept and a later state of it sent
    /// instead.
    pub fn new(
        size_limit: usize,
        publish: impl Fn(Status, Vec<u8>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let publish = Box::new(publish);
        Self(Arc::new(SinkState {
            publish,
            size_limit,
            opened: Mutex::new(Opened::NotYet),
        }))
    }

    /// Opens the report of a call, and sends its first state.
    pub(crate) fn open(self, mut root: Report) -> ProgressReport {
        root.steps = root.steps.max(1);
        root.status = Status::Running;
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*opened, Opened::Finished) {
            // The call was cut off before its function began.
            return ProgressReport::detached(root);
        }
        let tree = Arc::new(Tree::new(Some(self.clone()), root));
        *opened = Opened::Running(Arc::clone(&tree));
        drop(opened);
        tree.changed(tree.lock());
        ProgressReport {
            tree,
            path: Vec::new(),
        }
    }

    /// Ends the report of a call as its outcome says, and returns the last state to send; `None`
    /// when the function did not report.
    pub fn finish(&self, status: Status) -> Option<Vec<u8>> {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let Opened::Running(tree) = std::mem::replace(&mut *opened, Opened::Finished) else {
            return None;
        };
        drop(opened);
        let mut state = tree.lock();
        state.is_finished = true;
        state.root.end_running(status);
        Some(self.encode(&state.root.to_wire()))
    }

    /// The report as a payload that fits one frame: where it does not, without the steps that are
    /// over, and at last without any.
    fn encode(&self, root: &Report) -> Vec<u8> {
        let fits = |json: &Vec<u8>| json.len() <= self.0.size_limit;
        let json = |report: &Report| payload::to_json(report).unwrap_or_default();
        let whole = json(root);
        if fits(&whole) {
            return whole;
        }
        let mut pruned = root.clone();
        prune(&mut pruned);
        let running = json(&pruned);
        if fits(&running) {
            return running;
        }
        pruned.children.clear();
        if !fits(&json(&pruned)) {
            pruned.step_message = pruned.step_message.chars().take(80).collect();
        }
        json(&pruned)
    }
}

impl fmt::Debug for ReportSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportSink")
            .field("size_limit", &self.0.size_limit)
            .finish_non_exhaustive()
    }
}

/// Removes the steps that ended well.
fn prune(report: &mut Report) {
    report
        .children
        .retain(|child| child.status != Status::Success);
    report.children.iter_mut().for_each(prune);
}

impl Tree {
    fn new(sink: Option<ReportSink>, root: Report) -> Self {
        let state = TreeState {
            root: Node::new(root),
            allowance: BURST,
            refilled: Instant::now(),
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

    /// Sends the tree now, or arranges that its latest state is sent soon.
    fn changed(self: &Arc<Self>, mut state: std::sync::MutexGuard<'_, TreeState>) {
        if state.is_finished || self.sink.is_none() {
            return;
        }
        state.is_dirty = true;
        self.send_if_allowed(&mut state);
        if state.is_dirty && !state.is_scheduled {
            // Without a runtime nothing could be sent later; `finish` still sends the last state.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                state.is_scheduled = true;
                let tree = Arc::clone(self);
                runtime.spawn(async move { tree.send_later().await });
            }
        }
    }

    fn send_if_allowed(&self, state: &mut TreeState) {
        let Some(sink) = &self.sink else { return };
        if state.take_allowance() {
            let wire = state.root.to_wire();
            let sent = (sink.0.publish)(wire.status, sink.encode(&wire));
            state.is_dirty = !sent;
        }
    }

    async fn send_later(self: Arc<Self>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
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

    fn take_allowance(&mut self) -> bool {
        let periods = self.refilled.elapsed().as_millis() / INTERVAL.as_millis();
        if let Some(periods) = u32::try_from(periods).ok().filter(|&periods| periods > 0) {
            self.allowance = self.allowance.saturating_add(periods).min(BURST);
            self.refilled += INTERVAL * periods;
        }
        let granted = self.allowance > 0;
        self.allowance -= u32::from(granted);
        granted
    }
}

#[cfg(test)]
mod tests {
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
