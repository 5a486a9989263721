//! A broker that the tests kill and start again at its port.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dasf_test_support::brokers::mosquitto::Mosquitto;
use dasf_test_support::brokers::pulsar::{Pulsar, Setup};
use dasf_test_support::process::free_ports;
use dasf_test_support::soon;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::memory;

/// A kind of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The embedded broker, as a process that keeps its messages on the disk. Each program has one link.
    Kept,
    /// The embedded broker, as a process that forgets everything when it ends. Each topic has a socket of its own.
    Forgetful,
    /// A Mosquitto that keeps its sessions.
    Mosquitto,
    /// A Pulsar with persistent topics. It starts slowly, so it is killed more rarely than the others.
    Pulsar,
}

impl Kind {
    /// Returns the kind as the argument of a caller.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kept | Self::Forgetful => "websocket",
            Self::Mosquitto => "mqtt",
            Self::Pulsar => "pulsar",
        }
    }

    /// Returns how many kills of other brokers there are for one kill of this one.
    pub(crate) fn rarity(self) -> u8 {
        match self {
            Self::Kept | Self::Forgetful | Self::Mosquitto => 1,
            Self::Pulsar => 8,
        }
    }

    /// Returns the options of a module that connects to a port.
    pub(crate) fn options(self, port: u16) -> Vec<String> {
        let options = match self {
            Self::Kept | Self::Forgetful => format!("--websocket-url ws://127.0.0.1:{port}/ws"),
            Self::Mosquitto => format!("--mqtt-url ws://127.0.0.1:{port}/mqtt"),
            Self::Pulsar => format!("--host 127.0.0.1 --port {port} --persistent persistent"),
        };
        options.split(' ').map(str::to_owned).collect()
    }
}

/// A broker that runs.
pub(crate) struct Broker {
    kind: Kind,
    port: u16,
    folder: PathBuf,
    process: Running,
    /// How often it was killed.
    pub(crate) kills: u32,
}

enum Running {
    Embedded(Child),
    Mosquitto(Option<Mosquitto>),
    Pulsar {
        /// `None` while it starts again.
        process: Option<Pulsar>,
        _turn: MutexGuard<'static, ()>,
    },
}

/// A Pulsar needs so much memory that only one runs at a time.
static TURN: Mutex<()> = Mutex::const_new(());

impl Broker {
    /// Starts a broker with its files in a folder.
    pub(crate) async fn start(kind: Kind, folder: &Path) -> Self {
        let folder = folder.join("broker");
        std::fs::create_dir(&folder).unwrap();
        let [mut port] = free_ports();
        let process = match kind {
            Kind::Kept => Running::Embedded(spawn(port, Some(&folder))),
            Kind::Forgetful => Running::Embedded(spawn(port, None)),
            Kind::Mosquitto => Running::Mosquitto(Some(mosquitto(port, &folder).await)),
            Kind::Pulsar => {
                let turn = TURN.lock().await;
                let start = || Pulsar::start("faults", &Setup::default());
                let process = spawn_blocking(start).await.unwrap();
                port = process.port();
                Running::Pulsar {
                    process: Some(process),
                    _turn: turn,
                }
            }
        };
        let broker = Self {
            kind,
            port,
            folder,
            process,
            kills: 0,
        };
        broker.listens().await;
        broker
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn socket(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Returns the resident memory, if the broker is of this project.
    pub(crate) fn memory(&self) -> Option<u64> {
        match &self.process {
            Running::Embedded(process) => Some(memory::of(process.id())),
            Running::Mosquitto(_) | Running::Pulsar { .. } => None,
        }
    }

    /// Kills the broker, and starts it again.
    pub(crate) async fn restart(&mut self) {
        match &mut self.process {
            Running::Embedded(process) => {
                process.kill().unwrap();
                process.wait().unwrap();
                let folder = Some(&*self.folder).filter(|_| self.kind == Kind::Kept);
                *process = spawn(self.port, folder);
            }
            Running::Mosquitto(process) => {
                // The port must be free before the next one starts.
                drop(process.take());
                *process = Some(mosquitto(self.port, &self.folder).await);
            }
            Running::Pulsar { process, .. } => {
                let mut pulsar = process.take().unwrap();
                let restart = move || {
                    pulsar.restart();
                    pulsar
                };
                *process = Some(spawn_blocking(restart).await.unwrap());
            }
        }
        self.kills += 1;
        self.listens().await;
    }

    /// Waits until the broker accepts connections.
    async fn listens(&self) {
        let listens = async {
            while TcpStream::connect(self.socket()).is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        soon("the broker", listens).await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Running::Embedded(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Starts an embedded broker that keeps its messages in a folder, if there is one.
fn spawn(port: u16, folder: Option<&Path>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_broker"));
    command
        .arg(port.to_string())
        .args(folder)
        .envs([memory::ONE_ARENA])
        .stdin(Stdio::null());
    command.spawn().unwrap()
}

async fn mosquitto(port: u16, folder: &Path) -> Mosquitto {
    let folder = folder.display();
    let lines = format!(
        "allow_anonymous true\npersistence true\npersistence_location {folder}/\nautosave_interval 1\n\
         autosave_on_changes true\n"
    );
    Mosquitto::start(port, lines).await
}
