//! The command `shell` of a module: beside that of Python, and in a terminal.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dasf_test_support::{PATIENCE, program, python};
use serde_json::Value;

use crate::support::reference_program;

/// Runs a command with an input, and returns what it prints.
fn output(mut command: Command, input: &str, home: &Path) -> String {
    let mut child = command
        .env("HOME", home)
        .env("XDG_DATA_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn calls_have_the_results_of_the_shell_of_python() {
    let calls = [
        (r#"{"func_name": "add", "a": 1}"#, "add a=1"),
        (
            r#"{"func_name": "hello", "name": "Ada ä", "lang": "de"}"#,
            "hello name='Ada ä' lang=de",
        ),
        (
            r#"{"func_name": "area", "points": [{"x": 1}, {"x": 2}]}"#,
            r#"area points=[{"x": 1}, {"x": 2}]"#,
        ),
        (r#"{"func_name": "none"}"#, "none"),
        (
            r#"{"class_name": "Greeter", "greeting": "Yo", "function": {"func_name": "twice", "name": "Ada"}}"#,
            "Greeter.twice name=Ada --new greeting=Yo",
        ),
    ];
    let home = tempfile::tempdir().unwrap();
    let lines: String = calls
        .iter()
        .map(|(request, _)| {
            format!("print('result', Model.model_validate_json({request:?})().model_dump_json())\n")
        })
        .collect();
    let command = python::command("reference_module.py", &["-t", "shell", "shell"]);
    let printed = output(command, &lines, home.path());
    let of_python = printed
        .lines()
        .filter_map(|line| line.split_once("result "));
    let of_python: Vec<Value> = of_python
        .map(|(_, json)| serde_json::from_str(json).unwrap())
        .collect();

    let lines: String = calls.iter().map(|(_, line)| format!("{line}\n")).collect();
    let mut command = program::command(reference_program());
    command.arg("shell");
    let printed = output(command, &lines, home.path());
    let of_rust: Vec<Value> = printed
        .lines()
        .map(|json| serde_json::from_str(json).unwrap())
        .collect();
    assert_eq!(of_python.len(), calls.len());
    assert_eq!(of_rust, of_python);
}

/// A terminal in which a program runs. A drop ends both.
struct Terminal(tempfile::TempDir);

impl Terminal {
    fn start(home: &Path, program: &str) -> Self {
        let terminal = Self(tempfile::tempdir().unwrap());
        let home = home.display();
        let line = format!("HOME={home} XDG_DATA_HOME={home} {program}; echo end; sleep 600");
        terminal.tmux(&["new-session", "-d", "-x", "90", "-y", "30", &line]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(self.0.path().join("socket"))
            .args(arguments)
            .env_remove("TMUX")
            .output()
            .unwrap_or_else(|error| panic!("tmux: {error}; run `cargo xtask shells` first"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Waits until the screen contains a text.
    fn until(&self, text: &str) {
        let begun = Instant::now();
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{text:?} is not in\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_terminal_completes_interrupts_and_remembers() {
    let home = tempfile::tempdir().unwrap();
    let program = format!("{} shell", reference_program().display());
    let terminal = Terminal::start(home.path(), &program);
    terminal.until("test-topic>");
    terminal.press(&["ad", "Tab"]);
    terminal.until("test-topic> add");
    terminal.press(&["a=4", "Enter"]);
    terminal.until("> add a=4\n6\n");
    terminal.press(&["hello name=Ada lang=", "Tab", "Tab"]);
    terminal.until("en   de");
    terminal.press(&["de", "Enter"]);
    terminal.until("\"Hallo Ada\"\n");
    terminal.press(&["slow n=100000", "Enter"]);
    terminal.until("working");
    terminal.press(&["C-c"]);
    terminal.until("error: interrupted\n");
    terminal.press(&["nope", "Enter"]);
    terminal.until("error: the module has no function \"nope\"; did you mean \"none\"?\n");
    terminal.press(&["C-d"]);
    terminal.until("\nend\n");

    // The next shell has the history of this one.
    let terminal = Terminal::start(home.path(), &program);
    terminal.until("test-topic>");
    terminal.press(&["Up", "Up", "Up", "Up", "Enter"]);
    terminal.until("test-topic> add a=4\n6\n");
}
