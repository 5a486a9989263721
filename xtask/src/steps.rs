//! Runs the steps of a table one after the other, and adds up their tests.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::output::Count;

/// Returns the root of the repository. Every step runs there.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the cargo that runs this program, or the one on the `PATH`.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs a command without input. Returns an error if the command fails.
pub(crate) fn succeed(command: &mut Command) -> io::Result<()> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{command:?}: {status}")))
    }
}

/// How a step counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Counts as one failure if it fails, and as nothing if it succeeds.
    Check,
    /// Counts as the tests in its output.
    Tests,
    /// Counts as one test. It passes if the program succeeds and prints something.
    Program,
}

/// A row of the table: a command, and how it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    name: &'static str,
    command: &'static [&'static str],
    env: Option<(&'static str, &'static str)>,
    needs: Option<&'static str>,
    kind: Kind,
}

impl Step {
    const fn new(name: &'static str, command: &'static [&'static str], kind: Kind) -> Self {
        Self {
            name,
            command,
            env: None,
            needs: None,
            kind,
        }
    }

    /// Returns a step that counts as one failure if it fails, and as nothing if it succeeds.
    pub(crate) const fn check(name: &'static str, command: &'static [&'static str]) -> Self {
        Self::new(name, command, Kind::Check)
    }

    /// Returns a step whose output contains the numbers of passed and failed tests.
    pub(crate) const fn tests(name: &'static str, command: &'static [&'static str]) -> Self {
        Self::new(name, command, Kind::Tests)
    }

    /// Returns a step that counts as one test. It must succeed and print at least one line.
    pub(crate) const fn program(name: &'static str, command: &'static [&'static str]) -> Self {
        Self::new(name, command, Kind::Program)
    }

    /// Sets an environment variable.
    pub(crate) const fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env = Some((name, value));
        self
    }

    /// Skips this step if another one did not succeed.
    pub(crate) const fn after(mut self, name: &'static str) -> Self {
        self.needs = Some(name);
        self
    }

    fn line(&self) -> String {
        let setting = self.env.map(|(name, value)| format!("{name}=\"{value}\" "));
        setting.unwrap_or_default() + &self.command.join(" ")
    }

    /// Runs the command, and copies its standard output to `out`. The command inherits standard error.
    fn run(&self, out: &mut impl Write) -> io::Result<Report> {
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| io::Error::other(format!("step {} has no command", self.name)))?;
        let mut command = match *program {
            "cargo" => Command::new(cargo()),
            other => Command::new(other),
        };
        command
            .args(arguments)
            .envs(self.env)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                writeln!(out, "cannot start {program}: {error}")?;
                return Ok(self.report(false, Count::default(), false));
            }
        };
        let mut count = Count::default();
        let mut spoke = false;
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            let mut line = Vec::new();
            while stdout.read_until(b'\n', &mut line)? > 0 {
                out.write_all(&line)?;
                out.flush()?;
                let text = String::from_utf8_lossy(&line);
                spoke |= !text.trim().is_empty();
                count += Count::from_line(&text).unwrap_or_default();
                line.clear();
            }
        }
        Ok(self.report(child.wait()?.success(), count, spoke))
    }

    fn report(&self, success: bool, tests: Count, spoke: bool) -> Report {
        let count = match self.kind {
            Kind::Check => Count {
                passed: 0,
                failed: u64::from(!success),
            },
            // A test program that crashes prints no result, and counts as a failure.
            Kind::Tests if !success => Count {
                failed: tests.failed.max(1),
                ..tests
            },
            Kind::Tests => tests,
            Kind::Program => Count {
                passed: u64::from(success && spoke),
                failed: u64::from(!(success && spoke)),
            },
        };
        let outcome = if count.failed == 0 {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        Report { outcome, count }
    }
}

#[cfg(test)]
impl Step {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn needs(&self) -> Option<&'static str> {
        self.needs
    }
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Ok,
    Failed,
    Skipped,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

struct Report {
    outcome: Outcome,
    count: Count,
}

/// The totals of all steps.
#[derive(Debug, PartialEq)]
pub(crate) struct Summary {
    count: Count,
}

impl Summary {
    /// Returns whether no test failed and at least one passed.
    pub(crate) fn is_success(&self) -> bool {
        self.count.failed == 0 && self.count.passed > 0
    }
}

/// Runs every step, even after a failure, and prints a table and the totals.
pub(crate) fn run(steps: &[Step], out: &mut impl Write) -> io::Result<Summary> {
    let mut done: Vec<(&str, Outcome, Duration)> = Vec::with_capacity(steps.len());
    let mut total = Count::default();
    for step in steps {
        let unmet = step.needs.filter(|needed| {
            !done
                .iter()
                .any(|(name, outcome, _)| name == needed && *outcome == Outcome::Ok)
        });
        if let Some(needed) = unmet {
            writeln!(out, "==> {}: skipped, because {needed} failed", step.name)?;
            done.push((step.name, Outcome::Skipped, Duration::ZERO));
            continue;
        }
        writeln!(out, "==> {}: {}", step.name, step.line())?;
        let start = Instant::now();
        let report = step.run(out)?;
        let time = start.elapsed();
        writeln!(
            out,
            "==> {}: {} in {:.1} s",
            step.name,
            report.outcome.as_str(),
            time.as_secs_f64()
        )?;
        total += report.count;
        done.push((step.name, report.outcome, time));
    }
    writeln!(out)?;
    for (name, outcome, time) in done {
        writeln!(
            out,
            "{name:<13} {:>7.1} s  {}",
            time.as_secs_f64(),
            outcome.as_str()
        )?;
    }
    writeln!(out, "{} passed, {} failed", total.passed, total.failed)?;
    Ok(Summary { count: total })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = "test result: ok. 3 passed; 0 failed; 0 ignored";

    fn run_to_text(steps: &[Step]) -> (String, bool) {
        let mut out = Vec::new();
        let summary = run(steps, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), summary.is_success())
    }

    fn last_line(text: &str) -> &str {
        text.lines().last().unwrap()
    }

    #[test]
    fn tests_and_programs_are_summed_and_checks_are_not() {
        let (text, success) = run_to_text(&[
            Step::check("check", &["true"]),
            Step::tests("test", &["echo", RESULT]),
            Step::program("program", &["echo", "hello"]),
        ]);
        assert_eq!(last_line(&text), "4 passed, 0 failed");
        assert!(success);
        assert!(text.contains("\nhello\n"), "{text}");
        assert!(text.contains("==> check: true\n"), "{text}");
    }

    #[test]
    fn later_steps_run_after_a_failure() {
        let (text, success) = run_to_text(&[
            Step::check("check", &["false"]),
            Step::tests("test", &["echo", RESULT]),
        ]);
        assert_eq!(last_line(&text), "3 passed, 1 failed");
        assert!(!success);
    }

    #[test]
    fn a_step_is_skipped_after_the_failure_of_a_needed_step() {
        let (text, success) = run_to_text(&[
            Step::check("build", &["false"]),
            Step::tests("test", &["echo", RESULT]).after("build"),
        ]);
        assert_eq!(last_line(&text), "0 passed, 1 failed");
        assert!(!success);
        assert!(text.contains("skipped, because build failed"), "{text}");
    }

    #[test]
    fn a_test_run_that_crashes_is_a_failure() {
        let (text, _) = run_to_text(&[Step::tests(
            "test",
            &[
                "sh",
                "-c",
                "echo 'test result: ok. 3 passed; 0 failed;'; exit 101",
            ],
        )]);
        assert_eq!(last_line(&text), "3 passed, 1 failed");
    }

    #[test]
    fn failed_tests_are_counted_once() {
        let (text, _) = run_to_text(&[Step::tests(
            "test",
            &[
                "sh",
                "-c",
                "echo 'test result: FAILED. 3 passed; 2 failed;'; exit 101",
            ],
        )]);
        assert_eq!(last_line(&text), "3 passed, 2 failed");
    }

    #[test]
    fn a_silent_program_has_failed() {
        let (text, _) = run_to_text(&[Step::program("program", &["true"])]);
        assert_eq!(last_line(&text), "0 passed, 1 failed");
    }

    #[test]
    fn a_missing_program_has_failed() {
        let (text, _) = run_to_text(&[Step::check("check", &["no-such-program-here"])]);
        assert_eq!(last_line(&text), "0 passed, 1 failed");
        assert!(text.contains("cannot start no-such-program-here"), "{text}");
    }

    #[test]
    fn no_tests_are_not_a_success() {
        let (text, success) = run_to_text(&[Step::check("check", &["true"])]);
        assert_eq!(last_line(&text), "0 passed, 0 failed");
        assert!(!success);
    }

    #[test]
    fn variables_reach_the_command() {
        let (text, _) = run_to_text(&[
            Step::program("program", &["sh", "-c", "echo got $COLOUR"]).env("COLOUR", "blue")
        ]);
        assert!(text.contains("got blue"), "{text}");
    }
}
