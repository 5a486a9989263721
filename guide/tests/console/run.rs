//! Running the steps of a page as a reader would: in a shell, in a separate folder.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, PipeReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::output::matches;
use crate::page::{self, Step};
use crate::programs;

/// The time limit of a command. The first build of a package takes minutes.
const TIME_LIMIT: Duration = Duration::from_secs(900);
/// The ports that pages name. In each page, a free port replaces each of them.
const PORTS_OF_PAGES: [&str; 8] = [
    "8080", "8081", "8090", "8443", "9001", "9002", "1883", "1884",
];

/// A difference between a page and the programs.
pub(crate) struct Difference {
    /// The line of the command in the page, counted from 0.
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) shown: Vec<String>,
    pub(crate) actual: Vec<String>,
    /// The lines of the page with the output.
    pub(crate) output_lines: std::ops::Range<usize>,
}

/// Runs all steps of a page, and returns where its output differs.
///
/// # Panics
///
/// If a script of the page fails, or a command does not end in time.
pub(crate) fn run(page: &str) -> Vec<Difference> {
    let mut shell = Shell::new();
    let mut differences = Vec::new();
    for step in page::steps(page) {
        match step {
            Step::ChangeFolder(folder) => shell.change_folder(&folder),
            Step::WriteFile { path, content } => shell.write_file(&path, &content),
            Step::Script { line, text } => {
                let (status, output) = shell.run_script(&text);
                let output = output.join("\n");
                assert!(
                    status.success(),
                    "line {}: {status}:\n{text}\n{output}",
                    line + 1
                );
            }
            Step::Command(command) => {
                let actual = shell.run_command(&command);
                if !matches(&command.output, &actual, command.is_background) {
                    differences.push(Difference {
                        line: command.line,
                        command: command.text,
                        shown: command.output,
                        actual,
                        output_lines: command.output_lines,
                    });
                }
            }
        }
    }
    differences
}

/// The shell of a page: its folder, its environment and its running programs.
struct Shell {
    /// Holds the folder of the page and `state`.
    home: tempfile::TempDir,
    /// A free port for each of [`PORTS_OF_PAGES`].
    ports: [String; 8],
    running: Vec<Program>,
}

impl Shell {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("page")).unwrap();
        let ports = PORTS_OF_PAGES.map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port().to_string()
        });
        let shell = Self {
            home,
            ports,
            running: Vec::new(),
        };
        fs::write(shell.state(), shell.first_state()).unwrap();
        shell
    }

    /// The file that carries folder and environment from command to command.
    fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    fn first_state(&self) -> String {
        let page = self.home.path().join("page");
        format!(
            "cd '{}'\nexport PATH='{}':\"$PATH\"\nexport XDG_DATA_HOME='{}' XDG_CONFIG_HOME='{}'\nexport DE_BACKEND_PORT={} DASF_BROKER_PORT={} DASF_CHECKOUT='{}' DASF_NODE_MODULES='{}'\n",
            page.display(),
            programs::folder().display(),
            self.home.path().join("data").display(),
            self.home.path().join("config").display(),
            self.ports[0],
            self.ports[0],
            dasf_guide::root().display(),
            programs::node_modules().display(),
        )
    }

    /// Replaces the ports that the page names with the free ports.
    fn with_free_ports(&self, text: &str) -> String {
        let ports = PORTS_OF_PAGES.iter().zip(&self.ports);
        ports.fold(text.to_owned(), |text, (named, free)| {
            text.replace(named, free)
        })
    }

    /// Replaces the ports and the folder of this run with those that the page shows.
    fn as_shown(&self, line: &str) -> String {
        let ports = PORTS_OF_PAGES.iter().zip(&self.ports);
        let line = ports.fold(line.to_owned(), |line, (named, free)| {
            line.replace(free, named)
        });
        let page = self.home.path().join("page");
        line.replace(&format!("{}/", page.display()), "")
    }

    fn change_folder(&mut self, folder: &str) {
        let page = self.home.path().join("page");
        let (status, output) = self.run_script(&format!("cd '{}'", page.join(folder).display()));
        assert!(status.success(), "{output:?}");
    }

    fn write_file(&mut self, path: &str, content: &str) {
        let content = self.with_free_ports(content);
        let current = self.run_script("pwd").1;
        let path = Path::new(current.first().unwrap()).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Runs commands to their end.
    fn run_script(&mut self, text: &str) -> (ExitStatus, Vec<String>) {
        let mut program = self.start(&format!("set -e\n{text}"));
        let lines = program.lines_until_it_ends();
        let status = program.status();
        // Programs that the script left in the background run until the end of the page.
        self.running.push(program);
        (status, lines)
    }

    /// Runs a command as long as the page shows it, and returns its output.
    fn run_command(&mut self, command: &page::Command) -> Vec<String> {
        let mut program = self.start(&command.text);
        let interrupt = command
            .output
            .iter()
            .position(|line| line.starts_with("^C"));
        let mut actual = Vec::new();
        if let Some(index) = interrupt {
            let shown = &command.output[..index];
            actual = self.lines_like(&mut program, shown);
            program.signal("INT");
            let mut rest = program.lines_until_it_ends();
            // A terminal shows `^C` before the next line of the program.
            match rest.first_mut() {
                Some(first) => first.insert_str(0, "^C"),
                None => rest.push("^C".to_owned()),
            }
            actual.extend(rest.iter().map(|line| self.as_shown(line)));
        } else if command.is_background {
            actual = self.lines_like(&mut program, &command.output);
            self.running.push(program);
        } else {
            let lines = program.lines_until_it_ends();
            actual.extend(lines.iter().map(|line| self.as_shown(line)));
        }
        actual
    }

    /// The output of a program until it is like the shown lines, cannot become like them any more, or
    /// the program ends.
    fn lines_like(&self, program: &mut Program, shown: &[String]) -> Vec<String> {
        let mut actual: Vec<String> = Vec::new();
        let may_grow = shown.iter().any(|line| line.trim() == "…");
        while !matches(shown, &actual, true) && (may_grow || actual.len() < shown.len()) {
            let Some(line) = program.next_line() else {
                break;
            };
            actual.push(self.as_shown(&line));
        }
        actual
    }

    fn start(&self, text: &str) -> Program {
        let state = self.state();
        let state = state.display();
        // A background program must not overwrite the state of a later command. The variables that a page sets
        // have small letters, those of the shell itself capitals.
        let script = format!(
            ". '{state}'\ntrap 'code=$?; {{ echo \"cd \\\"$PWD\\\"\"; export -p; declare -p $(compgen -v | grep ^[a-z]); }} \
             > '{state}.$$' && mv '{state}.$$' '{state}'; exit $code' EXIT\n{}",
            self.with_free_ports(text)
        );
        Program::start(&script)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Stop the clients and modules before their broker.
        while self.running.pop().is_some() {}
    }
}

/// Kills a process group when its input ends: when the program is dropped, or the test ends in whatever
/// way.
const UNTIL_INPUT_ENDS: &str = "read -r _; kill -s KILL -- -$1 2>/dev/null";

/// A shell that runs commands of a page, in its own process group.
struct Program {
    child: Child,
    /// Runs [`UNTIL_INPUT_ENDS`].
    guard: Child,
    lines: Receiver<String>,
    deadline: Instant,
    pending: VecDeque<String>,
}

impl Program {
    fn start(script: &str) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new("bash");
        command.arg("-c").arg(script);
        // The developer's own settings must not change the output.
        for (name, _) in std::env::vars() {
            if name.starts_with("DE_BACKEND_") || name.starts_with("DASF_") {
                command.env_remove(name);
            }
        }
        command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .process_group(0);
        let child = command.spawn().unwrap();
        let guard = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS, "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        // The pipe ends only when `command` is dropped, because `command` has its writers.
        drop(command);
        Self {
            child,
            guard,
            lines: read_lines(reader),
            deadline: Instant::now() + TIME_LIMIT,
            pending: VecDeque::new(),
        }
    }

    /// The next line, or `None` at the end of the output.
    fn next_line(&mut self) -> Option<String> {
        if let Some(line) = self.pending.pop_front() {
            return Some(line);
        }
        let time = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(time) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("a command did not end within {TIME_LIMIT:?}")
            }
        }
    }

    fn lines_until_it_ends(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next_line()).collect()
    }

    fn status(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let status = Command::new("kill")
            .args([&format!("-{name}"), "--", &group])
            .status();
        assert!(status.unwrap().success(), "kill -{name} {group}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The guard kills the program and its child processes.
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        let _ = self.child.wait();
    }
}

/// The lines from a pipe, until all its writers are closed.
fn read_lines(reader: PipeReader) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            let text = String::from_utf8_lossy(&line)
                .trim_end_matches(['\n', '\r'])
                .to_owned();
            if sender.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
    lines
}
