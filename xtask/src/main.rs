//! The project's own commands: `cargo xtask test`, the measurements and what they need.
//!
//! It is compiled before anything else, so it uses the standard library only.

mod bench;
mod book;
mod browser;
mod build_times;
mod debian;
mod fuzz;
mod output;
mod pulsar;
mod python;
mod steps;
mod suite;
mod tools;

use std::io::{self, Write};
use std::process::ExitCode;

const HELP: &str = "\
The project's own commands.

Usage: cargo xtask <COMMAND>

Commands:
  test                 Format, lints, documentation, tests and the quickstart; the last line is the sum
  bench [--seconds N]  Measure the call rate through the project's own broker, N seconds per row [default: 5]
  build-times [--runs N]
                       Measure how long a service takes to compile, beside one of jsonrpsee's; N changes [default: 5]
  fuzz [--seconds N]   Look for descriptions of modules that no client can be generated from [default: 60]
  python               Provide the Python environment of the tests against Python, in target/python
  browser              Provide Chromium and what drives it for the tests of web pages, in target/web
  pulsar               Provide the Apache Pulsar of the tests against one, in target/pulsar
  mosquitto            Provide the MQTT broker of the tests
  book                 Make the guide as a book, in target/book

Options:
  -h, --help           Print this help";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
enum Command {
    Help,
    Test,
    Bench { seconds: u32 },
    BuildTimes { runs: u32 },
    Fuzz { seconds: u32 },
    Python,
    Browser,
    Pulsar,
    Mosquitto,
    Book,
}

impl Command {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            ["-h" | "--help" | "help"] | [_, "-h" | "--help"] => Ok(Self::Help),
            ["test"] => Ok(Self::Test),
            ["python"] => Ok(Self::Python),
            ["browser"] => Ok(Self::Browser),
            ["pulsar"] => Ok(Self::Pulsar),
            ["mosquitto"] => Ok(Self::Mosquitto),
            ["book"] => Ok(Self::Book),
            ["bench"] => Ok(Self::Bench { seconds: 5 }),
            ["bench", "--seconds", seconds] => Ok(Self::Bench {
                seconds: above_zero("--seconds", seconds)?,
            }),
            ["build-times"] => Ok(Self::BuildTimes { runs: 5 }),
            ["build-times", "--runs", runs] => Ok(Self::BuildTimes {
                runs: above_zero("--runs", runs)?,
            }),
            ["fuzz"] => Ok(Self::Fuzz { seconds: 60 }),
            ["fuzz", "--seconds", seconds] => Ok(Self::Fuzz {
                seconds: above_zero("--seconds", seconds)?,
            }),
            [
                "test" | "bench" | "build-times" | "fuzz" | "python" | "browser" | "pulsar"
                | "mosquitto" | "book",
                ..,
            ] => Err(format!("`{}` is no usage", arguments.join(" "))),
            [command, ..] => Err(format!("no command `{command}`")),
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
            Self::Bench { seconds } => {
                bench::run(seconds, &mut out)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::BuildTimes { runs } => {
                build_times::run(runs, &mut out)?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Fuzz { seconds } => {
                fuzz::run(seconds)?;
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
            Self::Pulsar => {
                pulsar::provide(&steps::root())?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Mosquitto => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                debian::provide(&path, "mosquitto", "mosquitto")?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Book => {
                book::build(&steps::root())?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn above_zero(option: &str, value: &str) -> Result<u32, String> {
    let number = value.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("{option} takes a whole number above 0, not `{value}`"))
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
    // Standard error is all that is left to report to.
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
        assert_eq!(parse("python"), Ok(Command::Python));
        assert_eq!(parse("browser"), Ok(Command::Browser));
        assert_eq!(parse("pulsar"), Ok(Command::Pulsar));
        assert_eq!(parse("mosquitto"), Ok(Command::Mosquitto));
        assert_eq!(parse("book"), Ok(Command::Book));
        assert_eq!(parse("bench"), Ok(Command::Bench { seconds: 5 }));
        assert_eq!(
            parse("bench --seconds 2"),
            Ok(Command::Bench { seconds: 2 })
        );
        assert_eq!(parse("fuzz --seconds 9"), Ok(Command::Fuzz { seconds: 9 }));
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
            "bench --seconds",
            "bench --seconds 0",
            "bench --seconds x",
            "build-times --runs 0",
            "build-times 3",
            "fuzz --seconds 0",
        ] {
            let message = parse(line).unwrap_err();
            assert_eq!(message.lines().count(), 1, "{line}");
        }
        assert!(parse("tset").unwrap_err().contains("`tset`"));
    }
}
