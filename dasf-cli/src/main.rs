//! The command `dasf`, for people who call modules and do not have their source. See `dasf --help`.

mod api;
mod call;
mod dead;
mod generate;
mod list;
mod options;
mod ping;
mod values;

use std::process::ExitCode;

use clap::CommandFactory;
use dasf::Caller;
use dasf::cli::{self, Connection, Error, Presence, TimeLimit};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use options::{Cli, Command};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn run() -> Result<(), Error> {
    let Some(cli) = cli::parse::<Cli>(Cli::command(), std::env::args_os())? else {
        return Ok(());
    };
    let _log = cli.logging.start()?;
    let connection = &cli.connection;
    match &cli.command {
        Command::Ping(options) => ping::run(connection, options),
        Command::List(options) => list::run(connection, options),
        Command::Dead(command) => dead::run(connection, command),
        Command::Api(options) => api::run(connection, options),
        Command::Call(options) => call::run(connection, options),
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
    let timeout = timeout.duration();
    let builder = connection.caller()?.timeout(timeout);
    cli::run_until_interrupted(async {
        let caller = connection.connect(builder).await?;
        let presence = Presence::new(&caller, timeout);
        let result = work(&caller, &presence).await;
        cli::close(caller).await;
        result
    })
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
