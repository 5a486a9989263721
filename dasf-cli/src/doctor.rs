//! `dasf doctor`: looks for the fault of a connection, step by step.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use dasf::broker::{
    Address, BrokerGreeting, BrokerRoute, ConnectError, broker_route, greet_broker, list_modules,
};
use dasf::cli::{self, Connection, Error, print_result, printable};
use dasf::protocol::Topic;
use dasf::{CallError, Caller};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long a host may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a module may take to answer.
const MODULE_PATIENCE: Duration = Duration::from_secs(5);
/// The largest difference between two clocks that is not worth a warning. The broker tells its time in whole
/// seconds, and its answer takes a while.
const TOLERANCE: Duration = Duration::from_secs(5);
/// The greatest number of topics in a line.
const MAX_TOPICS: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf doctor -t arithmetic
  dasf doctor --context lab
  dasf doctor --websocket-url wss://broker.example.org/ws -t arithmetic

The command does each step of a call in turn: it finds the address, the IP addresses of its name, an open port, \
TLS, the login, the rights and the module, and compares versions and clocks. It stops at a step without which \
the next one is impossible, and tells what to do. The exit code is 0 if nothing failed, and 1 otherwise.")]
pub(crate) struct Doctor {}

/// A step, as the user reads it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Address,
    Name,
    Port,
    Tls,
    Broker,
    Login,
    Rights,
    Module,
    Versions,
    Clock,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Name => "name",
            Self::Port => "port",
            Self::Tls => "TLS",
            Self::Broker => "broker",
            Self::Login => "login",
            Self::Rights => "rights",
            Self::Module => "module",
            Self::Versions => "versions",
            Self::Clock => "clock",
        }
    }
}

/// Prints that a step succeeded.
fn good(step: Step, text: &str) -> Result<(), Error> {
    line("ok", step, text)
}

/// Prints something that may cause trouble.
fn doubtful(step: Step, text: &str) -> Result<(), Error> {
    line("warning", step, text)
}

/// Prints that a step was left out.
fn skipped(step: Step, text: &str) -> Result<(), Error> {
    line("skipped", step, text)
}

/// Prints that a step failed, and returns its error.
fn failed(step: Step, error: Error) -> Result<Error, Error> {
    line("failed", step, "see the error below")?;
    Ok(error)
}

fn line(state: &str, step: Step, text: &str) -> Result<(), Error> {
    let name = step.name();
    print_result(&printable(&format!("{state:<9}{name:<10}{text}")))
}

/// Runs the command. `origin` says where the address of the broker comes from.
pub(crate) fn run(connection: &Connection, origin: &str) -> Result<(), Error> {
    let address = connection.address()?;
    let topic = match connection.given_topic() {
        Some(_) => Some(connection.topic()?),
        None => None,
    };
    cli::run_until_interrupted(async {
        good(Step::Address, &format!("{address}, {origin}"))?;
        let addresses = reach(connection, &address).await?;
        let examination = Examination {
            connection,
            address,
            addresses,
        };
        match &topic {
            Some(topic) => examination.of_topic(topic).await,
            None => examination.of_broker().await,
        }
    })
}

/// Finds the IP addresses of the broker, or of the proxy on the way to it, and connects to its port.
async fn reach(connection: &Connection, address: &Address) -> Result<Vec<IpAddr>, Error> {
    let advise = |error: ConnectError| connection.with_advice(&error);
    let BrokerRoute {
        host, port, proxy, ..
    } = match broker_route(address) {
        Ok(route) => route,
        Err(error) => return Err(failed(Step::Name, advise(error))?),
    };
    let (host, port, of_proxy) = match proxy {
        None => (host, port, String::new()),
        Some(proxy) => {
            let of_proxy = format!("the proxy of {} ", proxy.variable);
            (proxy.host, proxy.port, of_proxy)
        }
    };
    let found = timeout(PATIENCE, lookup_host((host.as_str(), port))).await;
    let problem = match found {
        Ok(Ok(found)) => {
            let found: Vec<SocketAddr> = found.collect();
            if !found.is_empty() {
                let mut addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
                addresses.dedup();
                let list: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
                let text = match host.parse::<IpAddr>() {
                    Ok(_) => format!("{of_proxy}{host} is an IP address"),
                    Err(_) => format!("{of_proxy}{host} is {}", list.join(" and ")),
                };
                good(Step::Name, &text)?;
                open_port(&found, &of_proxy).await?;
                return Ok(addresses);
            }
            "it has no IP address".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let error = format!(
        "the name {of_proxy}{host} is not known: {problem}; check its spelling, and the network of this machine"
    );
    Err(failed(Step::Name, Error::Failed(error))?)
}

/// Connects to the first address that answers.
async fn open_port(addresses: &[SocketAddr], of_proxy: &str) -> Result<(), Error> {
    let mut problem = String::new();
    let mut tried = String::new();
    for address in addresses {
        let begin = Instant::now();
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                let time = milliseconds(begin.elapsed());
                return good(Step::Port, &format!("{of_proxy}{address} is open, {time}"));
            }
            Ok(Err(error)) => problem = error.to_string(),
            Err(_) => problem = format!("no answer within {} s", PATIENCE.as_secs()),
        }
        tried = address.to_string();
    }
    let error = format!(
        "{of_proxy}{tried} cannot be reached: {problem}; start the broker, check the port, or ask who runs the \
         firewall between it and this machine"
    );
    Err(failed(Step::Port, Error::Failed(error))?)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// The steps with the broker, which is reached.
struct Examination<'c> {
    connection: &'c Connection,
    address: Address,
    addresses: Vec<IpAddr>,
}

impl Examination<'_> {
    /// The steps for the module on a topic.
    async fn of_topic(&self, topic: &Topic) -> Result<(), Error> {
        let greeting = match greet_broker(self.address.clone(), topic).await {
            Ok(greeting) => greeting,
            Err(error) => return Err(self.refused(&error)?),
        };
        self.accepted()?;
        let builder = Caller::builder(topic.as_str()).address(self.address.clone());
        let connected = self
            .connection
            .connect(builder.timeout(MODULE_PATIENCE))
            .await;
        let caller = match connected {
            Ok(caller) => caller,
            Err(error) => return Err(failed(Step::Rights, error)?),
        };
        let text = format!("may send to the topic {topic}, and read the answers");
        good(Step::Rights, &text)?;
        let begin = Instant::now();
        let answered = caller.ping().await;
        let time = begin.elapsed();
        let asked = self.module(topic, answered, time).await;
        cli::close(caller).await;
        let module = asked?;
        self.compare(&greeting, module.as_ref().ok())?;
        module.map(drop)
    }

    /// The steps without a topic.
    async fn of_broker(&self) -> Result<(), Error> {
        match list_modules(self.address.clone()).await {
            Ok(modules) => {
                self.accepted()?;
                let mut topics: Vec<&str> = modules.iter().map(|it| it.topic.as_str()).collect();
                topics.dedup();
                let text = match topics.len() {
                    0 => "no module listens".to_owned(),
                    count if count > MAX_TOPICS => format!("modules listen on {count} topics"),
                    _ => format!("modules listen on {}", topics.join(", ")),
                };
                good(Step::Module, &text)?;
            }
            Err(ConnectError::Unsupported { .. }) => {
                skipped(
                    Step::Broker,
                    "it can be checked with a topic only; add -t TOPIC",
                )?;
            }
            Err(error) => return Err(self.refused(&error)?),
        }
        skipped(Step::Rights, "they belong to a topic; add -t TOPIC")
    }

    /// Prints what succeeded before the broker refused, and which step failed.
    fn refused(&self, error: &ConnectError) -> Result<Error, Error> {
        let step = match error {
            ConnectError::Tls { .. } => Step::Tls,
            ConnectError::Refused { status: 401, .. }
            | ConnectError::Rejected { code: 0x86, .. } => Step::Login,
            ConnectError::Refused { status: 403, .. }
            | ConnectError::Rejected { code: 0x87, .. } => Step::Rights,
            _ => Step::Broker,
        };
        if !matches!(step, Step::Tls) {
            self.tls()?;
        }
        if matches!(step, Step::Login | Step::Rights) {
            good(Step::Broker, "it answers")?;
        }
        failed(step, self.connection.with_advice(error))
    }

    /// Prints the steps that an accepted connection proves.
    fn accepted(&self) -> Result<(), Error> {
        self.tls()?;
        good(Step::Broker, "it answers")?;
        let text = if self.connection.has_login() {
            "the broker accepts it"
        } else {
            "none was sent, and the broker needs none"
        };
        good(Step::Login, text)
    }

    fn tls(&self) -> Result<(), Error> {
        let has_tls = broker_route(&self.address).is_ok_and(|route| route.has_tls);
        if has_tls {
            return good(
                Step::Tls,
                "the certificate is trusted, and belongs to the name",
            );
        }
        if self.addresses.iter().all(IpAddr::is_loopback) {
            return good(
                Step::Tls,
                "not used, and not necessary: the broker is on this machine",
            );
        }
        doubtful(
            Step::Tls,
            "not used: the network can read messages and tokens; use a wss:// URL, or --tls for a Pulsar",
        )
    }

    /// Prints who listens. Returns the version of the module, or the error if none answers.
    async fn module(
        &self,
        topic: &Topic,
        answered: Result<(), CallError>,
        time: Duration,
    ) -> Result<Result<String, Error>, Error> {
        let error = match answered {
            Ok(()) => {
                let listed = list_modules(self.address.clone()).await.unwrap_or_default();
                let mut listed = listed.into_iter().filter(|it| it.topic == topic.as_str());
                let first = listed.next();
                let (who, version) = match &first {
                    Some(it) if !it.name.is_empty() => {
                        (format!("{} {}", it.name, it.version), it.version.clone())
                    }
                    _ => ("a module".to_owned(), String::new()),
                };
                let host = first
                    .and_then(|it| it.host)
                    .map(|host| format!(" on {host}"));
                let more = match listed.count() {
                    0 => String::new(),
                    count => format!(", with {count} more on the topic"),
                };
                let host = host.unwrap_or_default();
                let text = format!("{who}{host} answers in {}{more}", milliseconds(time));
                good(Step::Module, &text)?;
                return Ok(Ok(version));
            }
            Err(CallError::Timeout { .. } | CallError::NobodyListens { .. }) => {
                Error::Failed(format!(
                    "no module answers on topic {topic}; start one with 'listen', or check the topic; 'dasf list' lists \
                     the topics with modules"
                ))
            }
            Err(error) => Error::failed(error),
        };
        Ok(Err(failed(Step::Module, error)?))
    }

    /// Compares versions and clocks.
    fn compare(&self, greeting: &BrokerGreeting, module: Option<&String>) -> Result<(), Error> {
        let own = env!("CARGO_PKG_VERSION");
        let mut versions = format!("dasf {own}");
        if let Some(version) = &greeting.version {
            versions.push_str(&format!(", dasf-broker {version}"));
        }
        if let Some(version) = module.filter(|version| !version.is_empty()) {
            versions.push_str(&format!(", the module {version}"));
        }
        match &greeting.version {
            Some(version) if series(version) != series(own) => {
                let text = format!("{versions}: update the older of dasf and dasf-broker");
                doubtful(Step::Versions, &text)?;
            }
            _ => good(Step::Versions, &versions)?,
        }
        let Some(time) = greeting.time else {
            return skipped(Step::Clock, "the broker does not tell its time");
        };
        let (apart, direction) = match SystemTime::now().duration_since(time) {
            Ok(behind) => (behind, "behind"),
            Err(error) => (error.duration(), "ahead of"),
        };
        if apart <= TOLERANCE {
            return good(
                Step::Clock,
                "the broker and this machine have the same time",
            );
        }
        let text = format!(
            "the clock of the broker is {} s {direction} that of this machine; tokens expire by the clock of the broker",
            apart.as_secs()
        );
        doubtful(Step::Clock, &text)
    }
}

/// Returns the part of a version that programs must have in common: `0.1` of `0.1.7`, and `2` of `2.3.4`.
fn series(version: &str) -> &str {
    let mut dots = version.match_indices('.').map(|(index, _)| index);
    let end = match version.starts_with("0.") {
        true => dots.nth(1),
        false => dots.next(),
    };
    version
        .get(..end.unwrap_or(version.len()))
        .unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_what_programs_must_have_in_common() {
        for (version, expected) in [
            ("0.1.7", "0.1"),
            ("0.1", "0.1"),
            ("2.3.4", "2"),
            ("7", "7"),
            ("", ""),
        ] {
            assert_eq!(series(version), expected);
        }
    }
}
