//! Measures calls per second through the embedded broker.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::output::websocket_url;
use crate::steps::{cargo, root};

const TOPIC: &str = "arithmetic";
/// The time until the broker must have printed its URL.
const START_LIMIT: Duration = Duration::from_secs(10);
/// The time that a process has to end before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Builds the programs, starts broker and module, runs the measurement, and stops both.
pub(crate) fn run(seconds: u32, out: &mut impl Write) -> io::Result<()> {
    build(&["-p", "dasf-broker", "--bin", "dasf-broker"])?;
    build(&[
        "-p",
        "dasf-examples",
        "--bin",
        "arithmetic",
        "--bin",
        "call-rate",
    ])?;
    write_machine(out)?;

    let (_broker, url) = start_broker()?;
    let mut module = Running::start(
        "arithmetic",
        Command::new(binary("arithmetic")?)
            .args(["--websocket-url", &url, "-t", TOPIC, "listen"])
            .stdout(Stdio::from(io::stderr())),
    )?;
    let status = Command::new(binary("call-rate")?)
        .args(["--websocket-url", &url, "--topic", TOPIC, "--seconds"])
        .arg(seconds.to_string())
        .stdin(Stdio::null())
        .status()?;
    if let Some(status) = module.child.try_wait()? {
        return Err(failed("arithmetic ended before the measurement", status));
    }
    if !status.success() {
        return Err(failed("call-rate did not succeed", status));
    }
    Ok(())
}

fn failed(what: &str, status: std::process::ExitStatus) -> io::Error {
    io::Error::other(format!("{what}: {status}"))
}

fn build(arguments: &[&str]) -> io::Result<()> {
    let status = Command::new(cargo())
        .args(["build", "--release", "--locked"])
        .args(arguments)
        .current_dir(root())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(
            &format!("cargo build {} did not succeed", arguments.join(" ")),
            status,
        ))
    }
}

/// Returns the path of a release binary, in the target directory of this program.
fn binary(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.parent()
        .and_then(Path::parent)
        .map(|target| {
            target
                .join("release")
                .join(name)
                .with_extension(std::env::consts::EXE_EXTENSION)
        })
        .ok_or_else(|| io::Error::other(format!("{} is not in a target directory", own.display())))
}

pub(crate) fn write_machine(out: &mut impl Write) -> io::Result<()> {
    let cores = thread::available_parallelism()?;
    let model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| cpu_model(&text))
        .unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH));
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output()?.stdout;
    writeln!(out, "cores: {cores}")?;
    writeln!(out, "CPU:   {model}")?;
    writeln!(out, "rustc: {}", String::from_utf8_lossy(&version).trim())?;
    out.flush()
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "model name")
        .map(|(_, model)| model.trim().to_owned())
}

/// Starts the broker on a free port, and reads its URL from its output.
fn start_broker() -> io::Result<(Running, String)> {
    let mut broker = Running::start(
        "dasf-broker",
        Command::new(binary("dasf-broker")?)
            .args(["--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped()),
    )?;
    let stdout = broker
        .child
        .stdout
        .take()
        .ok_or_else(|| io::Error::other("the broker has no output"))?;
    let (sender, urls) = mpsc::channel();
    thread::spawn(move || follow(stdout, &sender));
    match urls.recv_timeout(START_LIMIT) {
        Ok(url) => Ok((broker, url)),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(io::Error::other(format!(
            "the broker did not print its URL within {} s",
            START_LIMIT.as_secs()
        ))),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(io::Error::other(
            "the broker ended before it printed its URL",
        )),
    }
}

/// Copies the output of the broker to standard error, and sends its URL.
fn follow(stdout: ChildStdout, urls: &mpsc::Sender<String>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(Ok(line)) = lines.next() {
        // The broker must go on without a reader of standard error or of the URL.
        let _ = writeln!(io::stderr(), "{line}");
        if let Some(url) = websocket_url(&line) {
            let _ = urls.send(url);
        }
    }
}

/// A process. A drop stops it.
struct Running {
    name: &'static str,
    child: Child,
}

impl Running {
    fn start(name: &'static str, command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {name}: {error}"))
        })?;
        Ok(Self { name, child })
    }

    /// Sends SIGTERM, kills the process if it does not end, and waits for it.
    fn stop(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let start = Instant::now();
        while asked.is_ok() && start.elapsed() < STOP_LIMIT {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.child.kill()?;
        self.child.wait()?;
        Err(match asked {
            Ok(_) => io::Error::other(format!(
                "did not end within {} s and was killed",
                STOP_LIMIT.as_secs()
            )),
            Err(error) => error,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            // If standard error is closed, the error cannot be reported.
            let _ = writeln!(io::stderr(), "xtask: {}: {error}", self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_model_is_read() {
        let text =
            "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Example 9000 @ 3 GHz\nflags\t: a b\n";
        assert_eq!(cpu_model(text).as_deref(), Some("Example 9000 @ 3 GHz"));
        assert_eq!(cpu_model("CPU part\t: 0xd0c\n"), None);
    }

    #[test]
    fn a_process_is_stopped_when_dropped() {
        let mut running = Running::start("sleep", Command::new("sleep").arg("60")).unwrap();
        let start = Instant::now();
        running.stop().unwrap();
        assert!(start.elapsed() < STOP_LIMIT);
        assert!(running.child.try_wait().unwrap().is_some());
        drop(running);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Running::start("nothing", &mut Command::new("no-such-program-here"))
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("cannot start nothing"),
            "{error}"
        );
    }
}
