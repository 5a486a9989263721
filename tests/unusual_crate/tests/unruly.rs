//! A module whose functions end or block it.

// A failing test panics.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use dasf_test_support::program::Listening;
use dasf_test_support::{broker, program, soon, temporary_folder, until};
use rpc::broker::{
    Address, ConnectError, dead_request, dead_requests, drop_dead_request, retry_dead_request,
};
use rpc::{CallError, Caller, FailureKind};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The time that a call may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn unruly(url: &str, arguments: &[&str]) -> Command {
    unruly_with(url, "completed", arguments)
}

fn unruly_with(url: &str, ack: &str, arguments: &[&str]) -> Command {
    let mut command = program::command(env!("CARGO_BIN_EXE_unruly"));
    let ways = ["--websocket-url", url, "--ack", ack];
    command.args(ways).args(arguments).arg("listen");
    command.env("TOKIO_WORKER_THREADS", "2");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Starts a module again whenever it ends, as a service manager does.
struct Supervisor {
    state: Arc<Mutex<Supervised>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Supervised {
    module: Option<u32>,
    /// How often the module has ended.
    deaths: u32,
    has_ended: bool,
}

impl Supervisor {
    /// Starts a module, and again when it has ended and `may_restart`.
    fn start(mut command: Command, may_restart: impl Fn() -> bool + Send + 'static) -> Self {
        let state = Arc::new(Mutex::new(Supervised::default()));
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            loop {
                let mut module: Child = {
                    let mut state = shared.lock().unwrap();
                    if state.has_ended {
                        return;
                    }
                    let module = command.spawn().unwrap();
                    state.module = Some(module.id());
                    module
                };
                module.wait().unwrap();
                let mut state = shared.lock().unwrap();
                state.module = None;
                state.deaths += u32::from(!state.has_ended);
                drop(state);
                while !may_restart() && !shared.lock().unwrap().has_ended {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self {
            state,
            thread: Some(thread),
        }
    }

    /// Ends the module for good. Returns how often it has ended before.
    fn end(self) -> u32 {
        let mut state = self.state.lock().unwrap();
        state.end();
        state.deaths
    }
}

/// A failed test leaves no module behind.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.state.lock().unwrap().end();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Supervised {
    fn end(&mut self) {
        self.has_ended = true;
        if let Some(module) = self.module.take() {
            program::signal(module, "-KILL");
        }
    }
}

/// What the callers and the supervisors of some modules see.
struct Seen {
    killed: CallError,
    deaths: u32,
    put_aside: u64,
}

/// Sends one request that ends its module, and innocent ones before and after it, to `modules`
/// modules. All innocent ones must be answered.
async fn one_among(
    killer: Value,
    innocent: &[Value],
    modules: usize,
    arguments: &'static [&'static str],
) -> Seen {
    let broker = Arc::new(broker().await);
    let url = broker.url();
    let caller = Caller::builder("unruly").websocket(&url).timeout(PATIENCE);
    let caller = caller.connect().await.unwrap();
    let mut calls = JoinSet::new();
    let half = innocent.len() / 2;
    for request in &innocent[..half] {
        let (caller, request) = (caller.clone(), request.clone());
        calls.spawn(async move { (caller.call(&request).await, request) });
    }
    let killing = caller.clone();
    let killer = tokio::spawn(async move { killing.call(&killer).await });
    for request in &innocent[half..] {
        let (caller, request) = (caller.clone(), request.clone());
        calls.spawn(async move { (caller.call(&request).await, request) });
    }
    let start = |_| {
        let broker = Arc::clone(&broker);
        // The broker keeps the requests of a module without a group for it until it sees the end.
        let sees_end = move || modules > 1 || broker.statistics().connections <= 1;
        Supervisor::start(unruly(&url, arguments), sees_end)
    };
    let supervisors: Vec<_> = (0..modules).map(start).collect();
    for (answer, request) in calls.join_all().await {
        let answer = answer.map_err(|error| format!("{request}: {error}"));
        assert_eq!(answer.unwrap(), request["number"], "{request}");
    }
    let killed = killer.await.unwrap().unwrap_err();
    let deaths = supervisors.into_iter().map(Supervisor::end).sum();
    caller.close().await;
    let put_aside = broker.statistics().put_aside;
    Seen {
        killed,
        deaths,
        put_aside,
    }
}

fn work(function: &str, count: u32, milliseconds: u32) -> Vec<Value> {
    let work =
        |number| json!({"func_name": function, "number": number, "milliseconds": milliseconds});
    (0..count).map(work).collect()
}

#[track_caller]
fn assert_told(error: &CallError, times: &str) {
    let CallError::Module(failure) = error else {
        panic!("{error}");
    };
    assert_eq!(failure.kind(), Some(FailureKind::PutAside));
    assert_eq!(failure.code(), Some("put_aside"));
    assert!(failure.message().contains(times), "{failure}");
}

fn end(function: &str) -> Value {
    json!({"func_name": function})
}

/// Returns a request that does not fit one message.
fn large_end() -> Value {
    json!({"func_name": "end_after", "text": "x".repeat(2_000_000)})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_ends_its_module_ends_a_group_four_times() {
    let arguments = &["--group", "team", "--max-workers", "4"];
    for killer in [end("end"), large_end()] {
        let seen = one_among(killer, &work("work", 300, 5), 2, arguments).await;
        assert_told(&seen.killed, "3 times");
        assert_eq!((seen.deaths, seen.put_aside), (4, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_request_that_ends_its_module_is_put_aside() {
    let arguments = &["--group", "team", "--max-deaths", "2"];
    let seen = one_among(end("end"), &work("work", 300, 5), 2, arguments).await;
    assert_told(&seen.killed, "2 times");
    assert_eq!((seen.deaths, seen.put_aside), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_ends_its_module_is_given_up_without_a_group() {
    for (killer, innocent) in [
        (end("end"), "work"),
        (end("end_inline"), "work"),
        (end("end_in_task"), "work_in_task"),
        (large_end(), "work"),
    ] {
        let name = killer["func_name"].clone();
        let seen = one_among(killer, &work(innocent, 50, 5), 1, &[]).await;
        assert_told(&seen.killed, "3 times");
        assert_eq!(seen.deaths, 4, "{name}");
    }
}

/// They run beside it each time, because each of them takes longer than the modules live.
#[tokio::test(flavor = "multi_thread")]
async fn long_requests_beside_one_that_ends_the_module_are_not_blamed() {
    let arguments = &["--max-deaths", "2", "--max-workers", "8"];
    for (killer, innocent) in [("end", "work"), ("end_in_task", "work_in_task")] {
        let seen = one_among(end(killer), &work(innocent, 6, 700), 1, arguments).await;
        assert_told(&seen.killed, "2 times");
        assert_eq!(seen.deaths, 3, "{killer}");
    }
}

/// Each time, the drain timeout is over, and the module gives the request back.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_hangs_until_its_module_is_stopped_is_given_up() {
    let broker = broker().await;
    let url = broker.url();
    let caller = Caller::builder("unruly").websocket(&url).timeout(PATIENCE);
    let caller = caller.connect().await.unwrap();
    let hanging = caller.clone();
    let request = json!({"func_name": "hang"});
    let hanging = tokio::spawn(async move { hanging.call(&request).await });
    let arguments = ["--max-deaths", "1", "--drain-timeout", "0"];
    for _ in 0..2 {
        let mut module = unruly(&url, &arguments);
        let mut module = module.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(module.stdout.take().unwrap()).lines();
        let has_begun = tokio::task::spawn_blocking(move || lines.next().is_some());
        assert!(soon("the begin", has_begun).await.unwrap());
        program::signal(module.id(), "-TERM");
        let stopped = tokio::task::spawn_blocking(move || module.wait().unwrap());
        assert!(soon("the end", stopped).await.unwrap().success());
    }
    // It needs no third module.
    let error = soon("the error", hanging).await.unwrap().unwrap_err();
    assert_told(&error, "once more");
}

/// Starts a module, kills it when it runs the function `hang`, and returns the number of its process.
async fn kill_hanging(mut module: Command) -> u32 {
    let mut module = module.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(module.stdout.take().unwrap()).lines();
    let begun = tokio::task::spawn_blocking(move || lines.next().is_some());
    assert!(soon("the begin", begun).await.unwrap());
    let process = module.id();
    program::signal(process, "-KILL");
    let ended = tokio::task::spawn_blocking(move || module.wait().unwrap());
    soon("the end", ended).await.unwrap();
    process
}

/// No module is left, so it is the broker that tells the caller.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_modules_are_killed_is_put_aside_and_can_be_sent_again() {
    let broker = broker().await;
    let url = broker.url();
    let address = || Address::websocket(&url).unwrap();
    let caller = Caller::builder("unruly").websocket(&url).timeout(PATIENCE);
    let caller = caller.connect().await.unwrap();
    for group in [Some("team"), None] {
        let group: Vec<_> = group
            .into_iter()
            .flat_map(|group| ["--group", group])
            .collect();
        let arguments = [&["--max-deaths", "2"], &group[..]].concat();
        let calling = caller.clone();
        let hanging =
            tokio::spawn(async move { calling.call(&json!({"func_name": "hang"})).await });
        let mut killed = Vec::new();
        for _ in 0..3 {
            killed.push(kill_hanging(unruly(&url, &arguments)).await);
            // The broker keeps the requests of a module without a group for it until it sees the end.
            soon("the end", until(|| broker.statistics().connections <= 1)).await;
        }
        let error = soon("the error", hanging).await.unwrap().unwrap_err();
        assert_told(&error, "2 times");
        let dead = dead_requests(address()).await.unwrap();
        let [dead] = &dead[..] else {
            panic!("{dead:?}")
        };
        assert_eq!((dead.topic.as_str(), dead.deaths), ("unruly", Some(2)));
        assert_eq!(dead.function.as_deref(), Some("hang"));
        let details = dead_request(address(), &dead.id).await.unwrap();
        let request: Value = serde_json::from_str(&details.request.unwrap()).unwrap();
        assert_eq!(request, json!({"func_name": "hang"}));
        let attempts = details.attempts.iter();
        let processes = attempts.clone().map(|it| it.consumer.process.unwrap());
        assert_eq!(processes.collect::<Vec<_>>(), killed);
        assert!(
            attempts.clone().all(|it| it.end == "lost"),
            "{:?}",
            details.attempts
        );
        let begun = attempts.map(|it| it.begun.is_some());
        assert_eq!(begun.collect::<Vec<_>>(), [false, true, true]);

        retry_dead_request(address(), &dead.id).await.unwrap();
        let gone = drop_dead_request(address(), &dead.id).await.unwrap_err();
        assert!(
            matches!(gone, ConnectError::Refused { status: 410, .. }),
            "{gone}"
        );
        // It counts anew.
        for _ in 0..3 {
            kill_hanging(unruly(&url, &arguments)).await;
            soon("the end", until(|| broker.statistics().connections <= 1)).await;
        }
        let put_aside = broker.statistics().put_aside;
        soon(
            "the broker",
            until(|| broker.statistics().put_aside > put_aside),
        )
        .await;
        let [again] = &dead_requests(address()).await.unwrap()[..] else {
            panic!("not one")
        };
        assert_ne!(again.id, dead.id);
        drop_dead_request(address(), &again.id).await.unwrap();
        assert_eq!(dead_requests(address()).await.unwrap(), []);
    }
    caller.close().await;
}

/// A job is acknowledged when it is answered, whatever holds for other requests.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_modules_are_killed_fails_until_it_is_sent_again() {
    let broker = broker().await;
    let url = broker.url();
    let caller = Caller::builder("unruly").websocket(&url);
    let caller = caller.connect().await.unwrap();
    let address = || Address::websocket(&url).unwrap();
    let folder = temporary_folder().join(format!("unruly-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let limit = &["--max-deaths", "1"][..];
    for (name, arguments, deaths, told) in [
        ("team", &["--group", "team"][..], 4, "3 times"),
        ("alone", &[], 4, "3 times"),
        ("limited", limit, 2, "once more"),
    ] {
        let file = folder.join(name);
        let request = json!({"func_name": "hang_without", "file": file});
        let job = caller.call(&request).submit().await.unwrap();
        for _ in 0..deaths {
            kill_hanging(unruly_with(&url, "received", arguments)).await;
            soon("the end", until(|| broker.statistics().connections <= 1)).await;
        }
        let error = soon("the error", job.result().into_future())
            .await
            .unwrap_err();
        assert_told(&error, told);
        std::fs::write(&file, "").unwrap();
        let [dead] = &dead_requests(address()).await.unwrap()[..] else {
            panic!("not one")
        };
        retry_dead_request(address(), &dead.id).await.unwrap();
        let mut module = unruly_with(&url, "received", arguments).spawn().unwrap();
        // Another program reads the answer.
        let again = caller.attach::<u32>(job.id()).unwrap();
        let answer = soon("the answer", again.result().into_future()).await;
        assert_eq!(answer.unwrap(), 7);
        program::signal(module.id(), "-KILL");
        module.wait().unwrap();
        soon("the end", until(|| broker.statistics().connections <= 1)).await;
    }
    assert_eq!(broker.statistics().put_aside, 3);
    std::fs::remove_dir_all(folder).unwrap();
    caller.close().await;
}

/// Starts a module whose runtime has two threads.
fn start(url: &str) -> Listening {
    let mut command = unruly(url, &[]);
    command.stderr(Stdio::piped());
    Listening::start(command)
}

async fn call_all(caller: &Caller, request: &Value, times: usize) {
    let mut calls = JoinSet::new();
    for _ in 0..times {
        let (caller, request) = (caller.clone(), request.clone());
        calls.spawn(async move { caller.call(&request).await.unwrap() });
    }
    calls.join_all().await;
}

/// Returns the lines of a log with this text.
fn lines<'a>(log: &'a str, text: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_block_the_runtime_are_named_in_the_log() {
    let broker = broker().await;
    let url = broker.url();
    let caller = Caller::builder("unruly").websocket(&url).timeout(PATIENCE);
    let caller = caller.connect().await.unwrap();
    let module = start(&url);
    let waits = json!({"func_name": "work_in_task", "number": 1, "milliseconds": 1500});
    call_all(&caller, &waits, 50).await;
    call_all(
        &caller,
        &json!({"func_name": "block", "milliseconds": 3000}),
        2,
    )
    .await;
    // The watch sees that the runtime runs again.
    call_all(&caller, &waits, 1).await;
    let tasks = json!({"func_name": "block_in_tasks", "tasks": 2, "milliseconds": 3000});
    call_all(&caller, &tasks, 1).await;
    call_all(&caller, &waits, 1).await;
    let stopped = tokio::task::spawn_blocking(|| module.stop("-TERM"));
    let (_, log) = stopped.await.unwrap();
    let blocked = lines(&log, "the async runtime is blocked");
    let [by_functions, by_tasks] = &blocked[..] else {
        panic!("{log}");
    };
    assert!(by_functions.contains("WARN"), "{by_functions}");
    assert_eq!(
        by_functions.matches("block for ").count(),
        2,
        "{by_functions}"
    );
    assert!(
        by_tasks.contains("tasks that functions have started"),
        "{by_tasks}"
    );
    assert_eq!(lines(&log, "runs tasks again").len(), 2, "{log}");
    assert_eq!(lines(&log, "keeps a thread").len(), 0, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_blocks_one_thread_of_several_is_named_once() {
    let broker = broker().await;
    let url = broker.url();
    let caller = Caller::builder("unruly").websocket(&url).timeout(PATIENCE);
    let caller = caller.connect().await.unwrap();
    let module = start(&url);
    let block = json!({"func_name": "block", "milliseconds": 2000});
    for _ in 0..2 {
        call_all(&caller, &block, 1).await;
    }
    let stopped = tokio::task::spawn_blocking(|| module.stop("-TERM"));
    let (_, log) = stopped.await.unwrap();
    let kept = lines(&log, "keeps a thread of the async runtime");
    let [kept] = &kept[..] else {
        panic!("{log}");
    };
    assert!(kept.contains("WARN") && kept.contains("block"), "{kept}");
    assert_eq!(
        lines(&log, "the async runtime is blocked").len(),
        0,
        "{log}"
    );
}
