//! The memory of all processes stays the same for as long as they run, and a broker that restarts each minute.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use crate::broker::Kind;
use crate::callers::Caller;
use crate::faults::{Scene, number};
use crate::memory::{self, in_megabytes};

/// The minutes of the test, if `DASF_SOAK_MINUTES` does not say another number.
const MINUTES: u64 = 30;

/// The time between two measurements.
const MEASURED: Duration = Duration::from_secs(5);

/// The milliseconds between two calls.
const INTERVAL: u64 = 5;

/// The timeout of a call. A restart of the broker takes much less.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How much larger the memory of a process may be in the last third of the time than in the second: a
/// twentieth, and 2 MB for what it cannot return at once. In the first third, memory grows to what a process
/// needs: a module remembers up to 4096 requests with their responses.
fn limit(middle: u64) -> u64 {
    middle + middle / 20 + 2_000_000
}

/// Returns the mean of measurements.
fn mean(measured: &[u64]) -> u64 {
    measured.iter().sum::<u64>() / measured.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes half an hour; `cargo xtask soak` runs it"]
async fn the_memory_of_all_processes_stays_the_same() {
    let minutes = number("DASF_SOAK_MINUTES").unwrap_or(MINUTES);
    let time = Duration::from_secs(60 * minutes);
    let mut scene = Scene::set("soak", Kind::Kept).await;
    let plan = scene.plan(TIMEOUT, INTERVAL);
    // More calls than there is time for.
    let mut caller = Caller::start(&plan, &scene.calls, 1 << 40);
    let begun = tokio::time::Instant::now();
    let mut measured: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut restarts = 0;
    for sample in 1.. {
        sleep_until(begun + MEASURED * sample).await;
        scene.calls.assert_none_is_late(TIMEOUT);
        scene.modules.keep_running();
        assert!(!caller.has_ended(), "the caller has ended");
        let mut memory = scene.modules.memory();
        memory.push(("the caller", memory::of(caller.id())));
        for (process, bytes) in memory {
            measured.entry(process).or_default().push(bytes);
        }
        let elapsed = begun.elapsed();
        if elapsed.as_secs() / 60 > restarts {
            restarts += 1;
            // Each broker has run for a minute.
            let bytes = scene.broker.memory().unwrap_or_default();
            measured.entry("the broker").or_default().push(bytes);
            scene.broker.restart().await;
        }
        if elapsed >= time {
            break;
        }
    }
    caller.kill();
    let ended = Instant::now();
    while !caller.has_ended() {
        assert!(ended.elapsed() < TIMEOUT);
        sleep(Duration::from_millis(20)).await;
    }
    let state = scene.calls.state();
    let (answered, failed) = (state.answered.len(), state.kinds());
    println!(
        "{minutes} minutes, {restarts} restarts, {answered} calls answered, failed: {failed:?}"
    );
    assert!(failed.is_empty(), "{failed:?}");
    for (process, measured) in measured {
        let third = measured.len() / 3;
        assert!(third > 2, "ten minutes are the shortest time");
        let (middle, last) = (
            mean(&measured[third..2 * third]),
            mean(&measured[2 * third..]),
        );
        let (middle_text, last_text) = (in_megabytes(middle), in_megabytes(last));
        println!(
            "  {process}: {middle_text} in the second third of the time, {last_text} in the last"
        );
        assert!(
            last < limit(middle),
            "the memory of {process} grows: {measured:?}"
        );
    }
}
