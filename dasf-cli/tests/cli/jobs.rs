//! Jobs: calls that outlive the commands that submit them.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use dasf::client::JobId;
use dasf_examples::arithmetic;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{Run, Stage};

/// The names of the gates that are open.
static OPEN: LazyLock<watch::Sender<HashSet<String>>> = LazyLock::new(watch::Sender::default);

/// Opens the gate with this name.
fn open(gate: &str) {
    OPEN.send_modify(|open| {
        open.insert(gate.to_owned());
    });
}

/// A module with a function that waits for a test.
#[dasf::module(main = false, topic = "gates")]
mod gates {
    use dasf::ProgressReport;

    /// Wait until the test opens the gate, and return its name.
    #[dasf::function]
    pub(super) async fn pass(gate: String, mut reporter: ProgressReport) -> String {
        reporter.set_steps(4);
        drop(reporter.step("walking"));
        let _step = reporter.step("waiting");
        let mut open = super::OPEN.subscribe();
        let waited = open.wait_for(|open| open.contains(&gate)).await;
        assert!(waited.is_ok(), "the gates live as long as the test");
        gate
    }
}

fn stage() -> Stage {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    stage.serve(gates::module().unwrap(), "gates");
    stage
}

/// Submits a job, and returns its id.
fn submit(stage: &Stage, arguments: &[&str]) -> String {
    let id = stage.run(&[&["submit"], arguments].concat()).succeeds();
    let id = id.strip_suffix('\n').unwrap().to_owned();
    id.parse::<JobId>().unwrap();
    id
}

/// Submits a job that waits at a gate.
fn submit_to(stage: &Stage, gate: &str) -> String {
    let argument = format!("gate={gate}");
    submit(stage, &["-t", "gates", "pass", &argument])
}

/// Asks for the status of a job until it is this one.
fn status_becomes(stage: &Stage, id: &str, expected: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = stage.run(&["status", id]).succeeds();
        if status.trim_end() == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{status}");
    }
}

#[test]
fn a_job_is_found_by_its_id() {
    let stage = stage();
    let id = submit(&stage, &["-t", "arithmetic", "add", "a=1", "b=5"]);
    // The id has the topic of the job, whatever the environment says.
    let mut wait = stage.command(&["wait", &id, "--no-progress"]);
    let wait = wait.env("DE_BACKEND_TOPIC", "another");
    assert_eq!(Run(wait.output().unwrap()).succeeds(), "6\n");
    assert_eq!(stage.run(&["status", &id]).succeeds(), "done\n");
    assert_eq!(stage.run(&["result", &id]).succeeds(), "6\n");
    assert_eq!(stage.run(&["forget", &id]).succeeds(), "");
    for command in ["status", "wait", "result", "cancel"] {
        assert_eq!(
            stage.run(&[command, &id]).fails(1),
            format!(
                "the broker keeps no job {id}: it was forgotten, its time is over, or it was submitted elsewhere"
            ),
            "{command}"
        );
    }
}

#[test]
fn a_result_is_printed_as_that_of_a_call() {
    let stage = stage();
    let arguments = [
        "-t",
        "arithmetic",
        "Greeter.greet",
        "name=Ada",
        "--new",
        "greeting=Yo",
    ];
    let id = submit(&stage, &arguments);
    let wait = |options: &[&str]| stage.run(&[&["wait", &id], options].concat()).succeeds();
    assert_eq!(wait(&[]), "\"Yo Ada\"\n");
    assert_eq!(wait(&["--raw"]), "Yo Ada\n");
    assert_eq!(stage.run(&["result", &id, "-r"]).succeeds(), "Yo Ada\n");
}

#[test]
fn a_job_that_runs_has_no_result_yet() {
    let stage = stage();
    let id = submit_to(&stage, "no result yet");
    status_becomes(&stage, &id, "running, 25 %");
    assert_eq!(
        stage.run(&["result", &id]).fails(1),
        format!(
            "the job {id} has no result yet: it is running, 25 %; wait for the result with 'dasf wait {id}'"
        )
    );
    let wait = ["wait", &id, "--timeout", "500ms", "--no-progress"];
    assert_eq!(
        stage.run(&wait).fails(1),
        format!(
            "the job {id} is not done after 500 ms: it is running, 25 %; wait longer with --timeout"
        )
    );
    open("no result yet");
    let result = stage.run(&["wait", &id, "--no-progress"]).succeeds();
    assert_eq!(result, "\"no result yet\"\n");
}

/// Starts a command whose output the test reads.
fn start(stage: &Stage, arguments: &[&str]) -> Child {
    let mut command = stage.command(arguments);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[cfg(unix)]
#[test]
fn an_interrupt_of_wait_does_not_end_the_job() {
    let stage = stage();
    let id = submit_to(&stage, "interrupt");
    let mut child = start(&stage, &["wait", &id]);
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains('%'), "{line}");
    dasf_test_support::program::signal(child.id(), "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(output.stdout, b"");
    status_becomes(&stage, &id, "running, 25 %");
    open("interrupt");
    let result = stage.run(&["wait", &id, "--no-progress"]).succeeds();
    assert_eq!(result, "\"interrupt\"\n");
}

#[test]
fn a_cancelled_job_has_no_result() {
    let stage = stage();
    let id = submit_to(&stage, "cancelled");
    status_becomes(&stage, &id, "running, 25 %");
    assert_eq!(stage.run(&["cancel", &id]).succeeds(), "");
    status_becomes(&stage, &id, "cancelled");
    for command in ["wait", "result"] {
        let line = stage.run(&[command, &id]);
        // The reports that came before are progress.
        let told = String::from_utf8(line.0.stderr).unwrap();
        assert_eq!(line.0.status.code(), Some(1), "{told}");
        let last = format!("error: the job {id} was cancelled");
        assert_eq!(told.lines().last(), Some(last.as_str()), "{told}");
    }
    // To cancel it again changes nothing.
    assert_eq!(stage.run(&["cancel", &id]).succeeds(), "");

    let id = submit(&stage, &["-t", "arithmetic", "add", "a=1"]);
    assert_eq!(stage.run(&["wait", &id]).succeeds(), "3\n");
    assert_eq!(
        stage.run(&["cancel", &id]).fails(1),
        format!("the job {id} cannot be cancelled any more: it is done")
    );
}

#[test]
fn a_failed_job_fails_like_a_call() {
    let stage = stage();
    let count = ["-t", "arithmetic", "count", "n=2000"];
    let call = [&["call", "--no-progress"], &count[..]].concat();
    let expected = stage.run(&call).fails(1);
    let id = submit(&stage, &count);
    let wait = stage.run(&["wait", &id, "--no-progress"]);
    assert_eq!(wait.fails(1), expected);
    assert_eq!(stage.run(&["result", &id]).fails(1), expected);
    let status = stage.run(&["status", &id]).succeeds();
    assert_eq!(status, format!("failed: {expected}\n"));
}

#[test]
fn a_key_names_one_job() {
    let stage = stage();
    let submit = |key: &str, a: &str| submit(&stage, &["-t", "arithmetic", "add", a, "--key", key]);
    let id = submit("run-1", "a=1");
    assert_eq!(submit("run-1", "a=2"), id);
    assert_ne!(submit("run-2", "a=2"), id);
    assert_eq!(stage.run(&["wait", &id]).succeeds(), "3\n");
}

#[test]
fn the_arguments_of_a_job_are_checked_as_those_of_a_call() {
    let stage = stage();
    for arguments in [
        &["arithmetic", "sqrt", "a=-1"][..],
        &["arithmetic", "add", "a=1", "bb=5"],
        &["arithmetic", "ad", "a=1"],
        &["arithmetic", "add", "1"],
        &["arithmetic", "add", "--json", "[]"],
    ] {
        let run = |command: &str| stage.run(&[&[command, "-t"], arguments].concat()).fails(2);
        assert_eq!(run("submit"), run("call"));
    }
    let nobody = stage.run(&["submit", "-t", "nobody", "add"]);
    assert_eq!(
        nobody.fails(1),
        "no module listens on topic nobody; start one with 'listen' or check the topic"
    );
    let line = stage.run(&["status", "arithmetic"]).fails(2);
    assert!(
        line.contains("the id of a job is TOPIC.RESPONSE_TOPIC.CONTEXT"),
        "{line}"
    );
    let dead = ["status", "a.b.1", "--websocket-url", crate::DEAD_URL];
    let line = stage.run(&dead).fails(1);
    assert!(
        line.ends_with("; check the address, or start the broker"),
        "{line}"
    );
}

/// Returns the file with the list of jobs.
fn list_file(stage: &Stage) -> PathBuf {
    PathBuf::from(stage.path("dasf/jobs.jsonl"))
}

#[test]
fn the_jobs_of_the_user_are_listed_with_their_states() {
    let stage = stage();
    let list = || stage.run(&["jobs"]).succeeds();
    assert_eq!(list(), "No job is in the list.\n");
    assert_eq!(stage.run(&["jobs", "--json"]).succeeds(), "[]\n");
    let done = submit(&stage, &["-t", "arithmetic", "add", "a=1"]);
    status_becomes(&stage, &done, "done");
    let running = submit_to(&stage, "listed");
    status_becomes(&stage, &running, "running, 25 %");
    let url = stage.url();
    let page = list();
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(lines.len(), 6, "{page}");
    // The newest is the first.
    assert_eq!(lines[..2], [&running, "  pass: running, 25 %"]);
    assert_eq!(lines[3..5], [&done, "  add: done"]);
    for line in [lines[2], lines[5]] {
        assert!(line.starts_with("  submitted 20"), "{line}");
        assert!(line.ends_with(&format!(" UTC at {url}")), "{line}");
    }

    // The same key is the same job.
    let with_key = ["-t", "arithmetic", "add", "a=2", "--key", "k"];
    let id = submit(&stage, &with_key);
    assert_eq!(submit(&stage, &with_key), id);
    for id in [&id, &running] {
        stage.run(&["forget", id]).succeeds();
    }
    let json = stage.run(&["jobs", "--json"]).succeeds();
    let mut jobs: Value = serde_json::from_str(&json).unwrap();
    let time = jobs[0]["time"].take();
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    assert_eq!(
        jobs,
        json!([{"id": done, "function": "add", "address": url, "time": null, "state": "done"}])
    );

    // Another broker does not know the job.
    let other = Stage::new(None);
    let page = stage.run(&["jobs", "--websocket-url", &other.url()]);
    let page = page.succeeds();
    assert!(page.contains("\n  add: unknown here\n"), "{page}");
    let dead = stage.run(&["jobs", "--websocket-url", crate::DEAD_URL]);
    let line = dead.fails(1);
    assert!(line.starts_with("cannot reach a broker at "), "{line}");
    open("listed");
}

#[test]
fn a_job_that_cannot_be_listed_is_submitted_with_a_warning() {
    let stage = stage();
    let file = stage.file("no-folder", "");
    let mut command = stage.command(&["submit", "-t", "arithmetic", "add", "a=1"]);
    let output = command.env("XDG_DATA_HOME", &file).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("'dasf jobs' will not list the job; keep its id"),
        "{told}"
    );
    assert!(told.contains(&file), "{told}");
    let id = String::from_utf8(output.stdout).unwrap();
    let id = id.trim_end();
    assert_eq!(stage.run(&["wait", id]).succeeds(), "3\n");
    let mut command = stage.command(&["forget", id]);
    let output = command.env("XDG_DATA_HOME", &file).output().unwrap();
    let line = Run(output).fails(1);
    assert!(line.contains("jobs.jsonl cannot be written: "), "{line}");
}

/// What a relay does with a connection that a program opens when it has written its job to the list.
#[derive(Clone, Copy)]
enum Late {
    /// It holds the connection, and says nothing.
    Held,
    /// It closes the connection.
    Closed,
}

/// Starts a relay to the broker. Returns its URL, and a channel that tells of each late connection.
fn relay(stage: &Stage, late: Late) -> (String, Receiver<()>) {
    let (tell, told) = mpsc::channel();
    let broker = stage.url();
    let broker = broker.trim_start_matches("ws://").trim_end_matches("/ws");
    let broker = broker.to_owned();
    let file = list_file(stage);
    let bound = TcpListener::bind(("127.0.0.1", 0));
    let listener = stage.runtime.block_on(bound).unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    stage.runtime.spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut program, _) = listener.accept().await.unwrap();
            if !file.exists() {
                let broker = broker.clone();
                tokio::spawn(async move {
                    let mut broker = TcpStream::connect(broker).await.unwrap();
                    // The end of either side ends both.
                    let _ = tokio::io::copy_bidirectional(&mut program, &mut broker).await;
                });
                continue;
            }
            match late {
                Late::Held => held.push(program),
                Late::Closed => drop(program),
            }
            // The test may have ended.
            let _ = tell.send(());
        }
    });
    (url, told)
}

#[test]
fn a_killed_submission_leaves_its_id() {
    let stage = stage();
    let (url, late) = relay(&stage, Late::Held);
    let submit = [
        "submit",
        "-t",
        "arithmetic",
        "add",
        "a=1",
        "--websocket-url",
        &url,
    ];
    let mut child = start(&stage, &submit);
    late.recv_timeout(Duration::from_secs(30)).unwrap();
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"");
    let json = stage.run(&["jobs", "--json"]).succeeds();
    let jobs: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(jobs.as_array().unwrap().len(), 1, "{json}");
    let job = &jobs[0];
    assert_eq!(
        (&job["function"], &job["address"], &job["state"]),
        (&json!("add"), &json!(url), &json!("unknown here"))
    );
    let id = job["id"].as_str().unwrap();
    stage.run(&["forget", id]).succeeds();
    assert_eq!(stage.run(&["jobs"]).succeeds(), "No job is in the list.\n");
}

#[test]
fn a_job_that_is_certainly_not_submitted_is_not_listed() {
    let stage = stage();
    let (url, late) = relay(&stage, Late::Closed);
    let submit = [
        "submit",
        "-t",
        "arithmetic",
        "add",
        "a=1",
        "--websocket-url",
        &url,
    ];
    stage.run(&submit).fails(1);
    late.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(stage.run(&["jobs"]).succeeds(), "No job is in the list.\n");
}
