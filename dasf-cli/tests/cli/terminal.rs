//! A real terminal: a window of tmux, with a server of its own.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take to show something.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal in which a program runs. A drop ends both.
pub(crate) struct Terminal {
    socket: String,
}

impl Terminal {
    /// Starts a program in a terminal of this many columns and lines, with the environment of the command.
    pub(crate) fn start(command: &Command, columns: u16, lines: u16) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let socket = format!("dasf-test-{}-{number}", std::process::id());
        let terminal = Self { socket };
        let mut start = terminal.tmux();
        start.args(["-f", "/dev/null", "new-session", "-d"]);
        start.args(["-x", &columns.to_string(), "-y", &lines.to_string()]);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => start.env(name, value),
                None => start.env_remove(name),
            };
        }
        start
            .arg("--")
            .arg(command.get_program())
            .args(command.get_args());
        let output = start.output();
        let output = output.unwrap_or_else(|error| {
            panic!("tmux does not start ({error}); run cargo xtask shells")
        });
        assert!(output.status.success(), "{output:?}");
        terminal
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        // In a locale without UTF-8, tmux shows other characters.
        command
            .args(["-u", "-L", &self.socket])
            .stdin(Stdio::null());
        command.env_remove("TMUX");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.tmux().args(arguments).output().unwrap()
    }

    /// Types a text, or presses a key such as `Tab`.
    pub(crate) fn press(&self, keys: &[&str]) {
        let output = self.run(&[&["send-keys"], keys].concat());
        assert!(output.status.success(), "{output:?}");
    }

    /// Types a text as it is.
    pub(crate) fn write(&self, text: &str) {
        self.press(&["-l", text]);
    }

    /// Returns what the terminal shows.
    pub(crate) fn screen(&self) -> String {
        let output = self.run(&["capture-pane", "-p"]);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until the terminal shows what the check accepts, and returns it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, check: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if check(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "waiting for {what}:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the terminal shows a text.
    #[track_caller]
    pub(crate) fn until_shown(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}
