//! The command `shell` of a module: beside that of Python, and in a terminal.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use dasf_test_support::terminal::Terminal;
use dasf_test_support::{program, python};
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

    assert_eq!(of_python.len(), calls.len());

    let (requests, lines): (Vec<&str>, Vec<&str>) = calls.into_iter().unzip();
    for lines in [requests, lines] {
        let mut command = program::command(reference_program());
        command.arg("shell");
        let printed = output(command, &lines.join("\n"), home.path());
        let of_rust: Vec<Value> = printed
            .lines()
            .map(|json| serde_json::from_str(json).unwrap())
            .collect();
        assert_eq!(of_rust, of_python);
    }
}

#[test]
fn a_terminal_completes_interrupts_and_remembers() {
    let home = tempfile::tempdir().unwrap();
    let program = format!("{} shell", reference_program().display());
    let terminal = Terminal::start_line(home.path(), &program);
    terminal.until_shown("test-topic>");
    terminal.press(&["ad", "Tab"]);
    terminal.until_shown("test-topic> add");
    terminal.press(&["a=4", "Enter"]);
    terminal.until_shown("> add a=4\n6\n");
    terminal.press(&["hello name=Ada lang=", "Tab", "Tab"]);
    terminal.until_shown("en   de");
    terminal.press(&["de", "Enter"]);
    terminal.until_shown("\"Hallo Ada\"\n");
    terminal.press(&[" echo data=secret", "Enter"]);
    terminal.until_shown("\"secret\"\n");
    terminal.press(&["slow n=100000", "Enter"]);
    terminal.until_shown(" % ");
    terminal.press(&["C-c"]);
    let screen = terminal.until_shown("error: interrupted\n");
    assert!(!screen.contains(" % "), "the bar remains in\n{screen}");
    terminal.press(&["nope", "Enter"]);
    terminal.until_shown("error: the module has no function \"nope\"; did you mean \"none\"?\n");
    terminal.press(&["C-d"]);
    terminal.until_shown("\nend\n");

    let history = home.path().join("dasf/shell_history");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&history).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let history = std::fs::read_to_string(history).unwrap();
    assert!(
        history.contains("lang=de") && !history.contains("secret"),
        "{history}"
    );

    // The next shell has the history of this one.
    let terminal = Terminal::start_line(home.path(), &program);
    terminal.until_shown("test-topic>");
    terminal.press(&["Up", "Up", "Up", "Up", "Enter"]);
    terminal.until_shown("test-topic> add a=4\n6\n");
}
