//! A terminal in which a program runs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;

/// A terminal of tmux, with a server of its own. A drop ends it, with its programs.
#[derive(Debug)]
pub struct Terminal(TempDir);

impl Terminal {
    /// Starts a program in a terminal of this many columns and lines, with the environment of the command.
    pub fn start(command: &Command, columns: u16, lines: u16) -> Self {
        let terminal = Self(tempfile::tempdir().unwrap());
        let mut start = terminal.command(&["new-session", "-d"]);
        start.args(["-x", &columns.to_string(), "-y", &lines.to_string()]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => start.env(name, value),
                None => start.env_remove(name),
            };
        }
        start.arg("--").arg(command.get_program());
        run(start.args(command.get_args()));
        terminal
    }

    /// Runs a line of a shell, which finds the data of its user in a folder. After it, the screen shows `end`.
    pub fn start_line(home: &Path, line: &str) -> Self {
        // Only the program ends at Ctrl-C, not the shell.
        let line = format!("trap : INT; {line}; echo end; sleep 600");
        let mut command = Command::new("sh");
        command.args(["-c", &line]);
        command.env("HOME", home).env("XDG_DATA_HOME", home);
        Self::start(&command, 90, 50)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(self.0.path().join("socket"))
            // Without the settings of the user, and with the characters of UTF-8.
            .args(["-f", "/dev/null", "-u"])
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("TMUX");
        command
    }

    /// Presses keys. The names of some are `Enter`, `Tab`, `Up` and `C-c`; any other text is typed.
    pub fn press(&self, keys: &[&str]) {
        run(&mut self.command(&[&["send-keys"], keys].concat()));
    }

    /// Types a text as it is.
    pub fn write(&self, text: &str) {
        self.press(&["-l", text]);
    }

    /// Returns the lines on the screen, without blanks at their ends.
    pub fn screen(&self) -> String {
        run(&mut self.command(&["capture-pane", "-p"]))
    }

    /// Returns the title of the window, which a program can set.
    pub fn title(&self) -> String {
        run(&mut self.command(&["display-message", "-p", "#{pane_title}"]))
    }

    /// Waits until the screen is as it should be, and returns it.
    #[track_caller]
    pub fn until(&self, expected: &str, is_expected: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if is_expected(&screen) {
                return screen;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "expected that {expected}, but the screen is\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the screen contains a text, and returns the screen.
    #[track_caller]
    pub fn until_shown(&self, text: &str) -> String {
        self.until(&format!("{text:?} is there"), |screen| {
            screen.contains(text)
        })
    }
}

/// Runs a command of tmux, and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("tmux: {error}; run `cargo xtask shells` first"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that fails must say why.
        let _ = self.command(&["kill-server"]).status();
    }
}
