//! The command line that a shell completes, and what this machine knows about it.

use std::ffi::OsString;

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use clap_complete::engine::CompletionCandidate;
use dasf::cli::Connection;

use super::candidate;
use crate::context;
use crate::contexts::ContextFile;
use crate::job_list::JobList;
use crate::options::Cli;

/// The command line before the word that is completed. It may be incomplete.
#[derive(Debug)]
pub(super) struct Line {
    matches: ArgMatches,
    command: clap::Command,
}

impl Line {
    /// Returns the command line that the script of a shell passes to this program. `None` if it cannot be read
    /// at all.
    pub(super) fn of_process() -> Option<Self> {
        let mut words: Vec<OsString> = std::env::args_os()
            .skip_while(|word| word != "--")
            .skip(1)
            .collect();
        words.pop();
        Self::read(&words)
    }

    fn read(words: &[OsString]) -> Option<Self> {
        let matches = matches(Cli::command(), words)?;
        let (matches, command) = match context::applied(&matches, words).ok()? {
            None => (matches, Cli::command()),
            Some(applied) => {
                let matches = self::matches(applied.command.clone(), &applied.words)?;
                (matches, applied.command)
            }
        };
        Some(Self { matches, command })
    }

    /// Returns the connection that the command line names, or its context.
    pub(super) fn connection(&self) -> Option<Connection> {
        // A line with a mistake has no defaults, and nothing from the environment.
        let given = context::given(&self.matches);
        let words = ["dasf".into()]
            .into_iter()
            .chain(context::words(&given))
            .chain(["list".into()]);
        let matches = self.command.clone().try_get_matches_from(words).ok()?;
        Connection::from_arg_matches(&matches).ok()
    }

    /// Returns the function that is called.
    pub(super) fn function(&self) -> Option<&str> {
        let (_, command) = self.matches.subcommand()?;
        let function = command.try_get_one::<String>("function").ok()??;
        Some(function)
    }

    /// Returns the names of the arguments that the command line has already. `id` is that of the arguments.
    pub(super) fn given(&self, id: &str) -> Vec<&str> {
        let command = self.matches.subcommand().map(|(_, command)| command);
        let given = command.and_then(|it| it.try_get_many::<String>(id).ok().flatten());
        let words = given.into_iter().flatten();
        words
            .filter_map(|word| Some(word.split_once('=')?.0))
            .collect()
    }
}

fn matches(command: clap::Command, words: &[OsString]) -> Option<ArgMatches> {
    let command = command.ignore_errors(true);
    command.try_get_matches_from(words).ok()
}

/// Returns the names of the contexts.
pub(super) fn contexts(begin: &str) -> Vec<CompletionCandidate> {
    let contexts = ContextFile::of_user().and_then(|file| file.read());
    let names = contexts.unwrap_or_default().contexts.into_keys();
    names
        .filter_map(|name| candidate(begin, &name, ""))
        .collect()
}

/// Returns the ids of the user's jobs, the newest first.
pub(super) fn jobs(begin: &str) -> Vec<CompletionCandidate> {
    let jobs = JobList::of_user().and_then(|list| list.entries());
    let newest = jobs.unwrap_or_default().into_iter().rev();
    let listed = newest.filter_map(|job| candidate(begin, &job.id.to_string(), &job.function));
    listed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Line {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Line::read(&words).unwrap()
    }

    #[test]
    fn an_incomplete_line_is_read_as_far_as_it_goes() {
        let url = "--websocket-url ws://h/ws";
        for line in [
            format!("dasf {url} call -t sums add a=1 --new x=2"),
            format!("dasf call add a=1 {url} --new x=2 -t sums --timeout"),
            format!("dasf call -t sums add a=1 --new x=2 {url} -H"),
        ] {
            let line = read(&line);
            assert_eq!(line.function(), Some("add"), "{line:?}");
            assert_eq!(line.given("arguments"), ["a"], "{line:?}");
            assert_eq!(line.given("new"), ["x"], "{line:?}");
            let connection = line.connection().unwrap();
            assert_eq!(connection.given_topic(), Some("sums"), "{line:?}");
            assert_eq!(connection.address().unwrap().to_string(), "ws://h/ws");
        }
        let line = read(&format!("dasf list {url} -t"));
        assert_eq!(line.function(), None);
        let address = line.connection().unwrap().address().unwrap();
        assert_eq!(address.to_string(), "ws://h/ws");
    }
}
