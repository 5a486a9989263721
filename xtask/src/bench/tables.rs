//! The tables of the report: what is measured with which systems.

use super::system::System;

/// A function that is called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Function {
    Add,
    Echo,
    Wait,
}

/// The calls of one measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) function: Function,
    pub(super) in_flight: u32,
    pub(super) clients: u32,
    /// The number of other topics at the broker, which other clients read.
    pub(super) topics: u32,
    /// The size of a text that is returned.
    pub(super) bytes: u32,
    /// Each call in flight is made once, and failures are counted.
    pub(super) once: bool,
    /// The measured time, and the time before it that does not count.
    pub(super) seconds: f64,
    pub(super) warm_up: f64,
}

impl Load {
    pub(super) const fn add(in_flight: u32, clients: u32) -> Self {
        Self {
            function: Function::Add,
            in_flight,
            clients,
            topics: 0,
            bytes: 0,
            once: false,
            seconds: 3.0,
            warm_up: 0.5,
        }
    }

    const fn among(topics: u32, in_flight: u32) -> Self {
        Self {
            topics,
            ..Self::add(in_flight, 1)
        }
    }

    const fn echo(bytes: u32) -> Self {
        Self {
            function: Function::Echo,
            bytes,
            ..Self::add(1, 1)
        }
    }

    const fn once(function: Function, in_flight: u32) -> Self {
        Self {
            function,
            once: true,
            ..Self::add(in_flight, 1)
        }
    }

    /// Returns the options of a caller.
    pub(super) fn options(&self) -> Vec<String> {
        let function = match self.function {
            Function::Add => "add",
            Function::Echo => "echo",
            Function::Wait => "wait",
        };
        let mut options = format!(
            "--function {function} --in-flight {} --clients {} --bytes {} --seconds {} --warm-up {}",
            self.in_flight, self.clients, self.bytes, self.seconds, self.warm_up
        );
        if self.once {
            options += " --once";
        }
        options.split(' ').map(str::to_owned).collect()
    }
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) load: Load,
    /// The row whose rate this row's rate is compared with.
    pub(super) base: usize,
}

const fn row(label: &'static str, load: Load) -> Row {
    Row {
        label,
        load,
        base: 0,
    }
}

/// A figure of which the report has a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum View {
    /// Calls per second.
    Rate,
    /// The rate as a share of that of the base row.
    RateToBase,
    /// The median latency.
    Median,
    /// The latency that 1 % of the calls exceed.
    Slowest,
    /// Processor time per call of each process, in microseconds.
    Processor,
    /// The same in milliseconds.
    ProcessorMillis,
    /// The highest memory of each process.
    Memory,
    /// Answered calls.
    Answered,
    /// The time of all calls together.
    Time,
    /// The time from the start of the first process.
    SinceStart,
}

/// Measurements that the report shows together.
#[derive(Debug)]
pub(super) struct Table {
    /// The name on the command line.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) first_column: &'static str,
    pub(super) rows: Vec<Row>,
    pub(super) systems: Vec<System>,
    pub(super) views: Vec<View>,
}

/// The systems that start quickly.
const QUICK: [System; 4] = [System::Dasf, System::Nats, System::Floor, System::Jsonrpsee];

impl Table {
    pub(super) fn all() -> Vec<Self> {
        vec![
            Self {
                name: "in-flight",
                title: "Small calls",
                first_column: "in flight",
                rows: vec![
                    row("1", Load::add(1, 1)),
                    row("16", Load::add(16, 1)),
                    row("64", Load::add(64, 1)),
                    row("256", Load::add(256, 1)),
                    row("1024", Load::add(1024, 1)),
                ],
                systems: QUICK.to_vec(),
                views: vec![
                    View::Rate,
                    View::Median,
                    View::Slowest,
                    View::Processor,
                    View::Memory,
                ],
            },
            Self {
                name: "clients",
                title: "Many clients",
                first_column: "calls and clients",
                rows: vec![
                    row("64 in flight, 1 client", Load::add(64, 1)),
                    row("64 in flight, 100 clients", Load::add(64, 100)),
                    row("64 in flight, 1,000 clients", Load::add(64, 1000)),
                    Row {
                        base: 3,
                        ..row("1 in flight, 1 client", Load::add(1, 1))
                    },
                    Row {
                        base: 3,
                        ..row("1 in flight, 100 clients", Load::add(1, 100))
                    },
                    Row {
                        base: 3,
                        ..row("1 in flight, 1,000 clients", Load::add(1, 1000))
                    },
                ],
                systems: QUICK.to_vec(),
                views: vec![
                    View::Rate,
                    View::RateToBase,
                    View::Median,
                    View::Processor,
                    View::Memory,
                ],
            },
            Self {
                name: "topics",
                title: "Many topics",
                first_column: "calls, and other topics that other clients read",
                rows: vec![
                    row("64 in flight, 0 topics", Load::among(0, 64)),
                    row("64 in flight, 100 topics", Load::among(100, 64)),
                    row("64 in flight, 1,000 topics", Load::among(1_000, 64)),
                    row("64 in flight, 10,000 topics", Load::among(10_000, 64)),
                ],
                systems: vec![System::Dasf, System::Floor],
                views: vec![View::Rate, View::RateToBase, View::Processor, View::Memory],
            },
            Self {
                name: "payloads",
                title: "Large payloads",
                first_column: "there and back",
                rows: vec![
                    row("100 B", Load::echo(100)),
                    row("1 kB", Load::echo(1_000)),
                    row("100 kB", Load::echo(100_000)),
                    row("1 MB", Load::echo(1_000_000)),
                    row("10 MB", Load::echo(10_000_000)),
                    row("50 MB", Load::echo(50_000_000)),
                ],
                systems: QUICK.to_vec(),
                views: vec![View::Median, View::ProcessorMillis, View::Memory],
            },
            Self {
                name: "waiting",
                title: "Calls that wait",
                first_column: "calls",
                rows: vec![row(
                    "1,000 at once that sleep 2 s",
                    Load::once(Function::Wait, 1000),
                )],
                systems: vec![System::Dasf, System::Nats, System::Jsonrpsee],
                views: vec![View::Answered, View::Time, View::Memory],
            },
            Self {
                name: "start",
                title: "Start",
                first_column: "calls",
                rows: vec![row("the first", Load::once(Function::Add, 1))],
                systems: QUICK.to_vec(),
                views: vec![View::SinceStart],
            },
            Self {
                name: "brokers",
                title: "Other brokers",
                first_column: "in flight",
                rows: vec![
                    row("1", Load::add(1, 1)),
                    row("16", Load::add(16, 1)),
                    row("64", Load::add(64, 1)),
                ],
                systems: vec![System::DjangoRust, System::DjangoPython, System::Pulsar],
                views: vec![View::Rate, View::Median, View::Slowest, View::Processor],
            },
        ]
    }
}
