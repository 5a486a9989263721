//! What the command line accepts.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::Resettable;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use dasf_protocol::Topic;

use super::CliError;
use crate::address::{Address, Pulsar};
use crate::host::HostOptions;
use crate::module::descriptor::ModuleDescriptor;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    disable_help_subcommand = true,
    after_help = "The options for connection, limits and logging can also be set in the environment, as \
                  DE_BACKEND_ and their name in capitals: DE_BACKEND_TOPIC, DE_BACKEND_TOKEN … The command line \
                  takes precedence over the module's own topic, and that over the environment."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,

    /// What the module does, in place of its documentation
    #[arg(short, long, global = true, env = "DE_BACKEND_DESCRIPTION")]
    pub(super) description: Option<String>,

    /// The topic on which the module listens
    #[arg(
        short,
        long,
        global = true,
        env = "DE_BACKEND_TOPIC",
        help_heading = "Connection"
    )]
    topic: Option<String>,

    #[command(flatten)]
    pub(super) connection: Connection,

    #[command(flatten)]
    pub(super) limits: Limits,

    #[command(flatten)]
    pub(super) logging: Logging,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the module: wait for requests and answer them, until interrupted
    Listen,
    /// Check that the broker can be reached and lets this module in
    TestConnect,
    /// Print the JSON schema of a request to this module
    Schema(Indent),
    /// Print the description of this module that clients are made from
    ApiInfo(Indent),
    /// Run a request here, without a broker, and print the result
    Compute(Request),
    /// Send a request to a module that listens on the topic, and print the result
    SendRequest {
        #[command(flatten)]
        request: Request,
        /// How many seconds to wait for the result
        #[arg(long, default_value_t = 60, value_name = "SECONDS")]
        timeout: u64,
    },
}

#[derive(Debug, Args)]
pub(super) struct Indent {
    /// Indent the JSON by this many blanks
    #[arg(short, long, value_name = "BLANKS", value_parser = clap::value_parser!(u8).range(..=16))]
    pub(super) indent: Option<u8>,
}

#[derive(Debug, Args)]
pub(super) struct Request {
    /// The request as JSON or YAML text, or a file that holds it, or - for standard input
    #[arg(value_name = "REQUEST")]
    pub(super) request: String,
    /// Do not show how far the call got
    #[arg(long)]
    pub(super) no_progress: bool,
}

/// Where the broker is, and how to get in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// The base URL of a DASF broker, such as `ws://localhost:8080/ws`; without it, a Pulsar is
    /// used
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_WEBSOCKET_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    websocket_url: Option<String>,

    /// Another base URL to send to
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_PRODUCER_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    producer_url: Option<String>,

    /// Another base URL to read from
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_CONSUMER_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    consumer_url: Option<String>,

    /// The host of the Pulsar
    #[arg(
        short = 'H',
        long,
        global = true,
        env = "DE_BACKEND_HOST",
        default_value = "localhost"
    )]
    host: String,

    /// The HTTP port of the Pulsar
    #[arg(
        short,
        long,
        global = true,
        env = "DE_BACKEND_PORT",
        default_value_t = 8080
    )]
    port: u16,

    /// Whether the Pulsar keeps messages on disk
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_PERSISTENT",
        default_value = "non-persistent"
    )]
    persistent: Persistence,

    /// The tenant in the Pulsar
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_TENANT",
        default_value = "public"
    )]
    tenant: String,

    /// The namespace in the Pulsar
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_NAMESPACE",
        default_value = "default"
    )]
    namespace: String,

    /// Headers to send when connecting, as a JSON object such as {"authorization": "Token …"}
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_HEADER",
        hide_env_values = true,
        value_name = "JSON"
    )]
    header: Option<String>,

    /// The token to log in with
    #[arg(long, global = true, env = "DE_BACKEND_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Persistence {
    Persistent,
    NonPersistent,
}

/// How much the module takes on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// How many calls run at a time [default: five times the number of processors]
    #[arg(long, global = true, env = "DE_BACKEND_MAX_WORKERS", value_name = "CALLS", value_parser = at_least_one)]
    max_workers: Option<usize>,

    /// How many calls are accepted at a time, running ones included [default: 1024]
    #[arg(
        long, alias = "queue_size", global = true, env = "DE_BACKEND_QUEUE_SIZE",
        value_name = "CALLS", value_parser = at_least_one
    )]
    queue_size: Option<usize>,

    /// The largest payload in one frame; longer ones are sent in fragments
    #[arg(
        long, alias = "max_payload_size", global = true, env = "DE_BACKEND_MAX_PAYLOAD_SIZE",
        value_name = "BYTES", value_parser = at_least_one,
        default_value_t = HostOptions::DEFAULT_MAX_PAYLOAD_SIZE
    )]
    max_payload_size: usize,

    /// How long a connection for answers is kept without one
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_PRODUCER_KEEP_ALIVE",
        value_name = "SECONDS",
        default_value_t = 120
    )]
    producer_keep_alive: u64,

    /// How long an answer waits for its connection
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_PRODUCER_CONNECTION_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 30
    )]
    producer_connection_timeout: u64,

    /// How long running calls may go on when the module is interrupted
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 30
    )]
    drain_timeout: u64,
}

/// What is logged, and where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub(super) struct Logging {
    /// Log everything that happens; the same as --log-level debug
    #[arg(long, global = true, env = "DE_BACKEND_DEBUG", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) debug: bool,

    /// How much is logged: error, warn, info, debug or trace, or Python's 40, 30, 20, 10
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub(super) log_level: String,

    /// Log to this file, not to standard error
    #[arg(long, global = true, env = "DE_BACKEND_LOG_FILE", value_name = "FILE")]
    pub(super) log_file: Option<PathBuf>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

impl Cli {
    /// Reads the command line of a module. What its attribute gives stands over the environment.
    pub(super) fn parse_for(
        descriptor: &'static ModuleDescriptor,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command()
            .name(descriptor.name)
            .version(descriptor.version)
            .about(descriptor.description);
        // Set and empty is how a file of settings says "not set".
        command = command.mut_args(|argument| {
            let value = argument.get_env().and_then(std::env::var_os);
            match value {
                Some(value) if value.is_empty() => argument.env(Resettable::Reset),
                _ => argument,
            }
        });
        if descriptor.has_own_description {
            command = command.mut_arg("description", |arg| arg.env(Resettable::Reset));
        }
        if let Some(topic) = descriptor.topic {
            command = command.mut_arg("topic", |arg| {
                arg.env(Resettable::Reset).default_value(topic)
            });
        }
        let matches = command.try_get_matches_from(arguments)?;
        Self::from_arg_matches(&matches)
    }

    /// The topic, which this command cannot do without.
    pub(super) fn topic(&self) -> Result<Topic, CliError> {
        match &self.topic {
            Some(topic) => topic.parse().map_err(CliError::usage),
            None => Err(CliError::usage(
                "a topic is needed; give one with --topic NAME, or set DE_BACKEND_TOPIC",
            )),
        }
    }

    /// The topic as a title, for a command that can do without.
    pub(super) fn title<'a>(&'a self, otherwise: &'a str) -> &'a str {
        self.topic.as_deref().unwrap_or(otherwise)
    }
}

impl Connection {
    /// Whether the command line says where the broker is.
    pub(super) fn is_given(&self) -> bool {
        let Pulsar { host, port, .. } = Pulsar::default();
        let urls = [&self.websocket_url, &self.producer_url, &self.consumer_url];
        urls.into_iter().any(Option::is_some) || self.host != host || self.port != port
    }

    pub(super) fn address(&self) -> Result<Address, CliError> {
        let producer = self.producer_url.as_ref().or(self.websocket_url.as_ref());
        let consumer = self.consumer_url.as_ref().or(self.websocket_url.as_ref());
        let mut address = match (producer, consumer) {
            (Some(producer), Some(consumer)) => {
                Address::websocket_pair(producer, consumer).map_err(CliError::usage)?
            }
            (None, None) => Address::from(self.pulsar()),
            (Some(_), None) => {
                return Err(CliError::usage(
                    "--producer-url needs --consumer-url, or --websocket-url, beside it",
                ));
            }
            (None, Some(_)) => {
                return Err(CliError::usage(
                    "--consumer-url needs --producer-url, or --websocket-url, beside it",
                ));
            }
        };
        if let Some(token) = &self.token {
            address = address.with_token(token).map_err(CliError::usage)?;
        }
        let headers: BTreeMap<String, String> = match &self.header {
            None => BTreeMap::new(),
            // The text is not shown: it may hold a secret.
            Some(json) => serde_json::from_str(json).map_err(|_| {
                CliError::usage(r#"--header must be a JSON object of texts, such as {"authorization": "Token …"}"#)
            })?,
        };
        for (name, value) in headers {
            address = address
                .with_header(&name, &value)
                .map_err(CliError::usage)?;
        }
        Ok(address)
    }

    fn pulsar(&self) -> Pulsar {
        let persistence = match self.persistent {
            Persistence::Persistent => "persistent",
            Persistence::NonPersistent => "non-persistent",
        };
        Pulsar {
            host: self.host.clone(),
            port: self.port,
            persistence: persistence.to_owned(),
            tenant: self.tenant.clone(),
            namespace: self.namespace.clone(),
        }
    }
}

impl Limits {
    pub(super) fn host_options(&self) -> HostOptions {
        let defaults = HostOptions::default();
        let max_workers = self.max_workers.unwrap_or(defaults.max_workers);
        HostOptions {
            max_workers: match self.queue_size {
                // A small queue alone is a wish for few workers too.
                Some(queue_size) if self.max_workers.is_none() => max_workers.min(queue_size),
                _ => max_workers,
            },
            queue_size: self
                .queue_size
                .unwrap_or(defaults.queue_size.max(max_workers)),
            max_payload_size: self.max_payload_size,
            producer_keep_alive: Duration::from_secs(self.producer_keep_alive),
            producer_connection_timeout: Duration::from_secs(self.producer_connection_timeout),
            drain_timeout: Duration::from_secs(self.drain_timeout),
            ..defaults
        }
    }

    pub(super) fn max_payload_size(&self) -> usize {
        self.max_payload_size
    }
}

/// What clap says of a wrong command line, on one line.
pub(super) fn one_line(error: &clap::Error) -> String {
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
        clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | clap::error::ErrorKind::MissingSubcommand => {
            "a command is needed, such as listen; --help lists them".to_owned()
        }
        _ => format!("{sentence}; --help lists what there is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WITH_TOPIC: ModuleDescriptor = ModuleDescriptor {
        name: "test",
        topic: Some("from-attribute"),
        description: "A test.",
        has_own_description: false,
        version: "1.2.3",
        members: &[],
    };
    static WITHOUT_TOPIC: ModuleDescriptor = ModuleDescriptor {
        name: "test",
        topic: None,
        description: "A test.",
        has_own_description: false,
        version: "1.2.3",
        members: &[],
    };

    fn parse(descriptor: &'static ModuleDescriptor, line: &str) -> Result<Cli, clap::Error> {
        let arguments = std::iter::once("test").chain(line.split_whitespace());
        Cli::parse_for(descriptor, arguments.map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
        for option in Cli::command().get_opts() {
            let name = option
                .get_long()
                .unwrap_or_default()
                .to_uppercase()
                .replace('-', "_");
            let variable = option.get_env().and_then(|it| it.to_str());
            assert_eq!(variable, Some(format!("DE_BACKEND_{name}").as_str()));
        }
    }

    #[test]
    fn the_topic_is_needed_unless_the_attribute_gives_it() {
        assert_eq!(
            parse(&WITH_TOPIC, "listen")
                .unwrap()
                .topic()
                .unwrap()
                .as_str(),
            "from-attribute"
        );
        assert_eq!(
            parse(&WITH_TOPIC, "-t mine listen")
                .unwrap()
                .topic()
                .unwrap()
                .as_str(),
            "mine"
        );
        assert_eq!(
            parse(&WITH_TOPIC, "listen --topic mine")
                .unwrap()
                .topic()
                .unwrap()
                .as_str(),
            "mine"
        );
        assert!(matches!(
            parse(&WITHOUT_TOPIC, "listen").unwrap().topic(),
            Err(CliError::Usage(_))
        ));
        assert!(matches!(
            parse(&WITHOUT_TOPIC, "-t a/b listen").unwrap().topic(),
            Err(CliError::Usage(_))
        ));
    }

    #[test]
    fn python_s_spellings_are_understood() {
        let cli = parse(&WITH_TOPIC, "--queue_size 7 --max_payload_size 60 listen").unwrap();
        let options = cli.limits.host_options();
        assert_eq!((options.queue_size, options.max_payload_size), (7, 60));
        assert!(options.max_workers <= 7);
    }

    #[test]
    fn the_address_is_a_pulsar_unless_a_url_is_given() {
        let address = |line: &str| parse(&WITH_TOPIC, line).unwrap().connection.address();
        assert_eq!(
            address("listen").unwrap().to_string(),
            "ws://localhost:8080"
        );
        assert_eq!(address("-H h -p 1 listen").unwrap().to_string(), "ws://h:1");
        assert_eq!(
            address("--websocket-url ws://h/ws/ listen")
                .unwrap()
                .to_string(),
            "ws://h/ws"
        );
        let pair = "--producer-url ws://out/ws --consumer-url ws://in/ws listen";
        assert_eq!(
            address(pair).unwrap().to_string(),
            "ws://out/ws and ws://in/ws"
        );
        assert!(matches!(
            address("--producer-url ws://out/ws listen"),
            Err(CliError::Usage(_))
        ));
        assert!(matches!(
            address("--header [1] listen"),
            Err(CliError::Usage(_))
        ));
        assert!(address(r#"--header {"a":"b"} listen"#).is_ok());
    }

    #[test]
    fn every_mistake_is_told_in_one_line() {
        for line in [
            "",
            "--nonsense listen",
            "lissten",
            "--port x listen",
            "--max-workers 0 listen",
            "compute",
        ] {
            let error = parse(&WITH_TOPIC, line).unwrap_err();
            let text = one_line(&error);
            assert!(
                !text.contains('\n') && text.contains("--help"),
                "{line}: {text}"
            );
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
