//! Reading a command line, and reporting its mistakes.

use std::ffi::{OsStr, OsString};

use clap::builder::{PossibleValue, Resettable, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, FromArgMatches};
use dasf_protocol::text::one_line;

use super::Error;

/// Reads a command line. The first argument is the name of the program.
///
/// Returns `None` after it printed the help or the version that the user asked for. An environment
/// variable that is empty counts as not set.
///
/// # Errors
/// [`Error::Usage`], in one line.
pub fn parse<T: FromArgMatches>(
    command: clap::Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<T>, Error> {
    let Some(matches) = matches(command, arguments)? else {
        return Ok(None);
    };
    let read = T::from_arg_matches(&matches).map_err(Error::usage)?;
    Ok(Some(read))
}

/// The same as [`parse`], but returns the matches, which tell where each value comes from.
///
/// # Errors
/// [`Error::Usage`], in one line.
pub fn matches(
    command: clap::Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<ArgMatches>, Error> {
    let mut command = with_help(command).mut_args(|argument| {
        // In a file of settings, an empty value means "not set".
        let value = argument.get_env().and_then(std::env::var_os);
        match value {
            Some(value) if is_empty(&value) => argument.env(Resettable::Reset),
            _ => argument,
        }
    });
    match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => Ok(Some(matches)),
        Err(error) if error.use_stderr() => Err(Error::Usage(in_one_line(&error, &command))),
        Err(help) => {
            // A reader that stops reading the help does no harm.
            let _ = help.print();
            Ok(None)
        }
    }
}

/// The end of every help.
const ENVIRONMENT: &str = "all options after 'Connection:' can also be set in the environment, as DE_BACKEND_ and \
                           the name in capitals, for example DE_BACKEND_WEBSOCKET_URL.";

/// The end of a short help.
const SHORT_END: &str = "--help also shows examples, and the options that are left out here: of the connection and the log.";

/// The options for the connection in a short help. Most users need no others.
const SHORT_CONNECTION: [&str; 4] = ["topic", "websocket_url", "token", "context"];

/// The headings of the options that all commands have.
const COMMON_HEADINGS: [&str; 2] = ["Connection", "Logging"];

/// Returns a command with the help that [`parse`] prints. One sentence at its end replaces the environment variable
/// of each option. The short help, for `-h`, fits a screen: it has neither examples nor rare options.
pub fn with_help(command: clap::Command) -> clap::Command {
    // An option without a heading stands before the headings.
    let early = command
        .get_arguments()
        .filter(|argument| argument.get_env().is_some() && argument.get_help_heading().is_none());
    let early: Vec<String> = early
        .filter_map(clap::Arg::get_long)
        .map(|name| format!("--{name} and "))
        .collect();
    let note = match early.concat() {
        early if early.is_empty() => ENVIRONMENT.replacen('a', "A", 1),
        early => early + ENVIRONMENT,
    };
    add_note(command, &note).mut_args(|argument| {
        let is_common = argument
            .get_help_heading()
            .is_some_and(|heading| COMMON_HEADINGS.contains(&heading));
        let is_rare = is_common && !SHORT_CONNECTION.contains(&argument.get_id().as_str());
        argument.hide_env(true).hide_short_help(is_rare)
    })
}

/// Moves the examples of a command and of those below it to the long help, with a note at their end.
fn add_note(command: clap::Command, note: &str) -> clap::Command {
    // A command that needs no connection hides its options.
    let is_hidden = |option: &Arg| option.get_id() == "websocket_url" && option.is_hide_set();
    let note_here = match command.get_arguments().any(is_hidden) {
        true => "",
        false => note,
    };
    let before = command.get_after_help().map(|text| text.ansi().to_string());
    let parts = before.iter().map(String::as_str).chain([note_here]);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    let end = parts.join("\n\n");
    let command = command.after_help(SHORT_END).after_long_help(end);
    command.mut_subcommands(|command| add_note(command, note))
}

/// Returns whether an environment variable is empty, or has only line breaks.
fn is_empty(value: &OsStr) -> bool {
    value.is_empty() || value.to_str().is_some_and(|text| one_line(text) == Ok(""))
}

/// Removes a line break at the end of a value, and passes the value to another parser. Values from
/// files often end with a line break. Rejects several lines.
#[derive(Debug, Clone)]
pub(super) struct OneLine<P>(pub(super) P);

impl<P: TypedValueParser> TypedValueParser for OneLine<P> {
    type Value = P::Value;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<P::Value, clap::Error> {
        // The other parser reports a value that is not Unicode.
        let Some(text) = value.to_str() else {
            return self.0.parse_ref(command, argument, value);
        };
        match one_line(text) {
            Ok(line) => self.0.parse_ref(command, argument, OsStr::new(line)),
            // The message does not show the value: it may be a secret.
            Err(error) => Err(refusal(
                command,
                &format!("the value of {} is not valid: {error}", names(argument)),
            )),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

/// Reads the value of a switch, in the usual words of settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switch;

impl TypedValueParser for Switch {
    type Value = bool;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<bool, clap::Error> {
        let text = value.to_string_lossy();
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
            _ => Err(refusal(
                command,
                &format!(
                    "the value {text:?} of {} is not valid; use true, yes, on or 1, or false, no, off or 0",
                    names(argument)
                ),
            )),
        }
    }
}

fn refusal(command: &clap::Command, problem: &str) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, problem).with_cmd(command)
}

/// Returns the name of an option, with its environment variable.
fn names(argument: Option<&Arg>) -> String {
    let Some(argument) = argument else {
        return "an option".to_owned();
    };
    let option = match argument.get_long() {
        Some(long) => format!("--{long}"),
        None => argument.get_id().to_string(),
    };
    match argument.get_env() {
        Some(variable) => format!("{option} ({})", variable.to_string_lossy()),
        None => option,
    }
}

/// Returns the error of clap in one line.
fn in_one_line(error: &clap::Error, command: &clap::Command) -> String {
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
    // Without a command, the error of clap is the whole help.
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let example = command.get_subcommands().next();
            let example = example.map_or("help", clap::Command::get_name);
            format!(
                "the command is missing; use, for example, {example}; --help lists all commands"
            )
        }
        _ => format!("{sentence}; see --help"),
    }
}

#[cfg(test)]
mod tests {
    use clap::builder::StringValueParser;

    use super::*;

    fn read<T>(parser: &impl TypedValueParser<Value = T>, value: &str) -> Result<T, String> {
        let command = clap::Command::new("test");
        let option = Arg::new("flag")
            .long("flag")
            .num_args(1)
            .env("FLAG_OF_A_TEST");
        let read = parser.parse_ref(&command, Some(&option), OsStr::new(value));
        read.map_err(|error| in_one_line(&error, &command))
    }

    #[test]
    fn a_switch_is_read_in_every_spelling() {
        for text in ["true", "TRUE", "1", "yes", "Y", "on", "1\n", "t"] {
            assert_eq!(read(&Switch, text), Ok(true), "{text:?}");
        }
        for text in ["false", "False", "0", "no", "N", "off", "0\n", "f\r\n"] {
            assert_eq!(read(&Switch, text), Ok(false), "{text:?}");
        }
        for text in ["", "2", "maybe", "truee", "0 1"] {
            let error = read(&Switch, text).unwrap_err();
            let begin =
                format!("the value {text:?} of --flag (FLAG_OF_A_TEST) is not valid; use true");
            assert!(error.starts_with(&begin), "{error}");
        }
    }

    #[test]
    fn a_value_is_one_line() {
        let parser = OneLine(StringValueParser::new());
        assert_eq!(read(&parser, "secret\n").as_deref(), Ok("secret"));
        assert_eq!(read(&parser, "a b\r\n").as_deref(), Ok("a b"));
        let error = read(&parser, "sec\nret").unwrap_err();
        assert!(
            error.starts_with("the value of --flag (FLAG_OF_A_TEST) is not valid: it "),
            "{error}"
        );
        assert!(
            !error.contains("ret\"") && !error.contains("sec "),
            "{error}"
        );
        let number = OneLine(clap::value_parser!(u16));
        assert_eq!(read(&number, "8080\n"), Ok(8080));
        assert!(read(&number, "8080 1").is_err());
    }

    #[test]
    fn the_help_says_which_options_the_environment_sets() {
        let connection = Arg::new("url")
            .long("url")
            .env("URL")
            .help_heading("Connection");
        let description = Arg::new("description")
            .long("description")
            .env("DESCRIPTION");
        for (command, begin) in [
            (
                clap::Command::new("a").arg(&connection),
                "All options after 'Connection:' ",
            ),
            (
                clap::Command::new("b").arg(description).arg(&connection),
                "--description and all options after 'Connection:' ",
            ),
        ] {
            let help = with_help(command).render_long_help().to_string();
            assert!(help.contains(&format!("\n\n{begin}")), "{help}");
        }
    }

    #[test]
    fn a_variable_with_an_empty_line_is_empty() {
        assert!(is_empty(OsStr::new("")) && is_empty(OsStr::new("\r\n")));
        assert!(!is_empty(OsStr::new(" ")));
    }
}
