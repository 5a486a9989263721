//! `dasf broker`: runs the program `dasf-broker`.

use std::env;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Args;
use dasf::cli::Error;

/// The name of the program.
const PROGRAM: &str = "dasf-broker";
/// The name of the command.
const COMMAND: &str = "broker";

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Broker {
    /// The options of dasf-broker; --help lists them
    #[arg(
        value_name = "OPTION",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    options: Vec<OsString>,
}

/// Runs the broker if the first word after the name of the program is this command: the words after it are options of
/// the broker. `None` for another command.
pub(crate) fn run(words: &[OsString]) -> Option<Result<ExitCode, Error>> {
    let [_, command, options @ ..] = words else {
        return None;
    };
    (command == COMMAND).then(|| start(options))
}

/// Returns the program beside this one, or its name if there is none, for the search path.
fn program() -> PathBuf {
    let own = env::current_exe().ok();
    let beside = own.map(|own| {
        own.with_file_name(PROGRAM)
            .with_extension(env::consts::EXE_EXTENSION)
    });
    beside
        .filter(|program| program.is_file())
        .unwrap_or_else(|| PathBuf::from(PROGRAM))
}

fn start(options: &[OsString]) -> Result<ExitCode, Error> {
    let mut command = Command::new(program());
    command.args(options);
    let failed = |error: std::io::Error| {
        Error::Failed(match error.kind() {
            ErrorKind::NotFound => format!(
                "the program {PROGRAM} is missing; install it: cargo install --path {PROGRAM}, in a checkout of dasf"
            ),
            _ => format!("{PROGRAM} does not start: {error}"),
        })
    };
    replace_with(command).map_err(failed)
}

/// Lets the broker take the place of this process, so that signals and the service manager reach it.
#[cfg(unix)]
fn replace_with(mut command: Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;

    Err(command.exec())
}

#[cfg(not(unix))]
fn replace_with(mut command: Command) -> std::io::Result<ExitCode> {
    let status = command.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
