//! Every call ends with its own answer or with an error, by its deadline.
//!
//! A test prints its seed first. `DASF_FAULTS_SEED` repeats the choices of a run, and `DASF_FAULTS_CALLS` sets the
//! number of calls.

use std::env;
use std::time::{Duration, Instant};

use dasf_test_support::line::{Faults, Line};
use dasf_test_support::{soon, temporary_folder};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::broker::{Broker, Kind};
use crate::callers::{Caller, Calls, Plan};
use crate::memory::in_megabytes;
use crate::modules::Modules;
use crate::network::Network;

/// The calls of a test, if `DASF_FAULTS_CALLS` does not say another number.
const CALLS: u64 = 300;

/// The calls before and after the faults, all of which are answered.
const QUIET_CALLS: u64 = 200;

/// The calls of a program at one time. Some of them wait for their timeout.
const AT_ONCE: u64 = 64;

/// The milliseconds between two calls of a program among faults, so that there is time for faults.
const INTERVAL: u64 = 30;

/// The timeout of a call among faults.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The jobs of a test, if `DASF_FAULTS_CALLS` does not say ten times another number.
const JOBS: u64 = 100;

/// How long a program tries to get the result of a job.
const JOB_TIMEOUT: Duration = Duration::from_secs(60);

/// The timeout of a call without faults.
const QUIET_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the programs may take to work again after the faults.
const SETTLED: Duration = Duration::from_secs(60);

/// The memory that a process may keep after the faults: what its allocator does not return.
const KEPT_MEMORY: u64 = 24_000_000;

/// The same for a broker, which also keeps the responses to killed callers for ten minutes.
const KEPT_BY_BROKER: u64 = 80_000_000;

/// How the tables call the broker.
const BROKER: &str = "the broker";

/// The number of programs that call at one time.
const CALLERS: usize = 2;

/// Returns the number in an environment variable.
pub(crate) fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// A broker, modules, and lines to the broker.
pub(crate) struct Scene {
    name: &'static str,
    seed: u64,
    pub(crate) broker: Broker,
    network: Network,
    pub(crate) modules: Modules,
    pub(crate) calls: Calls,
    /// How often a program that calls was killed.
    caller_kills: u32,
    /// The folder of all files, until they are removed.
    folder: Option<TempDir>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        // The logs show why a test has failed.
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            println!("{}: the logs are in {}", self.name, folder.keep().display());
        }
    }
}

impl Scene {
    /// Starts all programs but those that call.
    pub(crate) async fn set(name: &'static str, kind: Kind) -> Self {
        let seed = number("DASF_FAULTS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
        println!("{name}: DASF_FAULTS_SEED={seed}");
        let folder = tempfile::tempdir_in(temporary_folder()).unwrap();
        let broker = Broker::start(kind, folder.path()).await;
        let has_links = kind != Kind::Forgetful;
        let network = Network::new([
            Line::with_seed(broker.socket(), has_links, seed).await,
            Line::with_seed(broker.socket(), has_links, seed + 1).await,
        ]);
        let topics = network.modules().port().to_string();
        let mut modules = Modules::start(kind, network.modules().port(), &topics, folder.path());
        soon("the modules", modules.listen()).await;
        Self {
            name,
            seed,
            broker,
            network,
            modules,
            calls: Calls::default(),
            caller_kills: 0,
            folder: Some(folder),
        }
    }

    /// Returns how programs call with this timeout, and with this number of milliseconds between two calls.
    pub(crate) fn plan(&self, timeout: Duration, interval: u64) -> Plan {
        Plan {
            kind: self.broker.kind(),
            port: self.network.callers().port(),
            topics: self.network.modules().port().to_string(),
            timeout,
            at_once: AT_ONCE,
            interval,
            work: "calls",
        }
    }

    /// Makes calls without faults, all of which are answered.
    async fn make_quiet_calls(&mut self) {
        let before = self.calls.state().answered.len() as u64;
        let caller = Caller::settled(&self.plan(QUIET_TIMEOUT, 0), &self.calls, QUIET_CALLS);
        self.wait_for(caller, SETTLED + QUIET_TIMEOUT).await;
        let state = self.calls.state();
        let answered = state.answered.len() as u64 - before;
        assert_eq!(answered, QUIET_CALLS, "{}: {:?}", self.name, state.failed);
    }

    /// Waits until a program has ended without faults.
    async fn wait_for(&self, caller: Caller, limit: Duration) {
        let ended = async {
            while !caller.has_ended() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let has_ended = tokio::time::timeout(limit, ended).await.is_ok();
        assert!(has_ended, "{}: {:?}", self.name, self.calls.state());
        caller.end();
    }

    /// Makes calls among faults, until all of them have ended.
    async fn make_calls(&mut self, plan: &Plan, calls: u64, usual: Faults) {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let share = calls.div_ceil(CALLERS as u64);
        let mut left = calls;
        let mut callers: Vec<Caller> = Vec::new();
        self.network.set_usual(usual);
        loop {
            for ended in callers.extract_if(.., |caller| caller.has_ended()) {
                left += ended.end();
            }
            while left > 0 && callers.len() < CALLERS {
                let share = left.min(share);
                left -= share;
                callers.push(Caller::start(plan, &self.calls, share));
            }
            if callers.is_empty() {
                break;
            }
            self.calls.assert_none_is_late(plan.timeout);
            self.modules.keep_running();
            sleep(Duration::from_millis(random.u64(20..400))).await;
            match random.u8(..20) {
                0 if random.u8(..self.broker.kind().rarity()) == 0 => self.broker.restart().await,
                1..4 => self.modules.kill(&mut random),
                4 => {
                    let caller = random.usize(..callers.len());
                    callers[caller].kill();
                    self.caller_kills += 1;
                }
                _ => self.network.make_a_fault(&mut random).await,
            }
        }
        self.network.mend().await;
    }

    /// Prints what has become of the calls, and checks what the modules have run.
    fn check(&self, what: &str, took: Duration) {
        let state = self.calls.state();
        let runs = self.modules.runs();
        let twice = |remainder| {
            let runs = runs.iter().filter(|(number, _)| **number % 2 == remainder);
            runs.filter(|(_, count)| **count > 1).count()
        };
        let (answered, failed) = (state.answered.len(), state.failed.len());
        let took = took.as_secs();
        println!(
            "{}: {answered} {what} answered, {failed} failed, in {took} s",
            self.name
        );
        let row = |what: &str, count: u64| println!("  {count:>7} {what}");
        for (kind, count) in state.kinds() {
            row(&format!("{what} failed with {kind}"), count as u64);
        }
        row(
            &format!("{what} whose caller was killed"),
            state.killed.len() as u64,
        );
        row("requests to the module run twice", twice(0) as u64);
        row("requests to the group run twice", twice(1) as u64);
        row("kills of the broker", self.broker.kills.into());
        row("kills of modules", self.modules.kills().into());
        row("kills of callers", self.caller_kills.into());
        for (fault, count) in self.network.made() {
            row(fault, count);
        }
        println!(
            "  the longest call took {:.1} s",
            state.longest.as_secs_f64()
        );
        let unrun = state
            .answered
            .iter()
            .find(|number| !runs.contains_key(number));
        assert!(unrun.is_none(), "an answer without a run: {unrun:?}");
        for (before, after) in &state.memory {
            self.compare_memory("a caller", *before, *after);
        }
    }

    fn compare_memory(&self, process: &str, before: u64, after: u64) {
        let (before_text, after_text) = (in_megabytes(before), in_megabytes(after));
        println!("  memory of {process}: {before_text}, after the faults {after_text}");
        let kept = match process {
            BROKER => KEPT_BY_BROKER,
            _ => KEPT_MEMORY,
        };
        assert!(
            after < before + kept,
            "{}: {process} keeps memory",
            self.name
        );
    }

    /// Returns the memory of the processes that still run.
    fn memory(&self) -> Vec<(&'static str, u64)> {
        let mut memory = self.modules.memory();
        memory.extend(self.broker.memory().map(|bytes| (BROKER, bytes)));
        memory
    }
}

/// Makes calls among faults.
async fn every_call_ends(name: &'static str, kind: Kind, usual: Faults) {
    let begun = Instant::now();
    let mut scene = Scene::set(name, kind).await;
    scene.make_quiet_calls().await;
    let before = scene.memory();
    let calls = number("DASF_FAULTS_CALLS").unwrap_or(CALLS);
    let plan = scene.plan(TIMEOUT, INTERVAL);
    scene.make_calls(&plan, calls, usual).await;
    soon("the modules", scene.modules.listen()).await;
    scene.make_quiet_calls().await;
    scene.check("calls", begun.elapsed());
    for ((process, after), (_, before)) in scene.memory().into_iter().zip(before) {
        scene.compare_memory(process, before, after);
    }
}

/// What a faulty program between the peers does with frames. A network does nothing like it.
const FAULTY_FRAMES: Faults = Faults {
    drop: 0.005,
    duplicate: 0.005,
    reorder: 0.005,
    delay: Duration::ZERO,
    bytes_per_second: None,
};

/// Every job is answered, although the programs that submit it, the modules and the broker are killed.
async fn every_job_is_answered(name: &'static str, kind: Kind) {
    let begun = Instant::now();
    let mut scene = Scene::set(name, kind).await;
    let jobs = number("DASF_FAULTS_CALLS").map_or(JOBS, |calls| calls / 10);
    let plan = Plan {
        work: "jobs",
        ..scene.plan(JOB_TIMEOUT, INTERVAL)
    };
    scene.make_calls(&plan, jobs, Faults::default()).await;
    soon("the modules", scene.modules.listen()).await;
    let before = scene.modules.runs();
    // Another program collects all jobs, also those whose program was killed.
    let (submitted, answered) = {
        let mut state = scene.calls.state();
        let submitted: Vec<u64> = state.answered.union(&state.killed).copied().collect();
        let answered = std::mem::take(&mut state.answered);
        (submitted, answered)
    };
    let end = submitted.last().unwrap() + 1;
    let collecting = Caller::collecting(&plan, &scene.calls, 0..end);
    let limit = SETTLED + JOB_TIMEOUT + Duration::from_millis(INTERVAL * end);
    scene.wait_for(collecting, limit).await;
    scene.check("jobs", begun.elapsed());
    let state = scene.calls.state();
    assert!(state.failed.is_empty(), "{:?}", state.failed);
    let after = scene.modules.runs();
    // A Mosquitto confirms messages before it has saved them, so a kill makes it forget the latest answers.
    let keeps_answers = kind != Kind::Mosquitto;
    for number in submitted {
        assert!(state.answered.contains(&number), "job {number} is lost");
        let has_answer = keeps_answers && answered.contains(&number);
        assert!(
            !has_answer || after[&number] == before[&number],
            "job {number} ran again"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_is_answered_on_the_embedded_broker() {
    every_job_is_answered("jobs, embedded", Kind::Kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_is_answered_on_mosquitto() {
    every_job_is_answered("jobs, Mosquitto", Kind::Mosquitto).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a Pulsar starts slowly; `cargo xtask faults` runs it"]
async fn every_job_is_answered_on_pulsar() {
    every_job_is_answered("jobs, Pulsar", Kind::Pulsar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_on_the_embedded_broker() {
    every_call_ends("embedded", Kind::Kept, Faults::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_on_the_embedded_broker_with_faulty_frames() {
    every_call_ends("embedded, faulty frames", Kind::Kept, FAULTY_FRAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_on_an_embedded_broker_that_forgets() {
    every_call_ends("forgetful", Kind::Forgetful, Faults::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_on_an_embedded_broker_that_forgets_with_faulty_frames() {
    every_call_ends("forgetful, faulty frames", Kind::Forgetful, FAULTY_FRAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_on_mosquitto() {
    every_call_ends("Mosquitto", Kind::Mosquitto, Faults::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_ends_on_mosquitto_with_faulty_frames() {
    every_call_ends("Mosquitto, faulty frames", Kind::Mosquitto, FAULTY_FRAMES).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a Pulsar starts slowly; `cargo xtask faults` runs it"]
async fn every_call_ends_on_pulsar() {
    every_call_ends("Pulsar", Kind::Pulsar, Faults::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a Pulsar starts slowly; `cargo xtask faults` runs it"]
async fn every_call_ends_on_pulsar_with_faulty_frames() {
    every_call_ends("Pulsar, faulty frames", Kind::Pulsar, FAULTY_FRAMES).await;
}
