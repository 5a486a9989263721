//! A program that makes numbered calls, or submits numbered jobs, and prints when each begins and how it ends.
//!
//! | line | meaning |
//! |---|---|
//! | `began NUMBER` | the call begins |
//! | `ended NUMBER MILLISECONDS answered` | it has its own answer |
//! | `ended NUMBER MILLISECONDS wrong` | it has another answer |
//! | `ended NUMBER MILLISECONDS KIND: TEXT` | it has an error |
//! | `memory BYTES BYTES` | at the end: the resident memory after the first calls, and after the last one |

// A program of tests panics when it fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use dasf::broker::{Persistence, PulsarAddress};
use dasf::{Address, CallError};
use dasf_test_faults::{ASKING, GROUP, ONCE, answer, numbered, text};
use tokio::task::JoinSet;

/// The number of calls after which the memory is that of a program that works.
const FIRST: u64 = 200;

/// How long a program waits for the result of a job before it asks again.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The longest pause of a function, in milliseconds.
const LONGEST: u64 = 20;

/// The arguments of the program.
struct Arguments {
    /// The kind of the broker: `websocket`, `mqtt` or `pulsar`.
    kind: String,
    port: u16,
    /// How the topics end.
    topics: String,
    /// The first number.
    first: u64,
    /// The number after the last one.
    end: u64,
    /// The calls at one time.
    at_once: usize,
    /// The time from a call to the next one.
    interval: Duration,
    timeout: Duration,
    /// Whether it waits until each topic answers.
    settles: bool,
    /// Whether it submits jobs.
    submits: bool,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next().expect("another argument");
        fn number<T: FromStr>(text: &str) -> T {
            text.parse()
                .unwrap_or_else(|_| panic!("not a number: {text}"))
        }
        Self {
            kind: next(),
            port: number(&next()),
            topics: next(),
            first: number(&next()),
            end: number(&next()),
            at_once: number(&next()),
            interval: Duration::from_millis(number(&next())),
            timeout: Duration::from_millis(number(&next())),
            settles: next() == "settle",
            submits: next() == "jobs",
        }
    }

    fn address(&self) -> Address {
        let port = self.port;
        match &*self.kind {
            "websocket" => Address::websocket(&format!("ws://127.0.0.1:{port}/ws")),
            "mqtt" => Address::mqtt(&format!("ws://127.0.0.1:{port}/mqtt")),
            "pulsar" => Address::try_from(
                PulsarAddress::default()
                    .host("127.0.0.1")
                    .port(port)
                    .persistence(Persistence::Persistent),
            ),
            kind => panic!("no kind of broker: {kind}"),
        }
        .unwrap()
    }
}

/// Prints a line. It is out when this returns, even if the process is killed.
fn print(line: impl Display) {
    let line = format!("{line}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// Connects, as often as the broker is not there.
async fn connect(address: &Address, topic: &str, timeout: Duration) -> numbered::Client {
    loop {
        let builder = numbered::Client::builder().topic(topic).timeout(timeout);
        match builder.address(address.clone()).connect().await {
            Ok(client) => return client,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn call(client: &numbered::Client, number: u64) -> Result<String, CallError> {
    let pause = match number % 3 {
        0 => number % LONGEST,
        _ => 0,
    };
    match number % 4 {
        0 | 1 => client.run(number, pause, &text(number)).await,
        _ => client.run_in_task(number, pause, text(number)).await,
    }
}

/// Returns the text of a job. Its request is one message, and over MQTT, only a small result can be read by two
/// programs, one after the other.
fn text_of_job(kind: &str, number: u64) -> String {
    match kind {
        "mqtt" => text(number % 40),
        _ => text(number % 400),
    }
}

/// Submits a job under its number, again if that fails, and waits for its result. Another program with the same
/// number has the same job.
async fn job(
    client: &numbered::Client,
    number: u64,
    text: &str,
    deadline: Instant,
) -> Result<String, CallError> {
    let may_retry = || Instant::now() < deadline;
    let job = loop {
        let submit = client.run(number, number % LONGEST, text).submit();
        match submit.key(&number.to_string()).await {
            Ok(job) => break job,
            Err(_) if may_retry() => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => return Err(error),
        }
    };
    loop {
        match job.result().timeout(ATTEMPT).await {
            Err(CallError::Module(failure)) => return Err(failure.into()),
            Err(_) if may_retry() => tokio::time::sleep(Duration::from_millis(100)).await,
            outcome => return outcome,
        }
    }
}

/// Makes a call or submits a job, and prints how it ends.
async fn report(client: numbered::Client, number: u64, job_of: Option<(String, Duration)>) {
    print(format_args!("began {number}"));
    let begun = Instant::now();
    let (outcome, text) = match job_of {
        Some((text, timeout)) => {
            let outcome = job(&client, number, &text, begun + timeout).await;
            (outcome, text)
        }
        None => (call(&client, number).await, text(number)),
    };
    let took = begun.elapsed().as_millis();
    match outcome {
        Ok(it) if it == answer(number, &text) => {
            print(format_args!("ended {number} {took} answered"));
        }
        Ok(_) => print(format_args!("ended {number} {took} wrong")),
        Err(error) => print(format_args!(
            "ended {number} {took} {}: {error}",
            kind(&error)
        )),
    }
}

/// Returns the kind of an error.
fn kind(error: &CallError) -> &'static str {
    match error {
        CallError::Timeout { .. } => "Timeout",
        CallError::Disconnected { .. } => "Disconnected",
        CallError::Module(_) => "Module",
        CallError::NobodyListens { .. } => "NobodyListens",
        CallError::Refused { .. } => "Refused",
        CallError::NotSent { .. } => "NotSent",
        CallError::Payload(_) => "Payload",
        CallError::Fragments(_) => "Fragments",
        CallError::Decode { .. } => "Decode",
        CallError::ResponseTooLarge { .. } => "ResponseTooLarge",
        CallError::RequestTooLarge { .. } => "RequestTooLarge",
        CallError::NotDone { .. } => "NotDone",
        CallError::NoJob { .. } => "NoJob",
        _ => "Other",
    }
}

/// Returns the resident memory, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes.map_or(0, |it| it.parse::<u64>().unwrap() << 10)
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::read();
    let address = arguments.address();
    // A request to a group runs at least once, and one to a module without a group at most once.
    let client = async |topic: &str| {
        let topic = format!("{topic}{}", arguments.topics);
        // A job is tried again until its own timeout.
        let timeout = match arguments.submits {
            true => ATTEMPT,
            false => arguments.timeout,
        };
        connect(&address, &topic, timeout).await
    };
    let clients = [client(ONCE).await, client(GROUP).await];
    if arguments.settles {
        for client in &clients {
            while call(client, ASKING).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let mut calls = JoinSet::new();
    let mut rest = 0;
    for number in arguments.first..arguments.end {
        if calls.len() >= arguments.at_once {
            calls.join_next().await;
        }
        if number == arguments.first + FIRST {
            rest = memory();
        }
        tokio::time::sleep(arguments.interval).await;
        // An MQTT broker keeps requests for groups only.
        let client = match arguments.submits && arguments.kind == "mqtt" {
            true => &clients[1],
            false => &clients[(number % 2) as usize],
        };
        let client = client.clone();
        let job = arguments.submits.then(|| {
            let text = text_of_job(&arguments.kind, number);
            (text, arguments.timeout)
        });
        calls.spawn(report(client, number, job));
    }
    calls.join_all().await;
    if rest > 0 {
        print(format_args!("memory {rest} {}", memory()));
    }
    ExitCode::SUCCESS
}
