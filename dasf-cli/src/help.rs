//! The help of the commands: each shows the options that apply to it.

use clap::{Command, CommandFactory};

use crate::options::Cli;

/// The heading of the options for the connection.
pub(crate) const CONNECTION: &str = "Connection";
/// The commands that connect to no broker.
const WITHOUT_CONNECTION: [&str; 4] = ["broker", "completions", "man", "new"];
/// The commands with a subcommand that saves options for the connection, and others that do not.
const CONTEXT: &str = "context";
const ADD: &str = "add";
/// The commands that find the topic otherwise, or need none.
const WITHOUT_TOPIC: [&str; 10] = [
    "cancel", "forget", "gateway", "jobs", "list", "result", "status", "top", "wait", "watch",
];

/// Returns the command line of `dasf`. Its help hides the options that have no meaning for a command.
pub(crate) fn command() -> Command {
    let mut command = Cli::command();
    let connection: Vec<_> = command
        .get_arguments()
        .filter(|option| option.get_help_heading() == Some(CONNECTION))
        .map(|option| option.clone().hide(true))
        .collect();
    // A command gets no global option that it has already.
    for name in WITHOUT_CONNECTION {
        command = command.mut_subcommand(name, |command| command.args(&connection));
    }
    for name in WITHOUT_TOPIC {
        let topic = connection
            .iter()
            .filter(|option| option.get_id() == "topic");
        command = command.mut_subcommand(name, |command| command.args(topic));
    }
    command.mut_subcommand(CONTEXT, |command| {
        command.mut_subcommands(|command| match command.get_name() {
            ADD => command,
            _ => command.args(&connection),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the help of a command with this name.
    fn help(names: &[&str], is_long: bool) -> String {
        let mut command = dasf::cli::with_help(command());
        command.build();
        let mut found = &mut command;
        for name in names {
            found = found.find_subcommand_mut(name).unwrap();
        }
        let found = &mut found.clone().term_width(100);
        let help = if is_long {
            found.render_long_help()
        } else {
            found.render_help()
        };
        help.to_string()
    }

    #[test]
    fn the_definition_is_valid() {
        dasf::cli::with_help(command()).debug_assert();
    }

    #[test]
    fn a_command_shows_what_applies_to_it() {
        for (names, shown, hidden) in [
            (
                &["call"][..],
                &["--topic", "--websocket-url", "--tenant", "--log-level"][..],
                &[][..],
            ),
            (&["list"], &["--websocket-url", "--tenant"], &["--topic"]),
            (
                &["new"],
                &["--dasf", "--log-level"],
                &["--topic", "--websocket-url", "Connection:"],
            ),
            (
                &["context", "add"],
                &["--topic", "--token-file", "--tenant"],
                &[],
            ),
            (
                &["context", "use"],
                &["--none"],
                &["--topic", "--token", "Connection:\n"],
            ),
        ] {
            let help = help(names, true);
            for option in shown {
                assert!(help.contains(option), "{option} in {help}");
            }
            for option in hidden {
                assert!(!help.contains(option), "{option} in {help}");
            }
        }
    }

    #[test]
    fn a_short_help_fits_a_screen() {
        let mut command = command();
        command.build();
        for command in command.get_subcommands() {
            let name = command.get_name();
            if name == "help" {
                continue;
            }
            let help = help(&[name], false);
            assert!(help.lines().count() <= 32, "{help}");
            assert!(
                !help.contains("Examples:") && !help.contains("--tenant"),
                "{help}"
            );
        }
        let help = help(&[], false);
        assert!(help.lines().count() <= 44, "{help}");
    }
}
