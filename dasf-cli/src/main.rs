//! The command `dasf`, for people who call modules and do not have their source. See `dasf --help`.

mod api;
mod bench;
mod broker;
mod call;
mod checked;
mod completion;
mod context;
mod contexts;
mod dead;
mod doctor;
mod gateway;
mod generate;
mod help;
mod job;
mod job_list;
mod jobs;
mod list;
mod man;
mod new;
mod options;
mod ping;
mod shell;
mod submit;
mod top;
mod user_files;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::FromArgMatches;
use dasf::cli::{self, Connection, Error, Presence, TimeLimit};
use dasf::protocol::Topic;
use dasf::{CallError, Caller};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use options::{Cli, Command};

fn main() -> ExitCode {
    if let Some(code) = completion::complete() {
        return code;
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(started) = broker::run(&words) {
        return started.unwrap_or_else(|error| error.report());
    }
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn run(words: &[OsString]) -> Result<(), Error> {
    let Some(mut matches) = cli::matches(help::command(), words.iter().cloned())? else {
        return Ok(());
    };
    let given = context::given(&matches);
    let mut origin = context::origin(&matches);
    let is_local = matches!(
        matches.subcommand_name(),
        Some("completions" | "context" | "man" | "new")
    );
    if !is_local && let Some(applied) = context::applied(&matches, words)? {
        origin = format!("from the context {}", applied.name);
        match cli::matches(applied.command, applied.words)? {
            Some(again) => matches = again,
            None => return Ok(()),
        }
    }
    let cli = Cli::from_arg_matches(&matches).map_err(Error::usage)?;
    let _log = cli.logging.start()?;
    let connection = &cli.connection;
    match &cli.command {
        Command::Ping(options) => ping::run(connection, options),
        Command::List(options) => list::run(connection, options),
        Command::Top(options) => top::run(connection, options),
        Command::Watch(options) => watch::run(connection, options),
        Command::Bench(options) => bench::run(connection, options),
        // Options for the connection, or a completed line, stand before the command.
        Command::Broker(_) => Err(Error::usage(
            "write broker directly after dasf; the options after it are those of dasf-broker",
        )),
        Command::Dead(command) => dead::run(connection, command),
        Command::Api(options) => api::run(connection, options),
        Command::Call(options) => call::run(connection, options),
        Command::Shell(options) => shell::run(connection, options),
        Command::Submit(options) => submit::run(connection, options),
        Command::Jobs(options) => jobs::run(connection, options),
        Command::Status(options) => job::status(connection, options),
        Command::Wait(options) => job::wait(connection, options),
        Command::Result(options) => job::result(connection, options),
        Command::Cancel(options) => job::cancel(connection, options),
        Command::Forget(options) => job::forget(connection, options),
        Command::Gateway(options) => gateway::run(connection, options),
        Command::Doctor(_) => doctor::run(connection, &origin),
        Command::New(options) => new::run(options),
        Command::Man(options) => man::run(options),
        Command::Completions(options) => completion::run(options),
        Command::Context(command) => context::run(given, command),
        Command::Generate(options) => generate::run(connection, options),
    }
}

/// Connects a client of the module, and runs work with it until the work ends or the user
/// interrupts it.
fn with_caller<T>(
    connection: &Connection,
    timeout: TimeLimit,
    work: impl AsyncFnOnce(&Caller, &Presence<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    with_caller_of(connection, &connection.topic()?, timeout.duration(), work)
}

/// The same as [`with_caller`], but for the module on this topic.
fn with_caller_of<T>(
    connection: &Connection,
    topic: &Topic,
    timeout: Duration,
    work: impl AsyncFnOnce(&Caller, &Presence<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let builder = Caller::builder(topic.as_str()).address(connection.address()?);
    let builder = builder.timeout(timeout);
    cli::run_until_interrupted(async {
        let caller = connection.connect(builder).await?;
        let presence = Presence::new(&caller, timeout);
        let result = work(&caller, &presence).await;
        cli::close(caller).await;
        result
    })
}

/// Returns the time of a limit; `None` if there is none.
fn limited(limit: TimeLimit) -> Option<Duration> {
    Some(limit.duration()).filter(|time| *time != Duration::MAX)
}

/// Returns the error of a command for the error of a job, with advice if the broker is the reason.
fn explain(connection: &Connection, error: CallError) -> Error {
    match error {
        CallError::Connect(error) => connection.with_advice(&error),
        error => Error::failed(error),
    }
}

/// Returns the API description of the module: the JSON document that it sent.
async fn describe(caller: &Caller, presence: &Presence<'_>) -> Result<Box<RawValue>, Error> {
    let text = presence.ask(Box::pin(caller.api_info_text())).await?;
    serde_json::from_str(&text).map_err(|error| unreadable(caller, error))
}

/// Reads an API description.
fn read<T: DeserializeOwned>(caller: &Caller, document: &RawValue) -> Result<T, Error> {
    serde_json::from_str(document.get()).map_err(|error| unreadable(caller, error))
}

/// Returns the error for an API description that is not valid.
fn unreadable(caller: &Caller, reason: impl std::fmt::Display) -> Error {
    let topic = caller.topic();
    Error::Failed(format!(
        "the API description of the module on topic {topic} cannot be read: {reason}"
    ))
}
