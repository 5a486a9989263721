//! Counts the calls of a module, for those who watch it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::module::{Failure, FailureKind, Module, Output};

/// The number of the function of a call of which it is not known.
pub(super) const UNKNOWN: u16 = 0;

/// The upper ends of the ranges of the times of calls: from a quick function to a long computation.
pub(super) const RANGES: [Duration; 10] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_millis(2500),
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
    Duration::from_secs(3600),
];

/// The numbers of calls since the start of a host. A host that nobody watches has none.
#[derive(Debug)]
pub(super) struct Counts {
    /// By the number of the function.
    functions: Vec<CallsOfFunction>,
    result_bytes: AtomicU64,
    disconnections: AtomicU64,
}

/// The calls of one function.
#[derive(Debug, Default)]
pub(super) struct CallsOfFunction {
    answered: AtomicU64,
    failed: [AtomicU64; FailureKind::ALL.len()],
    /// How many calls took a time in each of the [`RANGES`], and how many took longer.
    times: [AtomicU64; RANGES.len() + 1],
    microseconds: AtomicU64,
}

impl Counts {
    pub(super) fn new(module: &Module) -> Self {
        let mut functions = Vec::new();
        let numbers = UNKNOWN..=module.last_number();
        functions.resize_with(numbers.len(), CallsOfFunction::default);
        Self {
            functions,
            result_bytes: AtomicU64::new(0),
            disconnections: AtomicU64::new(0),
        }
    }

    /// Counts the end of a call of the function with this number, and its time if its function was to run.
    pub(super) fn end(
        &self,
        number: u16,
        time: Option<Duration>,
        outcome: Result<&Output, &Failure>,
    ) {
        let Some(function) = self.functions.get(usize::from(number)) else {
            return;
        };
        match outcome {
            Ok(output) => {
                add(&function.answered, 1);
                add(&self.result_bytes, output.0.len() as u64);
            }
            Err(failure) => {
                let mut kinds = FailureKind::ALL.iter().zip(&function.failed);
                if let Some((_, failed)) = kinds.find(|(kind, _)| **kind == failure.kind()) {
                    add(failed, 1);
                }
            }
        }
        if let Some(time) = time {
            let range = RANGES.partition_point(|end| *end < time);
            add(&function.times[range], 1);
            let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            add(&function.microseconds, microseconds);
        }
    }

    /// Counts the loss of the connection to the broker.
    pub(super) fn disconnected(&self) {
        add(&self.disconnections, 1);
    }

    /// Returns the calls of all functions, with the number of each.
    pub(super) fn functions(&self) -> impl Iterator<Item = (u16, &CallsOfFunction)> {
        (UNKNOWN..).zip(&self.functions)
    }

    /// Returns the size of all results, in bytes.
    pub(super) fn result_bytes(&self) -> u64 {
        get(&self.result_bytes)
    }

    /// Returns how often the connection to the broker was lost.
    pub(super) fn disconnections(&self) -> u64 {
        get(&self.disconnections)
    }
}

impl CallsOfFunction {
    pub(super) fn answered(&self) -> u64 {
        get(&self.answered)
    }

    /// Returns how many calls failed in each way.
    pub(super) fn failed(&self) -> impl Iterator<Item = (FailureKind, u64)> {
        let kinds = FailureKind::ALL.into_iter();
        kinds.zip(self.failed.iter().map(get))
    }

    /// Returns how many calls took a time in each of the [`RANGES`], and how many took longer.
    pub(super) fn times(&self) -> impl Iterator<Item = u64> {
        self.times.iter().map(get)
    }

    /// Returns the time of all calls.
    pub(super) fn time(&self) -> Duration {
        Duration::from_micros(get(&self.microseconds))
    }
}

fn add(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

fn get(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}
