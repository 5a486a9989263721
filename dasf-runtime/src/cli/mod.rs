//! The command line of every module, with parts for other programs: the options for the connection
//! and the log, the output, and the exit codes.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use clap::{CommandFactory, Parser};
//! use dasf_runtime::cli::{self, Connection, Error, Indent};
//!
//! /// Asks a module for the sum of all measurements.
//! #[derive(Parser)]
//! struct Cli {
//!     #[command(flatten)]
//!     connection: Connection,
//! }
//!
//! fn run() -> Result<(), Error> {
//!     let Some(cli) = cli::parse::<Cli>(Cli::command(), std::env::args_os())? else {
//!         return Ok(());
//!     };
//!     let sum = cli::run_until_interrupted(async {
//!         let caller = cli.connection.connect(cli.connection.caller()?).await?;
//!         let request = serde_json::json!({"func_name": "sum"});
//!         let sum = caller.call(&request).on_progress(cli::progress_handler(false)).await;
//!         cli::close(caller).await;
//!         sum.map_err(Error::failed)
//!     })?;
//!     Indent::default().print(&sum)
//! }
//!
//! fn main() -> ExitCode {
//!     match run() {
//!         Ok(()) => ExitCode::SUCCESS,
//!         Err(error) => error.report(),
//!     }
//! }
//! ```

mod argument;
mod command_template;
mod commands;
mod connection;
mod error;
#[cfg(feature = "generate")]
mod generate;
mod hand_over;
mod input;
mod logging;
mod names;
mod options;
mod output;
mod parse;
mod presence;
#[cfg(not(feature = "progress-bars"))]
#[path = "no_progress_bars.rs"]
mod progress_bars;
#[cfg(all(unix, feature = "progress-bars"))]
mod quiet_keys;
mod reload;
mod request;
#[cfg(feature = "shell")]
mod result_form;
mod run_command;
#[cfg(feature = "shell")]
mod shell;
#[cfg(feature = "shell")]
mod show;
mod time_limit;
mod unchecked_request;
mod user_folder;
mod values;
mod waiting_line;
mod work;
mod yaml;

use std::ffi::OsString;
use std::process::ExitCode;

pub use connection::Connection;
pub use dasf_program::LogGuard;
pub use error::Error;
#[cfg(feature = "generate")]
pub use generate::Generate;
pub use input::read_text;
pub use logging::Logging;
pub use names::{unknown, unknown_argument};
pub use output::{
    Indent, ProgressHandler, has_colours, print_error, print_result, progress_handler,
};
pub use parse::{matches, parse, with_help};
pub use presence::Presence;
#[cfg(feature = "shell")]
pub use result_form::ResultForm;
#[cfg(feature = "shell")]
pub use shell::{Shell, run_shell};
pub use time_limit::{CallTimeout, InvalidTimeLimit, TimeLimit};
pub use unchecked_request::UncheckedRequest;
pub use user_folder::{UserFolder, create_folder_of};
pub use work::{close, run_until_interrupted};

#[cfg(feature = "progress-bars")]
use crate::progress_bars;
pub use dasf_protocol::text::printable;

use crate::module::Module;
use crate::module::descriptor::ModuleDescriptor;
use options::Cli;

/// What to do if no module listens on a topic.
const REMEDY: &str = "start one with 'listen' or check the topic";

/// Runs the command line of the process for a module. The generated `main()` calls this function.
pub fn run(descriptor: &'static ModuleDescriptor) -> ExitCode {
    run_with(descriptor, std::env::args_os())
}

/// Runs a command line for a module. The first argument is the name of the program.
///
/// Prints results on standard output, and all other messages on standard error. The exit code is 0
/// for success, 1 for a failure, 2 for a mistake in the command line or the request, and 130 after
/// an interrupt.
pub fn run_with(
    descriptor: &'static ModuleDescriptor,
    arguments: impl IntoIterator<Item = OsString>,
) -> ExitCode {
    match try_run(descriptor, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn try_run(
    descriptor: &'static ModuleDescriptor,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<(), Error> {
    let Some(cli) = Cli::parse_for(descriptor, arguments)? else {
        return Ok(());
    };
    let log = cli.logging.start()?;
    let mut module = Module::new(descriptor).map_err(Error::failed)?;
    if let Some(members) = &cli.members {
        let members = members.iter().map(|name| name.trim());
        module = module.with_members(members).map_err(Error::usage)?;
    }
    if let Some(description) = &cli.description {
        module = module.with_description(description);
    }
    let next = commands::run(&cli, module, &log)?;
    // The new program has its own log.
    drop(log);
    match next {
        None => Ok(()),
        Some(program) => Err(program.start_again()),
    }
}
