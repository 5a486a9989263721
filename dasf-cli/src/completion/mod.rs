//! `dasf completions`, and the completions that its scripts ask for.
//!
//! The script of a shell calls `dasf` for each completion, with the words of the command line. `clap_complete`
//! finds what belongs at the place of the last word. The module that the command line names tells its
//! functions and arguments.

mod line;
mod live;
mod shells;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{EnvCompleter, Fish, Shells};
use dasf::cli::{Error, print_error, print_result};

use crate::options::Cli;
use shells::{Bash, Zsh};

/// The environment variable by which the script of a shell asks for completions.
const VARIABLE: &str = "DASF_COMPLETE";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  echo 'eval \"$(dasf completions bash)\"' >> ~/.bashrc
  echo 'eval \"$(dasf completions zsh)\"' >> ~/.zshrc
  dasf completions fish > ~/.config/fish/completions/dasf.fish

The shell then completes commands, options, contexts and jobs. It also asks the broker for topics, and the module \
on the topic of the command line for functions, arguments and their values. In zsh, the line belongs after compinit.")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// The shells for which there is a script.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
        }
    }
}

/// Prints the script of a shell.
pub(crate) fn run(options: &Completions) -> Result<(), Error> {
    let mut script = Vec::new();
    let completer = options.shell.completer();
    let written = completer.write_registration(VARIABLE, "dasf", "dasf", "dasf", &mut script);
    written.map_err(Error::failed)?;
    print_result(String::from_utf8_lossy(&script).trim_end())
}

/// Prints completions if the script of a shell has started this program, and returns the exit code. `None` if a
/// user has started it.
pub(crate) fn complete() -> Option<ExitCode> {
    let completion = CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .completer("dasf")
        .shells(Shells(&[&Bash, &Zsh, &Fish]));
    match completion.try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        Err(error) => {
            print_error(error);
            Some(ExitCode::FAILURE)
        }
    }
}

/// The command line of `dasf`, with the completions of values.
fn command() -> clap::Command {
    let with = |id: &'static str, complete: fn(&str) -> Vec<CompletionCandidate>| {
        move |command: clap::Command| {
            command.mut_arg(id, |argument| argument.add(completer(complete)))
        }
    };
    let request = |command: clap::Command| {
        let command = with("function", live::functions)(command);
        let command = with("arguments", live::arguments)(command);
        with("new", live::constructor_arguments)(command)
    };
    let mut command = Cli::command()
        .mut_arg("topic", |argument| argument.add(completer(live::topics)))
        .mut_arg("context", |argument| {
            argument.add(completer(line::contexts))
        })
        .mut_subcommand("call", request)
        .mut_subcommand("submit", request)
        .mut_subcommand("bench", request)
        .mut_subcommand("top", with("topics", live::topics))
        .mut_subcommand("watch", with("watched", live::topics))
        .mut_subcommand("api", with("name", live::members))
        .mut_subcommand("list", with("topics", live::topics))
        .mut_subcommand("context", |command| {
            let command = command.mut_subcommand("use", with("name", line::contexts));
            command.mut_subcommand("remove", with("name", line::contexts))
        });
    for name in ["status", "wait", "result", "cancel", "forget"] {
        command = command.mut_subcommand(name, with("id", line::jobs));
    }
    command
}

/// Returns the completer of a function that gets the beginning of a word.
fn completer(complete: fn(&str) -> Vec<CompletionCandidate>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |begin: &OsStr| begin.to_str().map(complete).unwrap_or_default())
}

/// Returns a candidate with a help of one line, if it begins like the word. `None` also if a shell could give it
/// another meaning: it comes from a module, and becomes part of a command line.
fn candidate(begin: &str, text: &str, help: &str) -> Option<CompletionCandidate> {
    if !text.starts_with(begin) || !text.chars().all(is_harmless) {
        return None;
    }
    let help = crate::api::brief(help);
    let help = (!help.is_empty()).then(|| dasf::cli::printable(&help).into());
    Some(CompletionCandidate::new(text).help(help))
}

/// Whether no shell gives a character a meaning inside a word.
fn is_harmless(symbol: char) -> bool {
    symbol.is_alphanumeric() || matches!(symbol, '_' | '-' | '.' | '=' | '+' | '/' | '@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid_with_completions() {
        command().debug_assert();
    }

    #[test]
    fn what_a_shell_could_run_is_no_candidate() {
        for text in [
            "$(reboot)",
            "a b",
            "a;b",
            "`a`",
            "a\u{1b}[2J",
            "a'",
            "~a",
            "a*",
        ] {
            assert_eq!(candidate("", text, ""), None, "{text:?}");
        }
        let candidate = candidate("gr", "größe=", "The size\u{1b}[2J.\n\nMore.").unwrap();
        assert_eq!(candidate.get_value(), "größe=");
        let help = candidate.get_help().unwrap().to_string();
        assert!(
            help.starts_with("The size") && !help.contains('\u{1b}'),
            "{help:?}"
        );
    }
}
