//! `dasf context`: named addresses and tokens.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Subcommand};
use dasf::cli::{Error, Indent, print_result, printable, read_text};
use serde::Serialize;

use crate::contexts::{self, Context, ContextFile, Contexts};
use crate::help::CONNECTION;
use crate::options::{CONTEXT, Cli};

/// The options that name a broker. One of them takes the place of the current context.
const OF_BROKER: [&str; 7] = [
    "websocket_url",
    "producer_url",
    "consumer_url",
    "mqtt_url",
    "host",
    "port",
    "tls",
];

/// What to do with contexts.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// Save the options for the connection under a name
    Add(Add),
    /// Let the following commands use a context
    Use(Use),
    /// List the contexts
    List(List),
    /// Remove a context
    Remove(Remove),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf context add lab --websocket-url wss://broker.example.org/ws --token-file token.txt
  dasf context add cluster --host pulsar.example.org --tls -t monte-carlo
  pass show broker | dasf context add lab --websocket-url wss://broker.example.org/ws --token-file -

The context has all options after 'Connection:' that are set, on the command line or in the environment. It is \
saved in dasf/contexts.json in $XDG_CONFIG_HOME, or in the usual folder of the system. Only you can read the file.")]
pub(crate) struct Add {
    /// The name of the context
    #[arg(value_parser = contexts::name)]
    name: String,

    /// Read the token from a file, or from standard input for -, so that no list of processes shows it
    #[arg(long, value_name = "FILE")]
    token_file: Option<String>,

    /// Replace a context of this name
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf context use lab
  dasf context use --none

The option --context NAME lets a single command use a context.")]
pub(crate) struct Use {
    /// The name of the context
    #[arg(required_unless_present = "none")]
    name: Option<String>,

    /// Use no context
    #[arg(long, conflicts_with = "name")]
    none: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf context list
  dasf context list --json

A star marks the context that commands use.")]
pub(crate) struct List {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    indent: Indent,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf context remove lab")]
pub(crate) struct Remove {
    /// The name of the context
    name: String,
}

/// Runs a command. `given` are the options for the connection that are set.
pub(crate) fn run(given: Context, command: &ContextCommand) -> Result<(), Error> {
    let file = ContextFile::of_user()?;
    match command {
        ContextCommand::Add(options) => add(&file, given, options),
        ContextCommand::Use(options) => file.change(|contexts| {
            if let Some(name) = &options.name {
                contexts.get(name)?;
            }
            contexts.current.clone_from(&options.name);
            Ok(())
        }),
        ContextCommand::List(options) => list(&file.read()?, options),
        ContextCommand::Remove(Remove { name }) => file.change(|contexts| {
            contexts.get(name)?;
            contexts.contexts.remove(name);
            contexts.current.take_if(|current| current == name);
            Ok(())
        }),
    }
}

fn add(file: &ContextFile, mut context: Context, options: &Add) -> Result<(), Error> {
    let Add {
        name,
        token_file,
        replace,
    } = options;
    if let Some(source) = token_file {
        let token = read_text(source)?;
        context.insert("token".to_owned(), token.trim_end().to_owned());
    }
    if context.is_empty() {
        return Err(Error::usage(
            "a context needs an option for the connection, such as --websocket-url",
        ));
    }
    // A mistake is reported now, and not by the first command that uses the context.
    address(&context)?;
    file.change(|contexts| {
        if contexts.contexts.contains_key(name) && !replace {
            return Err(Error::Usage(format!(
                "there is a context {name:?}; replace it with --replace"
            )));
        }
        contexts.contexts.insert(name.clone(), context);
        Ok(())
    })
}

/// A context in the list.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    name: &'a str,
    /// Whether commands use it.
    is_current: bool,
    /// The address of the broker, without secrets; or what is wrong with it.
    address: String,
    topic: Option<&'a str>,
    /// Whether it has a token or a header.
    has_login: bool,
}

fn list(contexts: &Contexts, options: &List) -> Result<(), Error> {
    if options.indent.indent.is_some() && !options.json {
        return Err(Error::usage("--indent needs --json"));
    }
    let listed: Vec<Listed<'_>> = contexts
        .contexts
        .iter()
        .map(|(name, context)| Listed {
            name,
            is_current: contexts.current.as_ref() == Some(name),
            address: address(context).unwrap_or_else(|error| format!("not valid: {error}")),
            topic: context.get("topic").map(String::as_str),
            has_login: ["token", "header"]
                .iter()
                .any(|it| context.contains_key(*it)),
        })
        .collect();
    if options.json {
        return options.indent.print(&listed);
    }
    if listed.is_empty() {
        return print_result("There is no context.");
    }
    print_result(page(&listed).trim_end())
}

/// Returns a line for each context. The strings are safe for a terminal.
fn page(listed: &[Listed<'_>]) -> String {
    let width = listed.iter().map(|it| it.name.len()).max().unwrap_or(0);
    let lines = listed.iter().map(|it| {
        let mark = if it.is_current { '*' } else { ' ' };
        let mut line = format!("{mark} {:width$}  {}", it.name, it.address);
        if let Some(topic) = it.topic {
            line.push_str(&format!(", topic {topic}"));
        }
        if it.has_login {
            line.push_str(", with a login");
        }
        printable(&line) + "\n"
    });
    lines.collect()
}

/// Returns the address of the broker of a context, without secrets.
fn address(context: &Context) -> Result<String, Error> {
    // Any command without arguments does.
    let words = ["dasf".into()]
        .into_iter()
        .chain(words(context))
        .chain(["list".into()]);
    let command = without_environment(Cli::command());
    let matches = dasf::cli::matches(command, words)?;
    let cli = matches.map(|matches| Cli::from_arg_matches(&matches));
    match cli {
        Some(Ok(cli)) => Ok(cli.connection.address()?.to_string()),
        _ => Err(Error::usage("it has an option that is not for connections")),
    }
}

/// Returns the options of a context as words of a command line.
pub(crate) fn words(context: &Context) -> impl Iterator<Item = OsString> {
    let command = Cli::command();
    let is_switch = move |name: &str| {
        let option = command
            .get_arguments()
            .find(|it| it.get_long() == Some(name));
        option.is_some_and(|it| matches!(it.get_action(), ArgAction::SetTrue))
    };
    context.iter().filter_map(move |(name, value)| {
        Some(OsString::from(match (is_switch(name), value.as_str()) {
            (true, "true") => format!("--{name}"),
            (true, _) => return None,
            (false, value) => format!("--{name}={value}"),
        }))
    })
}

/// Returns the options for the connection that are set on the command line or in the environment.
pub(crate) fn given(matches: &ArgMatches) -> Context {
    let is_set = |id: &str| {
        let source = matches.value_source(id);
        matches!(
            source,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
    };
    let command = Cli::command();
    let options = command.get_arguments().filter(|it| is_of_connection(it));
    let set = options.filter(|it| is_set(it.get_id().as_str()));
    let read = set.filter_map(|it| {
        let value = matches.get_raw(it.get_id().as_str())?.next_back()?;
        let value = value.to_str()?.trim_end();
        Some((it.get_long()?.to_owned(), value.to_owned()))
    });
    read.collect()
}

/// Whether an option of the command line is for the connection.
fn is_of_connection(option: &Arg) -> bool {
    option.get_help_heading() == Some(CONNECTION) && option.get_id() != CONTEXT
}

/// The command without the environment variables of its options for the connection. The topic stays: every
/// broker has topics.
fn without_environment(command: clap::Command) -> clap::Command {
    command.mut_args(|option| {
        if is_of_connection(&option) && option.get_id() != "topic" {
            option.env(clap::builder::Resettable::Reset)
        } else {
            option
        }
    })
}

/// A command line to read again, with the options of a context.
#[derive(Debug)]
pub(crate) struct Applied {
    /// The name of the context.
    pub(crate) name: String,
    pub(crate) command: clap::Command,
    pub(crate) words: Vec<OsString>,
}

/// Returns the command line with the options of the context that it names, or of the current one. `None` if it
/// uses no context.
///
/// A context that the command line names takes the place of the environment. The current context is not used if
/// the command line or the environment names a broker: its token is not for that broker. Otherwise the
/// command line and the environment take the place of single options of the context.
///
/// # Errors
/// [`Error::Usage`] when there is no such context, or the command line names a broker, too. [`Error::Failed`]
/// when the file of the contexts cannot be read.
pub(crate) fn applied(matches: &ArgMatches, words: &[OsString]) -> Result<Option<Applied>, Error> {
    let named = matches.get_one::<String>(CONTEXT);
    let source = |id: &str| matches.value_source(id);
    if let Some(name) = named {
        let broker = OF_BROKER
            .iter()
            .find(|id| source(id) == Some(ValueSource::CommandLine));
        if let Some(option) = broker {
            if source(CONTEXT) == Some(ValueSource::EnvVariable) {
                return Ok(None);
            }
            return Err(Error::Usage(format!(
                "--context {name} cannot be combined with --{}; both name a broker",
                option.replace('_', "-")
            )));
        }
        let contexts = ContextFile::of_user()?.read()?;
        let context = contexts.get(name)?;
        let is_free = |id: &str| source(id) != Some(ValueSource::CommandLine);
        let command = without_environment(Cli::command());
        return Ok(Some(Applied {
            name: name.clone(),
            command,
            words: with_options(context, words, is_free),
        }));
    }
    let is_set = |id: &str| {
        matches!(
            source(id),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
    };
    if OF_BROKER.iter().any(|id| is_set(id)) {
        return Ok(None);
    }
    // Without a home directory there is no current context.
    let Ok(file) = ContextFile::of_user() else {
        return Ok(None);
    };
    let contexts = file.read()?;
    let Some(name) = &contexts.current else {
        return Ok(None);
    };
    Ok(Some(Applied {
        name: name.clone(),
        command: Cli::command(),
        words: with_options(contexts.get(name)?, words, |id| !is_set(id)),
    }))
}

/// Says where the address of the broker comes from, without a context.
pub(crate) fn origin(matches: &ArgMatches) -> String {
    let named = OF_BROKER
        .iter()
        .find_map(|id| match matches.value_source(id)? {
            ValueSource::CommandLine => Some(format!("from --{}", id.replace('_', "-"))),
            ValueSource::EnvVariable => Some(format!("from DE_BACKEND_{}", id.to_uppercase())),
            _ => None,
        });
    named.unwrap_or_else(|| "the default".to_owned())
}

/// Returns a command line with those options of a context that are not set otherwise.
fn with_options(
    context: &Context,
    line: &[OsString],
    is_free: impl Fn(&str) -> bool,
) -> Vec<OsString> {
    let free = context
        .iter()
        .filter(|(name, _)| is_free(&name.replace('-', "_")));
    let free: Context = free
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let (program, rest) = line.split_at(line.len().min(1));
    let program = program.iter().cloned();
    program
        .chain(words(&free))
        .chain(rest.iter().cloned())
        .collect()
}
