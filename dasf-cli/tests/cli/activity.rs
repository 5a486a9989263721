//! `dasf top`, `dasf watch`, `dasf bench` and `dasf broker`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use dasf_examples::arithmetic;
use dasf_test_support::program::signal;
use dasf_test_support::terminal::Terminal;

use crate::support::Stage;

#[test]
fn top_prints_one_picture_to_a_pipe() {
    let stage = Stage::new(None);
    assert!(
        stage
            .run(&["top"])
            .succeeds()
            .contains("topics: 0, listeners: 0")
    );
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    stage.serve(arithmetic::module().unwrap(), "other");
    let picture = stage.run(&["top", "arithmetic"]).succeeds();
    let lines: Vec<&str> = picture.lines().collect();
    assert!(lines[0].ends_with("topics: 1, listeners: 1, waiting: 0, running: 0, put aside: 0"));
    let words: Vec<&str> = lines[3].split_whitespace().collect();
    assert_eq!(words[..2], ["arithmetic", "arithmetic"], "{picture}");
    // The module has answered a ping.
    assert!(picture.contains(" ms "), "{picture}");
    assert!(!picture.contains('\u{1b}'), "{picture}");
}

#[test]
fn top_is_live_in_a_terminal() {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    let home = stage.path("");
    let program = env!("CARGO_BIN_EXE_dasf");
    let url = stage.url();
    let line = format!("echo before; {program} top --websocket-url {url} --interval 0.1");
    let terminal = Terminal::start_line(Path::new(&home), &line);
    terminal.until_shown("topics: 1, listeners: 1");
    // A module that comes is shown without a key.
    stage.serve(arithmetic::module().unwrap(), "river");
    let screen = terminal.until_shown("topics: 2, listeners: 2");
    assert!(
        screen.contains("river") && !screen.contains("before"),
        "{screen}"
    );
    assert!(
        screen.lines().all(|line| line.chars().count() <= 90),
        "{screen}"
    );
    // Afterwards the terminal shows what it showed before.
    terminal.press(&["C-c"]);
    let screen = terminal.until_shown("end");
    assert!(
        screen.contains("before") && !screen.contains("topics:"),
        "{screen}"
    );
}

#[test]
fn watch_tells_who_comes_and_how_many_messages_came() {
    let stage = Stage::new(None);
    let mut command = stage.command(&["watch", "arithmetic", "--interval", "0.05"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || {
        let line = lines.next().unwrap().unwrap();
        line.split_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(next(), "nobody listens");
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    while !next().starts_with("arithmetic ") {}
    stage
        .run(&["call", "-t", "arithmetic", "add", "a=1"])
        .succeeds();
    while !next().ends_with(" came, 0 waiting, 0 running") {}
    signal(child.id(), "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn bench_measures_calls_and_tells_of_errors() {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    let bench = [
        "bench",
        "-t",
        "arithmetic",
        "add",
        "a=1",
        "-n",
        "50",
        "-c",
        "5",
    ];
    let text = stage.run(&bench).succeeds();
    assert!(text.starts_with("calls    50 in "), "{text}");
    assert!(text.contains(" s, 5 at a time\nrate     "), "{text}");
    assert!(text.contains("\nlatency  minimum "), "{text}");
    let failing = ["bench", "-t", "arithmetic", "count", "n=2000"];
    let told = stage.run(&failing).fails(1);
    assert!(told.contains("would take too long"), "{told}");
    let told = stage
        .run(&["bench", "-t", "arithmetic", "add", "a=x"])
        .fails(2);
    assert!(told.starts_with("validating: add: a: "), "{told}");
}

#[test]
fn broker_runs_the_program_beside_dasf() {
    let stage = Stage::new(None);
    let help = stage.run(&["broker", "--help"]).succeeds();
    assert!(help.contains("--data-dir"), "{help}");
    let mut command = stage.command(&["broker", "--bind", "127.0.0.1:0"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(
        line.starts_with("dasf-broker listens on 127.0.0.1:"),
        "{line}"
    );
    // The broker has taken the place of the process, so it gets the signal.
    signal(child.id(), "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let told = stage.run(&["--debug", "broker"]).fails(2);
    assert!(told.contains("write broker directly after dasf"), "{told}");
}

#[test]
fn only_dasf_broker_tells_what_happens() {
    let stage = Stage::new(None);
    for command in [&["top"][..], &["watch", "a"]] {
        let arguments = [command, &["--websocket-url", crate::DEAD_URL]].concat();
        let told = stage.run(&arguments).fails(1);
        assert!(told.contains("cannot reach a broker"), "{told}");
    }
}
