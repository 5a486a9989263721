//! The processes that are measured: their output, their processor time and their memory.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::iter::Sum;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// The time that a process has to end before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// The number of last lines of output that an error shows.
const LAST_LINES: usize = 10;
/// Raises the limit of open files as far as this user may, and becomes the program.
const WITH_MANY_FILES: &str = r#"ulimit -Sn "$(ulimit -Hn)"; exec "$@""#;
/// The unit of the times in `/proc`, which is the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Returns a command that may open as many files as this user may. A test of a thousand clients needs
/// more than the usual 1024.
pub(super) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", WITH_MANY_FILES, "sh"])
        .arg(program.as_ref());
    command
}

/// Returns the number of files that a process may open.
pub(super) fn file_limit() -> io::Result<u32> {
    let output = Command::new("sh").args(["-c", "ulimit -Hn"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // The other answer is `unlimited`.
    Ok(text.trim().parse().unwrap_or(u32::MAX))
}

/// A process. A drop stops it.
pub(super) struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
    last: Vec<String>,
}

impl Running {
    pub(super) fn start(name: &str, command: &mut Command) -> io::Result<Self> {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {name}: {error}"))
        })?;
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            follow(stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            follow(stderr, sender);
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            lines,
            last: Vec::new(),
        })
    }

    /// Waits for a line of output that `read` understands.
    pub(super) fn wait_for<T>(
        &mut self,
        limit: Duration,
        read: impl Fn(&str) -> Option<T>,
    ) -> io::Result<T> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let problem = match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let found = read(&line);
                    if self.last.len() == LAST_LINES {
                        self.last.remove(0);
                    }
                    self.last.push(line);
                    match found {
                        Some(found) => return Ok(found),
                        None => continue,
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    format!("did not go on within {} s", limit.as_secs())
                }
                Err(RecvTimeoutError::Disconnected) => "ended too early".to_owned(),
            };
            let last = self.last.join("\n");
            return Err(io::Error::other(format!("{} {problem}\n{last}", self.name)));
        }
    }

    /// Returns the processor time of the process and its children, in the program and in the kernel.
    pub(super) fn processor_time(&self) -> io::Result<Duration> {
        self.sum("stat", |stat| processor_time(stat, OWN_TIME))
    }

    /// Returns the highest memory of the process and its children, in bytes.
    pub(super) fn peak_memory(&self) -> io::Result<u64> {
        self.sum("status", |status| memory(status, "VmHWM"))
    }

    /// Returns the memory of the process and its children, in bytes.
    pub(super) fn memory(&self) -> io::Result<u64> {
        self.sum("status", |status| memory(status, "VmRSS"))
    }

    /// Reads a figure in a file of `/proc` for the process and its children, and adds them up.
    fn sum<T: Sum>(&self, file: &str, read: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        let figures = family(self.child.id()).into_iter().map(|process| {
            let text = fs::read_to_string(format!("/proc/{process}/{file}"))?;
            read(&text).ok_or_else(|| {
                io::Error::other(format!("{}: no figure in /proc/…/{file}", self.name))
            })
        });
        figures.sum()
    }

    /// Closes the standard input, sends SIGTERM, kills the process if it does not end, and waits for
    /// it.
    fn stop(&mut self) -> io::Result<()> {
        drop(self.child.stdin.take());
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        let start = Instant::now();
        while asked.is_ok() && start.elapsed() < STOP_LIMIT {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
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

/// Sends the lines of an output. The process must go on when nobody waits for a line.
fn follow(output: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}

/// Returns a process, its children, and theirs.
fn family(process: u32) -> Vec<u32> {
    let mut family = vec![process];
    let mut next = 0;
    while let Some(process) = family.get(next) {
        // A thread that has ended meanwhile has no children.
        let threads = fs::read_dir(format!("/proc/{process}/task"))
            .into_iter()
            .flatten();
        let children: Vec<u32> = threads
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
            .flat_map(|list| list.split(' ').flat_map(str::parse).collect::<Vec<_>>())
            .collect();
        family.extend(children);
        next += 1;
    }
    family
}

/// The processor time of all children of this process that have ended, and of their children.
pub(crate) fn processor_time_of_children() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    processor_time(&stat, TIME_OF_CHILDREN)
        .ok_or_else(|| io::Error::other("/proc/self/stat has no times"))
}

/// The fields of `/proc/PID/stat`, after the name, with the time of the process and of its children.
const OWN_TIME: usize = 11;
const TIME_OF_CHILDREN: usize = 13;

/// Reads the time in the program and in the kernel from `/proc/PID/stat`.
fn processor_time(stat: &str, field: usize) -> Option<Duration> {
    // The name of the program, in brackets, may contain anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(field);
    let mut next = || times.next()?.parse::<u32>().ok();
    Some(TICK * next()?.checked_add(next()?)?)
}

/// Reads a figure in kilobytes from `/proc/PID/status`.
fn memory(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kilobytes = line.strip_prefix(':')?.trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn figures_are_read_from_proc() {
        let stat = "17 (a) b) S 1 2 3 4 5 6 7 8 9 10 120 34 0 0 20 0";
        let own = processor_time(stat, OWN_TIME);
        assert_eq!(own, Some(Duration::from_millis(1540)));
        let of_children = processor_time(stat, TIME_OF_CHILDREN);
        assert_eq!(of_children, Some(Duration::ZERO));
        assert_eq!(processor_time("17 (a) S 1", OWN_TIME), None);
        let status = "VmPeak:\t  900 kB\nVmHWM:\t  512 kB\nVmRSS:\t   16 kB\n";
        assert_eq!(memory(status, "VmHWM"), Some(512 * 1024));
        assert_eq!(memory(status, "VmRSS"), Some(16 * 1024));
        assert_eq!(memory(status, "VmSwap"), None);
    }

    #[test]
    fn a_process_is_followed_and_stopped() {
        let script = "echo one >&2; sleep 60 & echo two; exec sleep 60";
        let mut running = Running::start("sh", command("sh").args(["-c", script])).unwrap();
        let found = running.wait_for(LIMIT, |line| (line == "two").then_some(2));
        assert_eq!(found.unwrap(), 2);
        let family = family(running.child.id());
        assert_eq!(family.len(), 2);
        assert!(running.memory().unwrap() <= running.peak_memory().unwrap());
        running.processor_time().unwrap();
        let start = Instant::now();
        running.stop().unwrap();
        assert!(start.elapsed() < STOP_LIMIT);
        assert!(running.child.try_wait().unwrap().is_some());
        let _ = Command::new("kill").arg(family[1].to_string()).status();
        // The drop finds it stopped.
        drop(running);
    }

    #[test]
    fn an_early_end_and_a_missing_program_are_named() {
        let mut running =
            Running::start("brief", command("sh").args(["-c", "echo broken"])).unwrap();
        let error = running.wait_for(LIMIT, |_| None::<()>).unwrap_err();
        assert_eq!(error.to_string(), "brief ended too early\nbroken");
        let missing = Running::start("nothing", &mut Command::new("no-such-program-here"));
        let error = missing.err().unwrap().to_string();
        assert!(error.contains("cannot start nothing"), "{error}");
    }
}
