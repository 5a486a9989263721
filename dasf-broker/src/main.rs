//! The program `dasf-broker`.

#[cfg(feature = "gateway")]
mod gateway;
mod users;

use std::fmt::Display;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use dasf_broker::{Broker, Builder};
use dasf_program::{HangUp, HangUps, LogFile, LogFormat, ServiceManager, StopSignals};
use dasf_protocol::text;
use tracing::warn;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// A message broker for DASF modules and their clients, in one process
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Address or host name, and port, to listen on; port 0 stands for any free port, 0.0.0.0 for
    /// all addresses of this machine
    #[arg(
        long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = bind
    )]
    bind: String,

    /// Secret that modules and clients must send. Modules and the command dasf have the option --token
    #[arg(long, env = TOKEN, hide_env_values = true)]
    token: Option<String>,

    /// File with the token, in one line
    #[arg(
        long,
        value_name = "FILE",
        env = "DASF_BROKER_TOKEN_FILE",
        conflicts_with = "token"
    )]
    token_file: Option<PathBuf>,

    /// File with the users, what each of them may do, and settings of topics. SIGHUP makes the broker read
    /// the users and their rights again
    #[arg(long, value_name = "FILE", env = "DASF_BROKER_CONFIG")]
    config: Option<PathBuf>,

    /// File to which the broker appends a line of JSON for each login, each refusal because of a token or a
    /// right, and each change of rights. SIGHUP makes the broker open it again
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,

    /// File with the certificate of the broker, and those of the authorities that issued it, in PEM. The
    /// broker then serves wss:// only, and reads the file again when it changes
    #[arg(
        long,
        value_name = "FILE",
        env = "DASF_BROKER_TLS_CERT",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,

    /// File with the private key of the certificate, in PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "DASF_BROKER_TLS_KEY",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,

    /// Listen without TLS, or without a token, although other machines reach the address: behind a reverse
    /// proxy that ends TLS, or where everybody may read and send all messages
    #[arg(long)]
    insecure: bool,

    /// Origin of web pages that may use the broker, with its scheme and port; * stands for all origins. May
    /// be given several times
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// Directory in which the broker keeps messages and subscriptions; without it, it keeps them in memory
    #[arg(long, value_name = "DIR", env = "DASF_BROKER_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Do not serve the modules over HTTP below /api
    #[cfg(feature = "gateway")]
    #[arg(long)]
    no_gateway: bool,

    /// Level of the log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: LevelFilter,

    /// Form of a line of the log: text, or json for one object per line
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// Append the log to this file instead of standard error; SIGHUP makes the broker open it again
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Save what can be read of a damaged data directory
    Recover {
        /// The damaged directory
        #[arg(value_name = "DIR")]
        from: PathBuf,
        /// The directory to create
        #[arg(value_name = "NEW-DIR")]
        to: PathBuf,
    },
    /// Make tokens of users
    #[command(subcommand)]
    Token(users::TokenCommand),
    /// Work with configurations
    #[command(subcommand)]
    Config(users::ConfigCommand),
}

impl Command {
    fn run(self) -> ExitCode {
        let done = match self {
            Self::Recover { from, to } => recover(&from, &to),
            Self::Token(command) => command.run(),
            Self::Config(command) => command.run(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(error),
        }
    }
}

fn recover(from: &Path, to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let recovered = dasf_broker::recover(from, to)?;
    let (messages, queues) = (recovered.messages, recovered.queues);
    let damaged = recovered.damaged_messages;
    // Without standard output, the exit code alone reports the success.
    let _ = writeln!(
        io::stdout(),
        "saved {messages} messages in {queues} queues; left out {damaged} damaged messages"
    );
    Ok(())
}

/// The environment variable of the token.
const TOKEN: &str = "DASF_BROKER_TOKEN";

/// The limits. A limit that is not set has the default of the library.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct Limits {
    /// Largest frame, in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    max_frame_size: Option<usize>,

    /// Largest number of open WebSockets [default: 4096]
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<usize>,

    /// Largest number of open WebSockets of one address [default: 2048]
    #[arg(long, value_name = "NUMBER")]
    max_connections_per_address: Option<usize>,

    /// Largest number of connections that are not WebSockets yet [default: 1024]
    #[arg(long, value_name = "NUMBER")]
    max_handshakes: Option<usize>,

    /// Largest number of topics [default: 16384]
    #[arg(long, value_name = "NUMBER")]
    max_topics: Option<usize>,

    /// Largest number of topics without a consumer that one connection creates [default: 1024]
    #[arg(long, value_name = "NUMBER")]
    max_topics_per_connection: Option<usize>,

    /// Largest number of subscriptions of a topic [default: 256]
    #[arg(long, value_name = "NUMBER")]
    max_subscriptions: Option<usize>,

    /// Largest number of messages in a backlog [default: 10000, or 100000 on the disk]
    #[arg(long, value_name = "NUMBER")]
    max_backlog_messages: Option<usize>,

    /// Largest number of bytes in a backlog [default: 67108864, or 1073741824 on the disk]
    #[arg(long, value_name = "BYTES")]
    max_backlog_bytes: Option<usize>,

    /// Largest memory of all messages, subscriptions and topics, in bytes [default: 536870912]
    #[arg(long, value_name = "BYTES")]
    max_memory: Option<usize>,

    /// Largest number of requests that are put aside [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    max_dead_requests: Option<usize>,

    /// Largest size of all requests that are put aside, in bytes [default: 67108864]
    #[arg(long, value_name = "BYTES")]
    max_dead_bytes: Option<usize>,

    /// Unacknowledged messages that a consumer may hold, if it names no number itself [default:
    /// 1000]
    #[arg(long, value_name = "NUMBER")]
    receiver_queue_size: Option<usize>,

    /// Largest number of unacknowledged messages that a consumer may name; a consumer that names
    /// more gets this number [default: 10000]
    #[arg(long, value_name = "NUMBER")]
    max_receiver_queue_size: Option<usize>,

    /// Seconds for which the broker keeps messages that nobody reads [default: 600]
    #[arg(long, value_name = "SECONDS")]
    subscription_retention: Option<u64>,

    /// Seconds for which a consumer may ask the broker to keep its subscription [default: 604800, or
    /// --subscription-retention if that is longer]
    #[arg(long, value_name = "SECONDS")]
    max_subscription_retention: Option<u64>,

    /// Seconds between two pings of a peer [default: 6]
    #[arg(long, value_name = "SECONDS")]
    ping_interval: Option<u64>,
}

impl Arguments {
    fn builder(self, bind: SocketAddr) -> Builder {
        fn set<T>(
            builder: Builder,
            value: Option<T>,
            setter: impl FnOnce(Builder, T) -> Builder,
        ) -> Builder {
            match value {
                Some(value) => setter(builder, value),
                None => builder,
            }
        }

        let limits = self.limits;
        let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        let builder = Broker::builder().bind(bind).insecure(self.insecure);
        let builder = set(builder, self.token, Builder::token);
        let builder = set(builder, self.config, Builder::config_file);
        let builder = set(builder, self.audit_log, Builder::audit_log);
        let tls = self.tls_cert.zip(self.tls_key);
        let builder = set(builder, tls, |builder, (certificate, key)| {
            builder.tls(certificate, key)
        });
        let builder = set(builder, self.data_dir, Builder::data_dir);
        let origins = self.allow_origin;
        let allowed = origins.clone().into_iter();
        let builder = allowed.fold(builder, Builder::allow_origin);
        #[cfg(feature = "gateway")]
        let builder = match self.no_gateway {
            true => builder,
            false => builder.http(move |url| gateway::routes(url, &origins)),
        };
        let builder = set(builder, limits.max_frame_size, Builder::max_frame_size);
        let builder = set(builder, limits.max_connections, Builder::max_connections);
        let builder = set(
            builder,
            limits.max_connections_per_address,
            Builder::max_connections_per_address,
        );
        let builder = set(builder, limits.max_handshakes, Builder::max_handshakes);
        let builder = set(builder, limits.max_topics, Builder::max_topics);
        let builder = set(
            builder,
            limits.max_dead_requests,
            Builder::max_dead_requests,
        );
        let builder = set(builder, limits.max_dead_bytes, Builder::max_dead_bytes);
        let builder = set(
            builder,
            limits.max_topics_per_connection,
            Builder::max_topics_per_connection,
        );
        let builder = set(
            builder,
            limits.max_subscriptions,
            Builder::max_subscriptions,
        );
        let builder = set(
            builder,
            limits.max_backlog_messages,
            Builder::max_backlog_messages,
        );
        let builder = set(
            builder,
            limits.max_backlog_bytes,
            Builder::max_backlog_bytes,
        );
        let builder = set(builder, limits.max_memory, Builder::max_memory);
        let builder = set(
            builder,
            limits.receiver_queue_size,
            Builder::receiver_queue_size,
        );
        let builder = set(
            builder,
            limits.max_receiver_queue_size,
            Builder::max_receiver_queue_size,
        );
        let builder = set(
            builder,
            seconds(limits.subscription_retention),
            Builder::subscription_retention,
        );
        let builder = set(
            builder,
            seconds(limits.max_subscription_retention),
            Builder::max_subscription_retention,
        );
        set(
            builder,
            seconds(limits.ping_interval),
            Builder::ping_interval,
        )
    }
}

/// Checks the form of an address to listen on. The program resolves the name later.
fn bind(text: &str) -> Result<String, String> {
    let is_right = match text.rsplit_once(':') {
        Some((host, port)) => {
            let is_bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
            is_bare && !host.trim().is_empty() && port.parse::<u16>().is_ok()
        }
        None => false,
    };
    if is_right {
        Ok(text.to_owned())
    } else {
        Err(
            "use an address and a port, such as 127.0.0.1:8080, localhost:8080 or [::1]:8080"
                .to_owned(),
        )
    }
}

/// Removes the line break at the end of a token that comes from a file.
fn token(text: &str) -> Result<String, String> {
    // The error must not show the token.
    text::one_line(text).map(str::to_owned).map_err(|error| {
        format!("the token of --token, {TOKEN} or --token-file is refused: {error}")
    })
}

/// Resolves a name to its first IPv4 address, or to its first IPv6 address if it has no IPv4
/// address.
async fn resolve(bind: &str) -> io::Result<SocketAddr> {
    let mut addresses: Vec<_> = tokio::net::lookup_host(bind).await?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let first = addresses.first().copied();
    first.ok_or_else(|| io::Error::other("the name has no address"))
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if let Some(command) = arguments.command {
        return command.run();
    }
    if let Some(file) = &arguments.token_file {
        match fs::read_to_string(file) {
            Ok(text) => arguments.token = Some(text),
            Err(error) => {
                let file = file.display();
                return failed(format_args!("cannot read the token from {file}: {error}"));
            }
        }
    }
    match arguments.token.as_deref().map(token).transpose() {
        Ok(token) => arguments.token = token,
        Err(problem) => Arguments::command()
            .error(ErrorKind::ValueValidation, problem)
            .exit(),
    }
    // Libraries log whole handshakes at level trace, and these contain tokens.
    let level = arguments.log_level;
    let targets = ["dasf_broker", "dasf_gateway", "dasf_program"];
    let filter = Targets::new().with_targets(targets.map(|target| (target, level)));
    // See <https://no-color.org>.
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let format = arguments.log_format;
    let has_colours = arguments.log_file.is_none() && io::stderr().is_terminal() && !no_color;
    // A log that nobody reads must not stop the broker.
    let started = match arguments.log_file.clone() {
        None => dasf_program::start_log(io::stderr(), format)
            .map_err(|error| format!("the log has no thread: {error}")),
        Some(path) => dasf_program::start_log_file(path.clone(), format)
            .map_err(|error| format!("the log file {} cannot be written: {error}", path.display())),
    };
    let (writer, guard) = match started {
        Ok(log) => log,
        Err(error) => return failed(error),
    };
    let log = format.layer(writer, has_colours, true).with_filter(filter);
    tracing_subscriber::registry().with(log).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(format_args!("cannot start the runtime: {error}")),
    };
    match runtime.block_on(run(arguments, guard.file())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error),
    }
}

fn failed(error: impl Display) -> ExitCode {
    // Without standard error, the exit code alone reports the error.
    let _ = writeln!(io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

async fn run(
    arguments: Arguments,
    log_file: Option<&LogFile>,
) -> Result<(), Box<dyn std::error::Error>> {
    // A signal may come as soon as the program prints its address.
    let has_config = arguments.config.is_some();
    let mut signals = StopSignals::without_hang_up()?;
    let mut hang_ups = HangUps::new()?;
    let address = resolve(&arguments.bind)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", arguments.bind))?;
    let broker = arguments.builder(address).start().await?;
    // A broker without standard output still works.
    let _ = writeln!(
        io::stdout(),
        "dasf-broker listens on {}; give modules and clients the URL {}",
        broker.local_addr(),
        broker.url()
    );
    let manager = ServiceManager::of_process();
    manager.ready();
    let watch = manager.watch(|| std::future::ready(()));
    tokio::pin!(watch);
    loop {
        tokio::select! {
            () = signals.next() => break,
            hang_up = hang_ups.next() => match hang_up {
                HangUp::Reload => {
                    if let Some(file) = log_file {
                        file.reopen();
                    }
                    reload(&broker, has_config);
                }
                HangUp::TerminalClosed => break,
            },
            () = &mut watch => {}
        }
    }
    manager.stopping();
    broker.shutdown().await;
    Ok(())
}

/// Reads again what may change while the broker runs.
fn reload(broker: &Broker, has_config: bool) {
    broker.reopen_audit_log();
    if has_config {
        users::reload(broker);
    }
    if let Err(error) = broker.reload_certificate() {
        warn!("keeps the old certificate: {error}");
    }
}
