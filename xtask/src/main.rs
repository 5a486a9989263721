//! The development commands of the project: `cargo xtask test`, measurements and set-up.
//!
//! It is compiled before everything else, so it uses only the standard library.

mod bench;
mod book;
mod browser;
mod build_times;
mod capacity;
mod crash;
mod debian;
mod faults;
mod features;
mod fuzz;
mod interleavings;
mod kept;
mod output;
mod packages;
mod pulsar;
mod python;
mod steps;
mod suite;
mod tools;
mod web;

use std::io::{self, Write};
use std::process::ExitCode;

const HELP: &str = "\
Development commands of the project.

Usage: cargo xtask <COMMAND>

Commands:
  test                 Check format, lints and documentation, and run all tests; the last line shows the totals
  bench [--rounds N] [--seconds N] [--only NAME]...
                       Measure calls beside those of other systems, in N rounds [default: 5] of N seconds
                       [default: 3], and write benches/RESULTS.md; with --only, measure and print only
                       the tables and systems of these names
  bench --quick        Compare the rate of calls with that of bare WebSockets; fail if it is too low
  build-times [--runs N]
                       Measure the compile time of a service of dasf and one of jsonrpsee, N changes each [default: 5]
  fuzz [--seconds N] [--only TARGET]
                       Search for inputs for which a fuzz target fails, N seconds each [default: 60]
  crash [--kills N]    Kill a broker that keeps messages, at random moments under load, N times [default: 1000]
  faults [--calls N] [--seed N]
                       Kill modules, callers and brokers, and break connections, while N calls [default: 10000] run
  soak [--minutes N]   Call for N minutes [default: 30] with a restart of the broker each minute; fail if memory grows
  capacity             Let 10 GB wait in a broker that keeps messages, and check its memory and its start
  interleavings        Run the calls in flight of a client under every order of the steps of several threads
  kept                 Run the tests with programs of other projects on brokers that keep messages and know users
  python               Install the Python environment of the tests in target/python
  browser              Install Chromium, and npm packages for the tests of web pages in target/web
  web                  Build the page of the gateway in dasf-gateway/web/dist
  web --test           Test the parts of the page, and check that the built page belongs to its sources
  pulsar               Install Apache Pulsar for the tests in target/pulsar
  mosquitto            Install Mosquitto, the MQTT broker of the tests
  shells               Install zsh, fish and tmux for the tests of the command line in a terminal
  book                 Build the guide as a book in target/book
  features             Compile a module and a client with some of the features of dasf
  package              Package every published crate, and compile the packages

Options:
  -h, --help           Print this help";

/// A command of the command line.
#[derive(Debug, PartialEq)]
enum Command {
    Help,
    Test,
    Bench(bench::Options),
    BuildTimes {
        runs: u32,
    },
    Fuzz {
        seconds: u32,
        only: Option<&'static str>,
    },
    Crash {
        kills: u32,
    },
    Faults {
        calls: u32,
        seed: Option<u32>,
    },
    Soak {
        minutes: u32,
    },
    Capacity,
    Interleavings,
    Kept,
    Python,
    Browser,
    Web,
    WebTest,
    Pulsar,
    Mosquitto,
    Shells,
    Book,
    Features,
    Package,
}

impl Command {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            ["-h" | "--help" | "help"] | [_, "-h" | "--help"] => Ok(Self::Help),
            ["test"] => Ok(Self::Test),
            ["capacity"] => Ok(Self::Capacity),
            ["interleavings"] => Ok(Self::Interleavings),
            ["kept"] => Ok(Self::Kept),
            ["python"] => Ok(Self::Python),
            ["browser"] => Ok(Self::Browser),
            ["web"] => Ok(Self::Web),
            ["web", "--test"] => Ok(Self::WebTest),
            ["pulsar"] => Ok(Self::Pulsar),
            ["mosquitto"] => Ok(Self::Mosquitto),
            ["shells"] => Ok(Self::Shells),
            ["book"] => Ok(Self::Book),
            ["features"] => Ok(Self::Features),
            ["package"] => Ok(Self::Package),
            ["bench", ref options @ ..] => Ok(Self::Bench(bench::Options::parse(options)?)),
            ["build-times"] => Ok(Self::BuildTimes { runs: 5 }),
            ["build-times", "--runs", runs] => Ok(Self::BuildTimes {
                runs: above_zero("--runs", runs)?,
            }),
            ["fuzz", ref options @ ..] => fuzz(options),
            ["crash"] => Ok(Self::Crash { kills: 1000 }),
            ["crash", "--kills", kills] => Ok(Self::Crash {
                kills: above_zero("--kills", kills)?,
            }),
            ["faults", ref options @ ..] => faults(options),
            ["soak"] => Ok(Self::Soak { minutes: 30 }),
            ["soak", "--minutes", minutes] => Ok(Self::Soak {
                minutes: above_zero("--minutes", minutes)?,
            }),
            [
                "test" | "build-times" | "crash" | "soak" | "capacity" | "interleavings" | "kept"
                | "python" | "browser" | "web" | "pulsar" | "mosquitto" | "shells" | "book"
                | "features" | "package" | "semver",
                ..,
            ] => Err(format!("wrong arguments: `{}`", arguments.join(" "))),
            [command, ..] => Err(format!("unknown command `{command}`")),
            [] => Err("a command is missing".to_owned()),
        }
    }

    fn run(self) -> io::Result<ExitCode> {
        let mut out = io::stdout();
        match self {
            Self::Help => {
                writeln!(out, "{HELP}")?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Test => Ok(if steps::run(suite::STEPS, &mut out)?.is_success() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }),
            Self::Bench(options) => {
                bench::run(&options, &mut out)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::BuildTimes { runs } => {
                build_times::run(runs, &mut out)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Fuzz { seconds, only } => {
                fuzz::run(seconds, only)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Crash { kills } => {
                crash::run(kills)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Faults { calls, seed } => {
                faults::run(calls, seed)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Soak { minutes } => {
                faults::soak(minutes)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Capacity => {
                capacity::run()?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Interleavings => {
                interleavings::test()?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Kept => {
                kept::test()?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Python => {
                python::provide(&steps::root())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Browser => {
                browser::provide(&steps::root())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Web => {
                web::build(&steps::root())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::WebTest => {
                web::test(&steps::root())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Pulsar => {
                pulsar::provide(&steps::root())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Mosquitto => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                debian::provide(&path, "mosquitto", "mosquitto")?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Shells => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                for program in ["zsh", "fish", "tmux"] {
                    debian::provide(&path, program, program)?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Book => {
                book::build(&steps::root())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Features => {
                features::check()?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Package => {
                packages::package()?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// Reads the options of the command `fuzz`.
fn fuzz(mut options: &[&str]) -> Result<Command, String> {
    let (mut seconds, mut only) = (60, None);
    while let [name, value, rest @ ..] = options {
        match *name {
            "--seconds" => seconds = above_zero(name, value)?,
            "--only" => {
                let target = fuzz::TARGETS.into_iter().find(|target| target == value);
                let targets = fuzz::TARGETS.join(", ");
                let problem = || format!("--only takes one of {targets}, not `{value}`");
                only = Some(target.ok_or_else(problem)?);
            }
            _ => break,
        }
        options = rest;
    }
    match options {
        [] => Ok(Command::Fuzz { seconds, only }),
        [option, ..] => Err(format!("wrong arguments: `fuzz {option}`")),
    }
}

/// Reads the options of the command `faults`.
fn faults(mut options: &[&str]) -> Result<Command, String> {
    let (mut calls, mut seed) = (10_000, None);
    while let [name, value, rest @ ..] = options {
        match *name {
            "--calls" => calls = above_zero(name, value)?,
            "--seed" => seed = Some(above_zero(name, value)?),
            _ => break,
        }
        options = rest;
    }
    match options {
        [] => Ok(Command::Faults { calls, seed }),
        [option, ..] => Err(format!("wrong arguments: `faults {option}`")),
    }
}

fn above_zero(option: &str, value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("{option} takes an integer above 0, not `{value}`"))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (message, code) = match Command::parse(&arguments) {
        Ok(command) => match command.run() {
            Ok(code) => return code,
            Err(error) => (error.to_string(), ExitCode::FAILURE),
        },
        Err(message) => (
            format!("{message}; see `cargo xtask --help`"),
            ExitCode::from(2),
        ),
    };
    // If standard error is closed, the error cannot be reported.
    let _ = writeln!(io::stderr(), "xtask: {message}");
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Command::parse(&arguments)
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(parse("test"), Ok(Command::Test));
        assert_eq!(parse("capacity"), Ok(Command::Capacity));
        assert_eq!(parse("interleavings"), Ok(Command::Interleavings));
        assert_eq!(parse("kept"), Ok(Command::Kept));
        assert_eq!(parse("python"), Ok(Command::Python));
        assert_eq!(parse("browser"), Ok(Command::Browser));
        assert_eq!(parse("web"), Ok(Command::Web));
        assert_eq!(parse("web --test"), Ok(Command::WebTest));
        assert_eq!(parse("pulsar"), Ok(Command::Pulsar));
        assert_eq!(parse("mosquitto"), Ok(Command::Mosquitto));
        assert_eq!(parse("shells"), Ok(Command::Shells));
        assert_eq!(parse("book"), Ok(Command::Book));
        assert_eq!(parse("features"), Ok(Command::Features));
        assert_eq!(parse("package"), Ok(Command::Package));
        assert!(matches!(parse("bench"), Ok(Command::Bench(_))));
        assert!(matches!(parse("bench --seconds 2"), Ok(Command::Bench(_))));
        let (seconds, only) = (9, Some("link"));
        assert_eq!(
            parse("fuzz --seconds 9 --only link"),
            Ok(Command::Fuzz { seconds, only })
        );
        let (calls, seed) = (9, Some(7));
        assert_eq!(
            parse("faults --seed 7 --calls 9"),
            Ok(Command::Faults { calls, seed })
        );
        assert_eq!(parse("soak --minutes 9"), Ok(Command::Soak { minutes: 9 }));
        for help in ["--help", "-h", "help", "test --help", "bench -h"] {
            assert_eq!(parse(help), Ok(Command::Help), "{help}");
        }
    }

    #[test]
    fn mistakes_are_one_line() {
        for line in [
            "",
            "tset",
            "test now",
            "python 3",
            "web --tests",
            "bench --seconds",
            "bench --seconds 0",
            "bench --seconds x",
            "build-times --runs 0",
            "build-times 3",
            "fuzz --seconds 0",
            "fuzz --only all",
            "faults --calls",
            "faults --seed x",
            "soak --minutes 0",
        ] {
            let message = parse(line).unwrap_err();
            assert_eq!(message.lines().count(), 1, "{line}");
        }
        assert!(parse("tset").unwrap_err().contains("`tset`"));
    }
}
