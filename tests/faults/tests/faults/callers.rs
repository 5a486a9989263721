//! The programs that call, and what has become of their calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dasf_test_support::program;

use crate::broker::Kind;
use crate::memory;

/// How much later than its deadline a call may end on a busy machine.
const SLACK: Duration = Duration::from_secs(5);

/// What has become of all calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The number of the next call.
    pub(crate) next: u64,
    /// The calls that have not ended, and when they began.
    pending: BTreeMap<u64, Instant>,
    /// The calls that ended with their own answer.
    pub(crate) answered: BTreeSet<u64>,
    /// The calls that ended with an error, with its text.
    pub(crate) failed: BTreeMap<u64, String>,
    /// The calls whose program was killed before they ended.
    pub(crate) killed: BTreeSet<u64>,
    /// The longest time of a call.
    pub(crate) longest: Duration,
    /// The resident memory of each program after its first calls, and at its end.
    pub(crate) memory: Vec<(u64, u64)>,
}

impl Calls {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Panics if a call has not ended, although its time is over.
    pub(crate) fn assert_none_is_late(&self, timeout: Duration) {
        let state = self.state();
        let limit = timeout + SLACK;
        let late = state
            .pending
            .iter()
            .find(|(_, begun)| begun.elapsed() > limit);
        assert!(late.is_none(), "a call hangs: {late:?}");
    }
}

impl State {
    /// Returns how many calls ended with an error of each kind.
    pub(crate) fn kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        for error in self.failed.values() {
            // The texts of modules are few.
            let is_of_module = error.starts_with("Module");
            let kind = error.split(':').next().filter(|_| !is_of_module);
            *kinds.entry(kind.unwrap_or(error)).or_default() += 1;
        }
        kinds
    }

    /// Takes a line of a program.
    fn take(&mut self, line: &str, timeout: Duration) {
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (what, number) = (next(), next());
        let number: u64 = number.parse().unwrap_or_else(|_| panic!("{line}"));
        match what {
            "began" => {
                self.pending.insert(number, Instant::now());
            }
            "ended" => {
                let took = Duration::from_millis(next().parse().unwrap());
                assert!(took < timeout + SLACK, "call {number} ended after {took:?}");
                self.longest = self.longest.max(took);
                assert!(self.pending.remove(&number).is_some(), "{line}");
                match next() {
                    "answered" => assert!(self.answered.insert(number)),
                    "wrong" => panic!("call {number} has the answer of another call"),
                    error => assert!(self.failed.insert(number, error.to_owned()).is_none()),
                }
            }
            "memory" => self.memory.push((number, next().parse().unwrap())),
            _ => panic!("{line}"),
        }
    }
}

/// How a program calls.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    /// The port of the line to the broker.
    pub(crate) port: u16,
    /// How the topics end.
    pub(crate) topics: String,
    pub(crate) timeout: Duration,
    pub(crate) at_once: u64,
    /// The milliseconds from a call to the next one.
    pub(crate) interval: u64,
    /// What the programs do: `calls` or `jobs`.
    pub(crate) work: &'static str,
}

/// A program that calls.
pub(crate) struct Caller {
    process: Child,
    /// Reads what the program prints, and returns the first number that it has not begun. It panics if a call
    /// has a wrong end.
    reader: Option<JoinHandle<u64>>,
    /// The number after its last call.
    end: u64,
}

impl Caller {
    /// Starts a program that makes so many calls.
    pub(crate) fn start(plan: &Plan, calls: &Calls, count: u64) -> Self {
        Self::spawn(plan, calls, count, "now")
    }

    /// Starts a program that makes so many calls when each topic has answered.
    pub(crate) fn settled(plan: &Plan, calls: &Calls, count: u64) -> Self {
        Self::spawn(plan, calls, count, "settle")
    }

    /// Starts a program that takes over the jobs with these numbers.
    pub(crate) fn collecting(plan: &Plan, calls: &Calls, numbers: Range<u64>) -> Self {
        Self::spawn_for(plan, calls, numbers, "settle")
    }

    fn spawn(plan: &Plan, calls: &Calls, count: u64, begins: &str) -> Self {
        let first = {
            let mut state = calls.state();
            let first = state.next;
            state.next += count;
            first
        };
        Self::spawn_for(plan, calls, first..first + count, begins)
    }

    fn spawn_for(plan: &Plan, calls: &Calls, numbers: Range<u64>, begins: &str) -> Self {
        let Plan {
            kind,
            port,
            topics,
            timeout,
            at_once,
            interval,
            work,
        } = plan;
        let timeout = *timeout;
        let Range { start: first, end } = numbers;
        let mut command: Command = program::command(env!("CARGO_BIN_EXE_callers"));
        command.args([kind.name(), &port.to_string(), topics]);
        let numbers = [first, end, *at_once, *interval];
        command.args(numbers.map(|number| number.to_string()));
        command
            .arg(timeout.as_millis().to_string())
            .args([begins, work])
            .envs([memory::ONE_ARENA])
            .stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let calls = calls.clone();
        let reader = std::thread::spawn(move || {
            let mut begun = first;
            for line in output.lines() {
                let line = line.unwrap();
                calls.state().take(&line, timeout);
                begun += u64::from(line.starts_with("began"));
            }
            let mut state = calls.state();
            // The program has ended. What has not ended before was killed with it.
            let mut killed = state.pending.split_off(&first);
            let mut others = killed.split_off(&end);
            state.pending.append(&mut others);
            state.killed.extend(killed.into_keys());
            begun
        });
        Self {
            process,
            reader: Some(reader),
            end,
        }
    }

    /// Returns the number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills the program.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
    }

    /// Returns whether the program has ended and everything that it printed was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the program has ended. Returns how many of its calls it has not begun.
    pub(crate) fn end(mut self) -> u64 {
        let begun = self.reader.take().map(JoinHandle::join);
        let begun = begun
            .unwrap()
            .unwrap_or_else(|_| panic!("a call has a wrong end"));
        self.process.wait().unwrap();
        self.end - begun
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
