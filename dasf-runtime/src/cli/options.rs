//! The command line of a module.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::builder::{EnumValueParser, StringValueParser};
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::hand_over::HandOver;
use super::parse::{OneLine, matches};
use super::{CallTimeout, Connection, Error, Indent, Logging};
use crate::host::{Acknowledge, HostOptions};
use crate::module::descriptor::ModuleDescriptor;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 success, 1 failure, 2 a mistake in the command line or the request, 130 \
                  interrupted.\n\n\
                  The command line takes precedence over the environment, and the environment over the attribute \
                  of the module."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,

    /// Description of the module, instead of its documentation
    #[arg(short, long, global = true, env = "DE_BACKEND_DESCRIPTION")]
    pub(super) description: Option<String>,

    /// Serve only these functions and classes: their names, separated by commas [default: all]
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_MEMBERS",
        value_name = "NAMES",
        value_delimiter = ',',
        value_parser = OneLine(StringValueParser::new())
    )]
    pub(super) members: Option<Vec<String>>,

    #[command(flatten)]
    pub(super) connection: Connection,

    /// The origin of the topic, for the log.
    #[arg(skip)]
    pub(super) topic_from: &'static str,

    #[command(flatten)]
    pub(super) sharing: Sharing,

    #[command(flatten)]
    pub(super) limits: Limits,

    #[command(flatten)]
    pub(super) watching: Watching,

    #[command(flatten)]
    pub(super) logging: Logging,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the module: answer requests until interrupted
    Listen {
        /// For development: when the program has been built again, answer the accepted calls, and start the new
        /// program
        #[arg(long)]
        reload: bool,
        #[command(flatten)]
        hand_over: HandOver,
    },
    /// Check the connection to the broker
    TestConnect,
    /// Print the JSON schema of the requests to this module
    Schema(Indent),
    /// Print the API description, from which clients are generated
    ApiInfo(Indent),
    /// Run a request in this process, without a broker, and print the result
    Compute(Request),
    /// Call functions of this module in this process, line by line, with completion and a history
    #[cfg(feature = "shell")]
    Shell {
        #[command(flatten)]
        form: super::ResultForm,
        /// Do not show progress reports
        #[arg(long)]
        no_progress: bool,
    },
    /// Exists for its error.
    #[cfg(not(feature = "shell"))]
    #[command(hide = true, disable_help_flag = true)]
    Shell {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
    /// Send a request to the module on the topic, and print the result
    SendRequest {
        #[command(flatten)]
        request: Request,
        /// Submit the request as a job, and print its id; 'dasf wait' gets the result. --timeout is then the time
        /// after which no module begins the job any more [default: none]
        #[arg(long, conflicts_with_all = ["no_progress", "timeout_without_progress"])]
        submit: bool,
        #[command(flatten)]
        timeout: CallTimeout,
    },
    /// Generate a typed client of this module
    #[cfg(feature = "generate")]
    Generate(super::Generate),
    /// Exists for its error.
    #[cfg(not(feature = "generate"))]
    #[command(hide = true, disable_help_flag = true)]
    Generate {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(super) struct Request {
    /// The request as JSON or YAML, a file with it, or - for standard input
    #[arg(value_name = "REQUEST")]
    pub(super) request: String,
    /// Do not show progress reports
    #[arg(long)]
    pub(super) no_progress: bool,
}

/// How the module shares requests with other modules.
#[derive(Debug, Args)]
#[command(next_help_heading = "Groups")]
pub(super) struct Sharing {
    /// Share the requests of the topic with the other modules of this group
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_GROUP",
        value_name = "NAME",
        value_parser = OneLine(StringValueParser::new())
    )]
    group: Option<String>,

    /// When to acknowledge a request: 'received' before it runs, or 'completed' after its response,
    /// so that another module runs the requests that this one does not finish
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_ACK",
        value_name = "WHEN",
        default_value = "received",
        value_parser = OneLine(EnumValueParser::<Ack>::new())
    )]
    ack: Ack,

    /// Unacknowledged requests that a module of a group gets at a time [default: --max-workers]
    #[arg(
        long, global = true, env = "DE_BACKEND_RECEIVER_QUEUE_SIZE",
        value_name = "CALLS", value_parser = OneLine(at_least_one)
    )]
    receiver_queue_size: Option<usize>,

    /// How many modules a job may end after its first delivery, or with --ack completed any request, before
    /// the broker puts it aside and its caller gets an error [default: 3]
    #[arg(
        long, global = true, env = "DE_BACKEND_MAX_DEATHS",
        value_name = "TIMES", value_parser = OneLine(clap::value_parser!(u32).range(1..))
    )]
    max_deaths: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ack {
    Received,
    Completed,
}

/// The limits and timeouts of the module.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// Calls of plain functions that run at a time [default: five times the number of processors]
    #[arg(long, global = true, env = "DE_BACKEND_MAX_WORKERS", value_name = "CALLS", value_parser = OneLine(at_least_one))]
    max_workers: Option<usize>,

    /// Calls of async functions that run at a time [default: --queue-size; in a group, --max-workers]
    #[arg(long, global = true, env = "DE_BACKEND_MAX_CONCURRENT", value_name = "CALLS", value_parser = OneLine(at_least_one))]
    max_concurrent: Option<usize>,

    /// Calls that are accepted at a time, including the running ones [default: 1024, or --max-workers
    /// if that is more]
    #[arg(
        long, alias = "queue_size", global = true, env = "DE_BACKEND_QUEUE_SIZE",
        value_name = "CALLS", value_parser = OneLine(at_least_one)
    )]
    queue_size: Option<usize>,

    /// Largest payload in one frame; larger payloads are sent in fragments
    #[arg(
        long, alias = "max_payload_size", global = true, env = "DE_BACKEND_MAX_PAYLOAD_SIZE",
        value_name = "BYTES", value_parser = OneLine(at_least_one),
        default_value_t = HostOptions::DEFAULT_MAX_PAYLOAD_SIZE
    )]
    max_payload_size: usize,

    /// How long an unused connection to a response topic stays open
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_PRODUCER_KEEP_ALIVE",
        value_name = "SECONDS",
        value_parser = OneLine(clap::value_parser!(u64)),
        default_value_t = 120
    )]
    producer_keep_alive: u64,

    /// How long a response waits for the connection to its topic
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_PRODUCER_CONNECTION_TIMEOUT",
        value_name = "SECONDS",
        value_parser = OneLine(clap::value_parser!(u64)),
        default_value_t = 30
    )]
    producer_connection_timeout: u64,

    /// How long accepted calls may continue after the module is interrupted
    #[arg(
        long,
        global = true,
        env = "DE_BACKEND_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        value_parser = OneLine(clap::value_parser!(u64)),
        default_value_t = 30
    )]
    drain_timeout: u64,
}

/// What others may see of the module.
#[derive(Debug, Args)]
#[command(next_help_heading = "Watching")]
pub(super) struct Watching {
    /// Serve GET /health and GET /metrics, for Prometheus, at this address; a port alone is one of 127.0.0.1
    // Without the feature, the option exists for its error.
    #[arg(
        long,
        global = true,
        hide = cfg!(not(feature = "status")),
        env = "DE_BACKEND_STATUS_ADDR",
        value_name = "ADDRESS",
        value_parser = OneLine(status_addr)
    )]
    status_addr: Option<SocketAddr>,
}

fn status_addr(text: &str) -> Result<SocketAddr, &'static str> {
    let port = text
        .parse()
        .map(|port: u16| (Ipv4Addr::LOCALHOST, port).into());
    let advice = "use a port or ADDRESS:PORT, for example 9464, 0.0.0.0:9464 or [::1]:9464";
    port.or_else(|_| text.parse()).map_err(|_| advice)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

impl Cli {
    /// Reads the command line of a module. Options come from the command line, then from the
    /// environment, then from the module's attribute.
    pub(super) fn parse_for(
        descriptor: &'static ModuleDescriptor,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Option<Self>, Error> {
        let mut command = Self::command()
            .name(descriptor.name)
            .version(descriptor.version)
            .about(descriptor.description);
        if let Some(topic) = descriptor.topic {
            command = command.mut_arg("topic", |arg| arg.default_value(topic));
        }
        if let Some(group) = descriptor.group {
            command = command.mut_arg("group", |arg| arg.default_value(group));
        }
        let Some(matches) = matches(command, arguments)? else {
            return Ok(None);
        };
        let cli = Self::from_arg_matches(&matches).map_err(Error::usage)?;
        Ok(Some(Self {
            topic_from: match matches.value_source("topic") {
                Some(ValueSource::CommandLine) => "--topic",
                Some(ValueSource::EnvVariable) => "DE_BACKEND_TOPIC",
                _ => "attribute",
            },
            ..cli
        }))
    }

    /// Returns the topic for a title, or another title if no topic is set.
    pub(super) fn title<'a>(&'a self, otherwise: &'a str) -> &'a str {
        self.connection.given_topic().unwrap_or(otherwise)
    }
}

impl Cli {
    /// Returns the options of the host.
    pub(super) fn host_options(&self) -> Result<HostOptions, Error> {
        let Sharing {
            group,
            ack,
            receiver_queue_size,
            max_deaths,
        } = &self.sharing;
        let group = group.as_deref().map(str::parse).transpose();
        #[cfg(not(feature = "status"))]
        if self.watching.status_addr.is_some() {
            return Err(Error::usage(
                "this program is built without the feature \"status\", which --status-addr needs; add it to the crate \
                 dasf in Cargo.toml",
            ));
        }
        Ok(HostOptions {
            group: group.map_err(Error::usage)?,
            acknowledge: match ack {
                Ack::Received => Acknowledge::Received,
                Ack::Completed => Acknowledge::Completed,
            },
            receiver_queue_size: *receiver_queue_size,
            max_deaths: *max_deaths,
            #[cfg(feature = "status")]
            status_addr: self.watching.status_addr,
            ..self.limits.host_options()
        })
    }
}

impl Limits {
    fn host_options(&self) -> HostOptions {
        let defaults = HostOptions::default();
        let max_workers = self.max_workers.unwrap_or(defaults.max_workers);
        HostOptions {
            max_workers: match self.queue_size {
                // Without --max-workers, a small queue also limits the workers.
                Some(queue_size) if self.max_workers.is_none() => max_workers.min(queue_size),
                _ => max_workers,
            },
            max_concurrent: self.max_concurrent,
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

#[cfg(test)]
mod tests {
    use super::*;

    static WITH_TOPIC: ModuleDescriptor = ModuleDescriptor {
        name: "test",
        topic: Some("from-attribute"),
        group: Some("of-attribute"),
        description: "A test.",
        version: "1.2.3",
        members: &[],
    };
    static WITHOUT_TOPIC: ModuleDescriptor = ModuleDescriptor {
        name: "test",
        topic: None,
        group: None,
        description: "A test.",
        version: "1.2.3",
        members: &[],
    };

    fn read(descriptor: &'static ModuleDescriptor, line: &str) -> Result<Cli, Error> {
        let arguments = std::iter::once("test").chain(line.split_whitespace());
        let read = Cli::parse_for(descriptor, arguments.map(OsString::from));
        read.map(Option::unwrap)
    }

    #[cfg(not(feature = "generate"))]
    #[test]
    fn the_missing_command_generate_takes_any_options() {
        let cli = read(&WITH_TOPIC, "generate --lang rust -o client.rs --check").unwrap();
        assert!(matches!(cli.command, Command::Generate { .. }));
    }

    #[test]
    fn the_definition_is_valid() {
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
    fn the_topic_is_required_unless_the_attribute_has_one() {
        assert_eq!(
            read(&WITH_TOPIC, "listen")
                .unwrap()
                .connection
                .topic()
                .unwrap()
                .as_str(),
            "from-attribute"
        );
        assert_eq!(
            read(&WITH_TOPIC, "-t mine listen")
                .unwrap()
                .connection
                .topic()
                .unwrap()
                .as_str(),
            "mine"
        );
        assert_eq!(
            read(&WITH_TOPIC, "listen --topic mine")
                .unwrap()
                .connection
                .topic()
                .unwrap()
                .as_str(),
            "mine"
        );
        assert!(matches!(
            read(&WITHOUT_TOPIC, "listen").unwrap().connection.topic(),
            Err(Error::Usage(_))
        ));
        assert!(matches!(
            read(&WITHOUT_TOPIC, "-t a/b listen")
                .unwrap()
                .connection
                .topic(),
            Err(Error::Usage(_))
        ));
    }

    #[test]
    fn the_options_of_a_group_are_read() {
        let options = |descriptor, line: &str| read(descriptor, line).unwrap().host_options();
        let alone = options(&WITHOUT_TOPIC, "listen").unwrap();
        assert_eq!(
            (alone.group, alone.acknowledge),
            (None, Acknowledge::Received)
        );
        let limited = options(&WITHOUT_TOPIC, "--max-deaths 2 listen").unwrap();
        assert_eq!((limited.group, limited.max_deaths), (None, Some(2)));
        let shared = "--group team --ack completed --receiver-queue-size 2 --max-deaths 3 listen";
        let shared = options(&WITH_TOPIC, shared).unwrap();
        assert_eq!(shared.group.unwrap().as_str(), "team");
        assert_eq!(shared.acknowledge, Acknowledge::Completed);
        assert_eq!(shared.receiver_queue_size, Some(2));
        assert_eq!(shared.max_deaths, Some(3));
        let attribute = options(&WITH_TOPIC, "listen").unwrap();
        assert_eq!(attribute.group.unwrap().as_str(), "of-attribute");
        let error = options(&WITH_TOPIC, "--group a/b listen").unwrap_err();
        assert!(matches!(error, Error::Usage(_)), "{error}");
    }

    #[cfg(feature = "status")]
    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        let address = |line: &str| {
            let options = read(&WITH_TOPIC, line)?.host_options()?;
            Ok::<_, Error>(options.status_addr.map(|it| it.to_string()))
        };
        for (given, expected) in [
            ("9464", "127.0.0.1:9464"),
            ("0.0.0.0:9464", "0.0.0.0:9464"),
            ("[::1]:0", "[::1]:0"),
        ] {
            let read = address(&format!("--status-addr {given} listen")).unwrap();
            assert_eq!(read.as_deref(), Some(expected));
        }
        assert_eq!(address("listen").unwrap(), None);
        for wrong in ["65536", "localhost", ":9464", "example.org:9464"] {
            let error = address(&format!("--status-addr {wrong} listen")).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error}");
        }
    }

    #[test]
    fn the_spellings_of_python_are_accepted() {
        let cli = read(&WITH_TOPIC, "--queue_size 7 --max_payload_size 60 listen").unwrap();
        let options = cli.host_options().unwrap();
        assert_eq!((options.queue_size, options.max_payload_size), (7, 60));
        assert!(options.max_workers <= 7);
    }

    #[test]
    fn the_address_is_a_pulsar_unless_a_url_is_given() {
        let address = |line: &str| read(&WITH_TOPIC, line).unwrap().connection.address();
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
            Err(Error::Usage(_))
        ));
        assert!(matches!(
            address("--header [1] listen"),
            Err(Error::Usage(_))
        ));
        assert!(address(r#"--header {"a":"b"} listen"#).is_ok());
    }

    #[test]
    fn every_mistake_is_reported_in_one_line() {
        for line in [
            "",
            "--nonsense listen",
            "lissten",
            "--port x listen",
            "--max-workers 0 listen",
            "compute",
        ] {
            let Err(Error::Usage(text)) = read(&WITH_TOPIC, line) else {
                panic!("{line}")
            };
            assert!(
                !text.contains('\n') && text.contains("--help"),
                "{line}: {text}"
            );
        }
    }
}
