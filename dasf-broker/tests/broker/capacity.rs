//! How much may wait on the disk.

use std::env;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::link::Link;
use crate::program::{address, spawn};
use crate::support::peak_memory;

/// The megabytes that wait, if `DASF_CAPACITY_MB` does not say another number.
const MEGABYTES: u64 = 300;

/// The largest memory of the broker, if not very many messages wait.
const MAX_MEMORY: u64 = 200_000_000;

/// The memory of the broker without messages, and of each message, if very many wait.
const BASE_MEMORY: u64 = 120_000_000;
const MESSAGE_MEMORY: u64 = 400;

/// The time from the start of a broker with one gigabyte to its first delivery.
const MAX_START_PER_GIGABYTE: Duration = Duration::from_secs(5);

/// The time that a start may take in any case, for example beside other tests.
const MIN_START: Duration = Duration::from_secs(2);

/// The size of a message, if `DASF_CAPACITY_MESSAGE` does not say another number.
const MESSAGE: u64 = 100_000;

/// The messages without a confirmation.
const WINDOW: u64 = 64;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |number| number.parse().unwrap())
}

fn start(directory: &TempDir, messages: u64) -> (Child, String) {
    let messages = (messages + 1).to_string();
    let arguments = [
        "--bind",
        "127.0.0.1:0",
        "--data-dir",
        directory.path().to_str().unwrap(),
        "--max-backlog-messages",
        &messages,
        "--max-backlog-bytes",
        "1000000000000",
    ];
    let mut broker = spawn(&arguments);
    let address = address(&mut broker);
    (broker, address)
}

fn kill(mut broker: Child) {
    broker.kill().unwrap();
    broker.wait().unwrap();
}

/// Much waits, the broker is killed, and the next one delivers. Neither has the contents in memory.
#[tokio::test]
async fn what_waits_on_the_disk_needs_little_memory_and_no_time_at_a_start() {
    let size = number("DASF_CAPACITY_MESSAGE", MESSAGE);
    let bytes = number("DASF_CAPACITY_MB", MEGABYTES) * 1_000_000;
    let messages = bytes / size;
    let directory = TempDir::new().unwrap();
    let (broker, address) = start(&directory, messages);
    let begun = Instant::now();
    let mut link = Link::open_at(&address, "/ws/other").await;
    let mut payload = vec![7; usize::try_from(size).unwrap()];
    let mut confirmed = 0;
    for number in 0..messages {
        payload[..8].copy_from_slice(&number.to_be_bytes());
        link.publish("work", &payload).await;
        if (number + 1) % (WINDOW / 2) == 0 || number + 1 == messages {
            link.send(&json!({"type": "confirm"}), b"").await;
        }
        while number + 1 - confirmed >= WINDOW || number + 1 == messages && confirmed < messages {
            let (header, _) = link.next().await;
            assert_eq!(header["type"], "accepted", "{header}");
            confirmed = header["count"].as_u64().unwrap();
        }
    }
    let written = begun.elapsed();
    let memory_of_writing = peak_memory(&broker);
    drop(link);
    kill(broker);

    let begun = Instant::now();
    let (broker, address) = start(&directory, messages);
    let mut link = Link::open_at(&address, "/ws/work/reader").await;
    let mut first = None;
    for number in 0..messages {
        let (header, received) = loop {
            let (header, received) = link.next().await;
            if header["type"] == "message" {
                break (header, received);
            }
        };
        first.get_or_insert_with(|| begun.elapsed());
        assert_eq!(received[..8], number.to_be_bytes());
        assert_eq!(received.len(), payload.len());
        let message = &header["message"];
        let acknowledge = json!({"type": "acknowledge", "topic": "work", "messages": [message]});
        link.send(&acknowledge, b"").await;
    }
    let (first, read) = (first.unwrap(), begun.elapsed());
    let memory_of_reading = peak_memory(&broker);
    kill(broker);
    println!(
        "{messages} messages of {size} B: written in {written:.1?} with {} MB; after a restart, the first \
         after {first:.2?}, all after {read:.1?} with {} MB",
        memory_of_writing / 1_000_000,
        memory_of_reading / 1_000_000,
    );
    let gigabytes = bytes as f64 / 1e9;
    let max_start = MAX_START_PER_GIGABYTE.mul_f64(gigabytes).max(MIN_START);
    assert!(first < max_start, "{first:?}");
    let max_memory = MAX_MEMORY.max(BASE_MEMORY + messages * MESSAGE_MEMORY);
    assert!(memory_of_writing < max_memory && memory_of_reading < max_memory);
}
