//! The command `dasf`: the command line of a person who calls modules without their source. See
//! `dasf --help`.

mod api;
mod call;
mod generate;
mod list;
mod options;
mod ping;
mod values;

use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use dasf::cli::{self, Connection, Error};
use dasf::{CallError, Caller};
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
    cli.logging.start()?;
    let connection = &cli.connection;
    match &cli.command {
        Command::Ping(options) => ping::run(connection, options),
        Command::List(options) => list::run(connection, options),
        Command::Api(options) => api::run(connection, options),
        Command::Call(options) => call::run(connection, options),
        Command::Generate(options) => generate::run(connection, options),
    }
}

/// Connects a client of the module, and does something with it, until that is done or the user
/// interrupts it.
fn with_caller<T>(
    connection: &Connection,
    timeout: u64,
    work: impl AsyncFnOnce(&Caller) -> Result<T, Error>,
) -> Result<T, Error> {
    let builder = connection.caller()?.timeout(Duration::from_secs(timeout));
    cli::run_until_interrupted(async {
        let caller = connection.connect(builder).await?;
        let result = work(&caller).await;
        cli::close(caller).await;
        result
    })
}

/// The module's description of itself, as the JSON document that it sent.
async fn describe(caller: &Caller) -> Result<Box<RawValue>, Error> {
    let text = caller.api_info_text().await.map_err(Error::failed)?;
    serde_json::from_str(&text).map_err(|error| unreadable(caller, error))
}

/// The contents of such a document.
fn read<T: DeserializeOwned>(caller: &Caller, document: &RawValue) -> Result<T, Error> {
    serde_json::from_str(document.get()).map_err(|error| unreadable(caller, error))
}

/// What is said of a description that is none.
fn unreadable(caller: &Caller, reason: impl std::fmt::Display) -> Error {
    let path = format!("the description of the module on topic {}", caller.topic());
    Error::Failed(format!("{path} cannot be read: {reason}"))
}

/// Whether an error says that nobody answers, which another try may change.
fn is_silence(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Timeout { .. } | CallError::Disconnected { .. }
    )
}
