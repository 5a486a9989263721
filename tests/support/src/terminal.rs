//! A terminal in which a program runs.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;

/// A terminal of tmux, 90 characters wide. A drop ends it, with its programs.
#[derive(Debug)]
pub struct Terminal(TempDir);

impl Terminal {
    /// Runs a line of a shell, which finds the data of its user in a folder. After it, the screen shows `end`.
    pub fn start(home: &Path, line: &str) -> Self {
        let terminal = Self(tempfile::tempdir().unwrap());
        let home = home.display();
        // Only the program ends at Ctrl-C, not the shell.
        let line = format!(
            "trap : INT; export HOME={home} XDG_DATA_HOME={home}; {line}; echo end; sleep 600"
        );
        terminal.tmux(&["new-session", "-d", "-x", "90", "-y", "50", &line]);
        terminal
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(self.0.path().join("socket"))
            // Without the settings of the user, and with the characters of UTF-8.
            .args(["-f", "/dev/null", "-u"])
            .args(arguments)
            .env_remove("TMUX");
        command
    }

    /// Runs a command of tmux, and returns what it prints.
    pub fn tmux(&self, arguments: &[&str]) -> String {
        let output = self
            .command(arguments)
            .output()
            .unwrap_or_else(|error| panic!("tmux: {error}; run `cargo xtask shells` first"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Presses keys. The names of some are `Enter`, `Tab`, `Up` and `C-c`; any other text is typed.
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Returns the lines on the screen, without blanks at their ends.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be, and returns it.
    pub fn wait(&self, expected: &str, is_expected: impl Fn(&str) -> bool) -> String {
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
    pub fn until(&self, text: &str) -> String {
        self.wait(&format!("{text:?} is there"), |screen| {
            screen.contains(text)
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that fails must say why.
        let _ = self.command(&["kill-server"]).status();
    }
}
