//! The steps that are measured.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::store::{Message, Result, Store};

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Step {
    /// One message of 100 B in each commit.
    Single,
    /// 64 messages of 100 B in each commit, and the removal of the 64 before.
    Small,
    /// 8 messages of 100 kB in each commit, and the removal of the 8 before.
    Large,
    /// Waiting messages of 100 kB, 8 in each commit.
    FillLarge,
    /// Opens the store with the waiting messages after a crash, and reads the first hundred.
    OpenLarge,
    /// Reads all waiting messages.
    ReadLarge,
    /// Waiting messages of 1 kB, 64 in each commit.
    FillSmall,
    OpenSmall,
    ReadSmall,
    /// Removes all waiting messages, 64 in each commit.
    Drain,
}

impl Step {
    /// Returns whether the step starts with an empty store.
    pub(crate) fn begins_anew(self) -> bool {
        matches!(
            self,
            Self::Single | Self::Small | Self::Large | Self::FillLarge | Self::FillSmall
        )
    }
}

/// How long a step without waiting messages takes.
const MEASURED: Duration = Duration::from_secs(5);

pub(crate) fn run<S: Store>(step: Step, folder: &Path, waiting: u64) -> Result<()> {
    let began = Instant::now();
    let mut store = S::open(folder)?;
    let opened = began.elapsed();
    let result = match step {
        Step::Single => pass(&mut store, 1, 100, false)?,
        Step::Small => pass(&mut store, 64, 100, true)?,
        Step::Large => pass(&mut store, 8, 100_000, true)?,
        Step::FillLarge => fill(&mut store, 8, 100_000, waiting)?,
        Step::FillSmall => fill(&mut store, 64, 1_000, waiting)?,
        Step::OpenLarge | Step::OpenSmall => {
            let read = store.read(0, 100)?;
            assert_eq!(read.len(), 100, "the messages are gone");
            format!(
                "open after {opened:.1?}, 100 read after {:.1?}",
                began.elapsed()
            )
        }
        Step::ReadLarge => read_all(&mut store, 64, waiting / 100_000)?,
        Step::ReadSmall => read_all(&mut store, 1_000, waiting / 1_000)?,
        Step::Drain => drain(&mut store, waiting / 1_000)?,
    };
    let name = step
        .to_possible_value()
        .map_or_else(String::new, |it| it.get_name().to_owned());
    println!(
        "| {name} | {result} | {:.2} s | {} MB | {} MB |",
        processor_time()?,
        memory()?,
        size(folder)? / 1_000_000
    );
    // Without the destructors, which would close the store in order.
    std::process::exit(0)
}

/// Returns messages from this number on. Their content cannot be compressed.
fn messages(from: u64, count: u64, size: usize) -> Vec<Message> {
    let mut state = from.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (from..from + count)
        .map(|sequence| {
            let mut content = Vec::with_capacity(size + 8);
            while content.len() < size {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                content.extend_from_slice(&state.to_le_bytes());
            }
            content.truncate(size);
            (sequence, content)
        })
        .collect()
}

/// Commits messages for some time. Removes those of the commit before, if they are acknowledged.
fn pass<S: Store>(store: &mut S, batch: u64, size: usize, acknowledged: bool) -> Result<String> {
    let mut times = Vec::new();
    let mut next = 1;
    let mut removed = Vec::new();
    let began = Instant::now();
    while began.elapsed() < MEASURED {
        let added = messages(next, batch, size);
        let before = Instant::now();
        store.commit(&added, &removed)?;
        times.push(before.elapsed());
        if acknowledged {
            removed = (next..next + batch).collect();
        }
        next += batch;
    }
    let rate = (next - 1) as f64 / times.iter().sum::<Duration>().as_secs_f64();
    times.sort_unstable();
    Ok(format!(
        "{rate:.0} messages/s; a commit takes {:.0?} (p50), {:.0?} (p99), {:.0?} (longest)",
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    ))
}

fn fill<S: Store>(store: &mut S, batch: u64, size: usize, waiting: u64) -> Result<String> {
    let count = waiting / size as u64;
    let mut spent = Duration::ZERO;
    let mut next = 1;
    while next <= count {
        let added = messages(next, batch.min(count + 1 - next), size);
        let before = Instant::now();
        store.commit(&added, &[])?;
        spent += before.elapsed();
        next += batch;
    }
    Ok(format!("{spent:.1?}"))
}

fn read_all<S: Store>(store: &mut S, batch: usize, count: u64) -> Result<String> {
    let began = Instant::now();
    let mut next = 1;
    loop {
        let read = store.read(next, batch)?;
        let Some((last, _)) = read.last() else { break };
        next = last + 1;
    }
    assert_eq!(next, count + 1, "messages are gone");
    Ok(format!("{:.1?}", began.elapsed()))
}

fn drain<S: Store>(store: &mut S, count: u64) -> Result<String> {
    let began = Instant::now();
    let mut next = 1;
    while next <= count {
        let end = (next + 64).min(count + 1);
        store.commit(&[], &(next..end).collect::<Vec<_>>())?;
        next = end;
    }
    Ok(format!("{:.1?}", began.elapsed()))
}

/// Returns the processor time of this process in seconds.
fn processor_time() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// Returns the largest memory of this process in MB.
fn memory() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap_or("0").parse()?;
    Ok(kilobytes / 1000)
}

fn size(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() {
            size(&entry.path())?
        } else {
            metadata.len()
        };
    }
    Ok(total)
}
