//! Reading a command line, and saying what is wrong with it.

use std::ffi::OsString;

use clap::FromArgMatches;
use clap::builder::Resettable;
use clap::error::ErrorKind;

use super::Error;

/// Reads a command line; the first argument is the program's name.
///
/// `None` means that the user asked for the help or the version, and has got it. A variable of the
/// environment that is set and empty counts as not set.
///
/// # Errors
/// [`Error::Usage`], in one line.
pub fn parse<T: FromArgMatches>(
    command: clap::Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<T>, Error> {
    let mut command = command.mut_args(|argument| {
        // Set and empty is how a file of settings says "not set".
        let value = argument.get_env().and_then(std::env::var_os);
        match value {
            Some(value) if value.is_empty() => argument.env(Resettable::Reset),
            _ => argument,
        }
    });
    let matches = command.try_get_matches_from_mut(arguments);
    match matches.and_then(|matches| T::from_arg_matches(&matches)) {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.use_stderr() => Err(Error::Usage(one_line(&error, &command))),
        Err(help) => {
            // A reader that stops reading the help does no harm.
            let _ = help.print();
            Ok(None)
        }
    }
}

/// What clap says of a wrong command line, on one line.
fn one_line(error: &clap::Error, command: &clap::Command) -> String {
    let text = error.to_string();
    let body = text.split("\nUsage:").next().unwrap_or_default();
    let body = body
        .split("\nFor more information")
        .next()
        .unwrap_or_default();
    let mut words: Vec<&str> = body.split_whitespace().collect();
    if words.first() == Some(&"error:") {
        words.remove(0);
    }
    let sentence = words.join(" ").replace(" tip: ", "; ");
    let sentence = sentence.trim_end_matches('.');
    // Without a command, clap answers with the whole help.
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let example = command.get_subcommands().next();
            let example = example.map_or("help", clap::Command::get_name);
            format!("a command is needed, such as {example}; --help lists them")
        }
        _ => format!("{sentence}; --help lists what there is"),
    }
}
