//! `dasf completions`, in the shells themselves.

use std::path::Path;
use std::process::Command;

use dasf_examples::{arithmetic, reference};
use dasf_test_support::terminal::Terminal;

use crate::support::Stage;

/// A function whose arguments have few values.
#[dasf::module(main = false, topic = "choices")]
mod choices {
    /// The language of a greeting.
    #[derive(Clone, Copy, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum Language {
        English,
        German,
    }

    /// Choose a greeting.
    #[dasf::function]
    pub(super) fn choose(language: Language, loudness: u8) -> u8 {
        let _ = language;
        loudness
    }
}

/// A shell with the completions, whose prompt is `$ `.
fn shell(stage: &Stage, shell: &str) -> Terminal {
    let folder = Path::new(env!("CARGO_BIN_EXE_dasf")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.display());
    let completions = stage.run(&["completions", shell]).succeeds();
    let file = match shell {
        // Zsh reads this file when it starts.
        "zsh" => stage.file(
            ".zshrc",
            &format!("autoload -Uz compinit\ncompinit -u\nPS1='$ '\n{completions}"),
        ),
        "bash" => stage.file("rc", &format!("PS1='$ '\n{completions}")),
        _ => stage.file(
            "rc",
            &format!("function fish_prompt; echo -n '$ '; end\nfunction fish_greeting; end\n{completions}"),
        ),
    };
    let home = Path::new(&file).parent().unwrap();
    let mut command = Command::new(shell);
    match shell {
        "bash" => command.args(["--noprofile", "--rcfile", &file, "-i"]),
        "zsh" => command.arg("-i"),
        _ => command.args([
            "--no-config",
            "--init-command",
            &format!("source {file}"),
            "-i",
        ]),
    };
    command
        .env("PATH", path)
        .env("HOME", home)
        .env("ZDOTDIR", home);
    command
        .env("XDG_DATA_HOME", home)
        .env("XDG_CONFIG_HOME", home);
    command.env("DE_BACKEND_WEBSOCKET_URL", "");
    let terminal = Terminal::start(&command, 110, 30);
    terminal.until("there is a prompt", |screen| screen.trim() == "$");
    terminal
}

/// Types the beginning of a line and the tabulator, waits until the line is completed, and empties the line.
fn complete(terminal: &Terminal, typed: &str, completed: &str) {
    terminal.write(typed);
    terminal.until_shown(typed);
    terminal.press(&["Tab"]);
    terminal.until_shown(completed);
    terminal.press(&["C-u"]);
    terminal.press(&["C-l"]);
    terminal.until("the line is empty", |screen| screen.trim() == "$");
}

/// Completes every kind of word.
fn complete_all(name: &str) {
    let stage = Stage::new(None);
    stage.serve(arithmetic::module().unwrap(), "arithmetic");
    stage.serve(reference::module().unwrap(), "reference");
    stage.serve(choices::module().unwrap(), "choices");
    let add = ["context", "add", "lab", "--websocket-url", &stage.url()];
    stage.run(&add).succeeds();
    let terminal = shell(&stage, name);
    let url = format!("--websocket-url {}", stage.url());

    // What the command line consists of.
    complete(&terminal, "dasf comple", "$ dasf completions");
    complete(&terminal, "dasf call --time", "$ dasf call --timeout");
    complete(
        &terminal,
        "dasf call --context l",
        "$ dasf call --context lab",
    );
    // What the broker and the module know.
    complete(&terminal, "dasf call --context lab -t ari", "-t arithmetic");
    complete(
        &terminal,
        &format!("dasf {url} call -t ari"),
        "-t arithmetic",
    );
    complete(
        &terminal,
        "dasf --context lab api -t arithmetic Gree",
        "Greeter",
    );
    complete(
        &terminal,
        &format!("dasf {url} call -t arithmetic sq"),
        "-t arithmetic sqrt",
    );
    let choose = "dasf --context lab call -t choices choose ";
    complete(&terminal, &format!("{choose}lang"), "choose language=");
    complete(
        &terminal,
        &format!("{choose}language=g"),
        "choose language=german",
    );
    // The argument that is given is not offered again.
    complete(
        &terminal,
        &format!("{choose}language=german l"),
        "language=german loudness=",
    );
    complete(
        &terminal,
        "dasf --context lab call -t arithmetic Greeter.greet --new gree",
        "--new greeting=",
    );
}

#[test]
fn bash_completes_topics_functions_and_arguments() {
    complete_all("bash");
}

#[test]
fn zsh_completes_topics_functions_and_arguments() {
    complete_all("zsh");
}

#[test]
fn fish_completes_topics_functions_and_arguments() {
    complete_all("fish");
}

#[test]
fn without_a_broker_a_line_is_completed_as_far_as_possible() {
    let stage = Stage::new(None);
    let words = [
        "--",
        "dasf",
        "--websocket-url",
        crate::DEAD_URL,
        "call",
        "-t",
        "a",
        "add",
        "",
    ];
    let mut command = stage.command(&words);
    command.env("DASF_COMPLETE", "bash");
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("--timeout\n"), "{words}");
    assert!(output.status.success());
}
