//! A broker that is killed keeps what it has confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::link::Link;
use crate::program::{address, spawn};
use crate::support::PATIENCE;

/// The number of kills, if `DASF_CRASH_KILLS` does not say another one.
const KILLS: u32 = 25;

/// The messages that the producer has published without a confirmation, at most.
const WINDOW: u64 = 64;

/// What the peers of all runs know.
#[derive(Default)]
struct Known {
    /// The number of messages that were published.
    published: u64,
    confirmed: BTreeSet<u64>,
    /// How often each message was delivered.
    delivered: BTreeMap<u64, u32>,
    /// The messages whose acknowledgement is on the disk: the broker has confirmed something that it got
    /// later on the same link.
    done: BTreeSet<u64>,
}

fn start(directory: &Path) -> (Child, String) {
    let directory = directory.to_str().unwrap();
    let arguments = [
        "--bind",
        "127.0.0.1:0",
        "--data-dir",
        directory,
        "--log-level",
        "warn",
    ];
    let mut broker = spawn(&arguments);
    let address = address(&mut broker);
    (broker, address)
}

/// Adds to each file what a write leaves that the end of the power has torn.
fn tear(directory: &Path, random: &mut fastrand::Rng) {
    for file in ["messages.sqlite", "messages.sqlite-wal"] {
        let path = directory.join(file);
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        let mut torn = vec![0; random.usize(..6000)];
        random.fill(&mut torn);
        file.write_all(&torn).unwrap();
    }
}

/// Publishes messages until the broker is gone.
async fn produce(address: &str, known: &mut Known) {
    let Some(mut link) = Link::try_open(address, "/ws/other").await else {
        return;
    };
    let first = known.published;
    let mut confirmed = first;
    loop {
        while known.published - confirmed < WINDOW {
            let number = known.published.to_string();
            if !link.try_publish("work", number.as_bytes()).await {
                return;
            }
            known.published += 1;
        }
        let Some((header, _)) = link.try_next().await else {
            return;
        };
        assert_eq!(header["type"], "accepted", "{header}");
        let count = first + header["count"].as_u64().unwrap();
        known.confirmed.extend(confirmed..count);
        confirmed = count;
    }
}

/// Reads and acknowledges messages until the broker is gone, or none comes for a second.
async fn consume(address: &str, known: &mut Known) {
    let path = "/ws/work/reader?receiverQueueSize=20";
    let Some(mut link) = Link::try_open(address, path).await else {
        return;
    };
    // The message that each message of the topic `log` comes after.
    let mut logged: Vec<u64> = Vec::new();
    let mut confirmed = 0;
    while let Ok(Some((header, payload))) = timeout(Duration::from_secs(1), link.try_next()).await {
        match header["type"].as_str() {
            Some("message") => {
                let number: u64 = str::from_utf8(&payload).unwrap().parse().unwrap();
                assert!(!known.done.contains(&number), "{number} came again");
                *known.delivered.entry(number).or_default() += 1;
                let message: &Value = &header["message"];
                let acknowledge =
                    json!({"type": "acknowledge", "topic": "work", "messages": [message]});
                if !link.try_send(&acknowledge, b"").await
                    || !link.try_publish("log", &payload).await
                {
                    return;
                }
                logged.push(number);
            }
            Some("accepted") => {
                let count = usize::try_from(header["count"].as_u64().unwrap()).unwrap();
                known.done.extend(&logged[confirmed..count]);
                confirmed = count;
            }
            _ => panic!("{header}"),
        }
    }
}

#[tokio::test]
async fn a_killed_broker_keeps_what_it_has_confirmed() {
    let kills = env::var("DASF_CRASH_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let directory = TempDir::new().unwrap();
    let mut random = fastrand::Rng::with_seed(process::id().into());
    let (mut producing, mut consuming) = (Known::default(), Known::default());
    for _ in 0..kills {
        let (mut broker, address) = start(directory.path());
        let life = Duration::from_micros(random.u64(1_000..100_000));
        let killed = async {
            sleep(life).await;
            broker.kill().unwrap();
        };
        tokio::join!(
            killed,
            produce(&address, &mut producing),
            consume(&address, &mut consuming),
        );
        broker.wait().unwrap();
        tear(directory.path(), &mut random);
    }
    let (mut broker, address) = start(directory.path());
    timeout(PATIENCE, consume(&address, &mut consuming))
        .await
        .unwrap();
    broker.kill().unwrap();
    broker.wait().unwrap();
    let lost: Vec<_> = producing
        .confirmed
        .iter()
        .filter(|number| !consuming.delivered.contains_key(number))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(!consuming.done.is_empty());
    println!(
        "{kills} kills, {} messages confirmed of {}, {} acknowledgements confirmed of {}",
        producing.confirmed.len(),
        producing.published,
        consuming.done.len(),
        consuming.delivered.len()
    );
}

/// Runs a command of the system.
fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.unwrap().success());
}

/// A limit of the size of files stands for a full disk.
#[tokio::test]
async fn a_full_disk_refuses_messages_until_there_is_room() {
    const SIZE: usize = 100_000;
    let directory = TempDir::new().unwrap();
    let mut command = Command::new("sh");
    // Otherwise the limit ends the process.
    command.args([
        "-c",
        "trap '' XFSZ; exec \"$0\" --data-dir \"$1\" --bind 127.0.0.1:0 --max-backlog-messages 60",
    ]);
    command.args([env!("CARGO_BIN_EXE_dasf-broker")]);
    command
        .arg(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut broker = command.spawn().unwrap();
    let address = address(&mut broker);
    let pid = broker.id().to_string();
    run("prlimit", &["--pid", &pid, "--fsize=2000000:unlimited"]);
    let mut link = Link::try_open(&address, "/ws/other").await.unwrap();
    let mut publish = async |number: u8| {
        link.publish("work", &vec![number; SIZE]).await;
        link.send(&json!({"type": "confirm"}), b"").await;
        let (header, _) = link.next().await;
        if header["type"] == "refused" {
            let (accepted, _) = link.next().await;
            assert_eq!(accepted["count"], header["count"]);
        }
        header
    };
    let mut accepted = Vec::new();
    let refused = loop {
        let number = u8::try_from(accepted.len()).unwrap();
        let header = publish(number).await;
        if header["type"] == "refused" {
            break header;
        }
        accepted.push(number);
    };
    assert!((5..50).contains(&accepted.len()));
    let is_right = |refused: &Value| {
        let reason = refused["reason"].as_str().unwrap();
        reason.contains("cannot write the message to its disk")
    };
    assert!(is_right(&refused), "{refused}");
    // Refused messages take no room from others.
    for _ in 0..100 {
        let refused = publish(201).await;
        assert!(is_right(&refused), "{refused}");
    }
    run("prlimit", &["--pid", &pid, "--fsize=unlimited"]);
    let header = publish(200).await;
    assert_eq!(header["type"], "accepted", "{header}");
    accepted.push(200);

    broker.kill().unwrap();
    broker.wait().unwrap();
    let (mut broker, address) = start(directory.path());
    let mut reader = Link::try_open(&address, "/ws/work/reader").await.unwrap();
    for number in accepted {
        let (_, payload) = reader.next().await;
        assert!(payload == vec![number; SIZE], "{number}");
    }
    broker.kill().unwrap();
    broker.wait().unwrap();
}
