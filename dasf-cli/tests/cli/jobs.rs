//! Jobs: calls that outlive the commands that submit them.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use dasf::client::JobId;
use dasf_examples::arithmetic;
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
