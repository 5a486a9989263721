//! The measured systems: which processes each of them has, and how they start.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::processes::{Running, command};
use super::programs::{COMPARE, Programs};
use super::tables::{Function, Load};
use crate::output::websocket_url;
use crate::steps::root;

/// The time until a process must be ready. Apache Pulsar needs the most.
const START_LIMIT: Duration = Duration::from_secs(180);
/// The topic of the modules.
const TOPIC: &str = "bench";
/// By default, there are fewer connections, and fewer of one address.
const DASF_BROKER: &str =
    "--bind 127.0.0.1:0 --max-connections 16384 --max-connections-per-address 16384";
/// The largest message of NATS is 1 MiB by default.
const NATS_SETTINGS: &str = "listen: \"127.0.0.1:-1\"\nmax_payload: 67108864\n";

/// A way to call a function of another process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum System {
    /// Module and client of dasf over its broker.
    Dasf,
    /// Request and reply of NATS.
    Nats,
    /// The frames of dasf between three programs that parse nothing.
    Floor,
    /// `jsonrpsee`, which has no broker.
    Jsonrpsee,
    /// Module and client of dasf over the Django broker.
    DjangoRust,
    /// Module and client in Python over the Django broker.
    DjangoPython,
    /// Module and client of dasf over Apache Pulsar.
    Pulsar,
}

impl System {
    pub(super) const ALL: [Self; 7] = [
        Self::Dasf,
        Self::Nats,
        Self::Floor,
        Self::Jsonrpsee,
        Self::DjangoRust,
        Self::DjangoPython,
        Self::Pulsar,
    ];

    /// Returns the name for readers.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Dasf => "dasf",
            Self::Nats => "NATS",
            Self::Floor => "floor",
            Self::Jsonrpsee => "jsonrpsee",
            Self::DjangoRust => "Django, Rust",
            Self::DjangoPython => "Django, Python",
            Self::Pulsar => "Pulsar, Rust",
        }
    }

    /// Returns the name on the command line.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Dasf => "dasf",
            Self::Nats => "nats",
            Self::Floor => "floor",
            Self::Jsonrpsee => "jsonrpsee",
            Self::DjangoRust => "django-rust",
            Self::DjangoPython => "django-python",
            Self::Pulsar => "pulsar",
        }
    }

    /// Returns whether the broker is one that the tests start, too. It starts slowly, so all
    /// measurements use the same process.
    pub(super) fn has_a_broker_of_the_tests(self) -> bool {
        matches!(self, Self::DjangoRust | Self::DjangoPython | Self::Pulsar)
    }

    /// Starts the broker, and returns its address.
    pub(super) fn start_broker(self, programs: &Programs) -> io::Result<Option<(Running, String)>> {
        let mut command = match self {
            Self::Jsonrpsee => return Ok(None),
            Self::Dasf => with(programs.own("dasf-broker"), DASF_BROKER),
            Self::Floor => with(programs.own("bench-floor"), "broker"),
            Self::Nats => {
                let settings = programs.file("nats.conf");
                fs::write(&settings, NATS_SETTINGS)?;
                let mut command = command("nats-server");
                command.arg("--config").arg(settings);
                command
            }
            Self::DjangoRust | Self::DjangoPython => {
                with(programs.own("bench-broker"), &format!("django {TOPIC}"))
            }
            Self::Pulsar => with(programs.own("bench-broker"), "pulsar"),
        };
        let mut broker = Running::start("broker", &mut command)?;
        let address = broker.wait_for(START_LIMIT, |line| match self {
            Self::Nats => nats_url(line),
            Self::Pulsar => line.strip_prefix("port ").map(str::to_owned),
            _ => websocket_url(line),
        })?;
        Ok(Some((broker, address)))
    }

    /// Starts the server, and returns the address for its callers.
    pub(super) fn start_server(
        self,
        programs: &Programs,
        address: &str,
        function: Function,
    ) -> io::Result<(Running, String)> {
        let module = match function {
            Function::Add => "arithmetic",
            Function::Echo | Function::Wait => "bench-module",
        };
        let mut command = match self {
            Self::Dasf | Self::DjangoRust | Self::Pulsar => {
                let options = match self {
                    Self::Pulsar => format!("--host 127.0.0.1 --port {address}"),
                    _ => format!("--websocket-url {address}"),
                };
                with(
                    programs.own(module),
                    &format!("{options} -t {TOPIC} listen"),
                )
            }
            Self::DjangoPython => {
                let mut command = python("tests/interop/python/reference_module.py");
                command.args(["-t", TOPIC, "--websocket-url", address, "listen"]);
                command
            }
            Self::Floor => {
                let options = format!("server --websocket-url {address}");
                with(programs.own("bench-floor"), &options)
            }
            Self::Nats => {
                let options = format!("server --url {address}");
                with(programs.compared("bench-nats"), &options)
            }
            Self::Jsonrpsee => with(programs.compared("bench-jsonrpsee"), "server"),
        };
        let mut server = Running::start("server", &mut command)?;
        let address = server.wait_for(START_LIMIT, |line| match self {
            Self::Jsonrpsee => websocket_url(line),
            Self::DjangoPython => line.contains("connected").then(|| address.to_owned()),
            Self::Floor | Self::Nats => (line == "ready").then(|| address.to_owned()),
            _ => line.contains("listening").then(|| address.to_owned()),
        })?;
        Ok((server, address))
    }

    /// Returns the command of the caller.
    pub(super) fn caller(self, programs: &Programs, address: &str, load: &Load) -> Command {
        let mut command = match self {
            Self::Dasf | Self::DjangoRust => {
                let options = format!("--topic {TOPIC} --websocket-url {address}");
                with(programs.own("bench-dasf"), &options)
            }
            Self::Pulsar => {
                let options = format!("--topic {TOPIC} --pulsar {address}");
                with(programs.own("bench-dasf"), &options)
            }
            Self::DjangoPython => {
                let mut command = python(&format!("{COMPARE}/caller.py"));
                command.args(["--topic", TOPIC, "--websocket-url", address]);
                command
            }
            Self::Floor => {
                let options = format!("caller --websocket-url {address}");
                with(programs.own("bench-floor"), &options)
            }
            Self::Nats => {
                let options = format!("caller --url {address}");
                with(programs.compared("bench-nats"), &options)
            }
            Self::Jsonrpsee => {
                let options = format!("caller --url {address}");
                with(programs.compared("bench-jsonrpsee"), &options)
            }
        };
        command.args(load.options());
        command
    }
}

/// Returns the command of a program with options that contain no spaces.
fn with(program: PathBuf, options: &str) -> Command {
    let mut command = command(program);
    command.args(options.split(' '));
    command
}

/// Returns the command of a script, with the packages of the tests.
fn python(script: &str) -> Command {
    let root = root();
    let mut command = command(root.join("target/python/bin/python"));
    command
        .arg(root.join(script))
        .env("PYTHONWARNINGS", "ignore")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Reads the address in the log of `nats-server`.
fn nats_url(line: &str) -> Option<String> {
    let (_, address) = line.split_once("Listening for client connections on ")?;
    Some(format!("nats://{}", address.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_nats_is_read() {
        let line =
            "[7] 2026/01/02 03:04:05.67 [INF] Listening for client connections on 127.0.0.1:4711";
        assert_eq!(nats_url(line).as_deref(), Some("nats://127.0.0.1:4711"));
        assert_eq!(nats_url("[7] [INF] Server is ready"), None);
    }
}
