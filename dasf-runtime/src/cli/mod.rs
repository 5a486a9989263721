//! The command line of every module.

mod commands;
mod logging;
mod options;
mod request;

use std::ffi::OsString;
use std::fmt::Display;
use std::process::ExitCode;

use crate::module::Module;
use crate::module::descriptor::ModuleDescriptor;
use options::Cli;

/// Why a command did not do what it should.
#[derive(Debug)]
enum CliError {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// It is right, and what it asks for failed: exit code 1.
    Failed(String),
}

impl CliError {
    fn failed<E: Display>(error: E) -> Self {
        Self::Failed(format!("{error}"))
    }

    fn usage<E: Display>(error: E) -> Self {
        Self::Usage(format!("{error}"))
    }
}

/// Runs the module as the process's command line says: what the generated `main()` does.
pub fn run(descriptor: &'static ModuleDescriptor) -> ExitCode {
    run_with(descriptor, std::env::args_os())
}

/// Runs the module as the given command line says; the first argument is the program's name.
///
/// Prints results on standard output, and everything else on standard error. The exit code is 0
/// when the command did what it should, 1 when it failed, and 2 when the command line is wrong.
pub fn run_with(
    descriptor: &'static ModuleDescriptor,
    arguments: impl IntoIterator<Item = OsString>,
) -> ExitCode {
    let (code, message) = match try_run(descriptor, arguments) {
        Ok(code) => return code,
        Err(CliError::Usage(message)) => (2, message),
        Err(CliError::Failed(message)) => (1, message),
    };
    print_error(&message);
    ExitCode::from(code)
}

fn try_run(
    descriptor: &'static ModuleDescriptor,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<ExitCode, CliError> {
    let cli = match Cli::parse_for(descriptor, arguments) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return Err(CliError::Usage(options::one_line(&error))),
        Err(help) => {
            // A reader that stops reading the help does no harm.
            let _ = help.print();
            return Ok(ExitCode::SUCCESS);
        }
    };
    logging::start(&cli.logging)?;
    let mut module = Module::new(descriptor).map_err(CliError::failed)?;
    if let Some(description) = &cli.description {
        module = module.with_description(description);
    }
    commands::run(&cli, module)
}

/// Writes a result. A reader that went away, as in `module schema | head`, is no failure.
fn print_result(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn print_error(message: &str) {
    use std::io::Write;
    // One line, whatever a module's own error has.
    let lines: Vec<&str> = message.lines().map(str::trim).collect();
    let _ = writeln!(std::io::stderr(), "error: {}", lines.join("; "));
}
