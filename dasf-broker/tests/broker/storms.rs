//! One user makes a storm, and another one does not notice it.
//!
//! Each broker is a process of its own, as users run it. A thread of its own measures how long messages of the
//! other user take, first at rest and then during the storm.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::access::text_of;
use crate::link::Link;
use crate::program::{address, command};
use crate::support::{Peer, peak_memory};

/// How often longer a message may take during a storm than at rest.
const MAX_FACTOR: u32 = 3;

/// A time that a message may take in any case: on a machine with two busy cores, the broker, the probe and the
/// storm each wait for one, at most for some slices of the scheduler.
const FLOOR: Duration = Duration::from_millis(2);

/// The number of messages that are measured at rest, and at least during a storm.
const SAMPLES: usize = 100;

/// How long a storm lasts that does not end by itself.
const DURATION: Duration = Duration::from_secs(2);

/// One storm at a time: it would disturb the measurement of the next one.
static ALONE: Mutex<()> = Mutex::new(());

struct Storm {
    broker: Child,
    address: String,
    _config: NamedTempFile,
    _alone: MutexGuard<'static, ()>,
}

impl Storm {
    /// Starts a broker. Eve has these limits.
    fn new(limits: &str, options: &[&str]) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        allow_many_files();
        const RIGHTS: &str = "call = [\"*\"]\nserve = [\"*\"]";
        let users = text_of(&[("eve", RIGHTS), ("probe", RIGHTS)]);
        let config = NamedTempFile::new().unwrap();
        fs::write(&config, format!("{users}[users.eve.limits]\n{limits}\n")).unwrap();
        let path = config.path().to_str().unwrap().to_owned();
        let fixed = ["--bind", "127.0.0.1:0", "--config", &path];
        let mut command = command(&[&fixed, options].concat());
        // Otherwise its memory would depend on the number of cores.
        command.env("MALLOC_ARENA_MAX", "2");
        let mut broker = command.spawn().unwrap();
        let address = address(&mut broker);
        Self {
            broker,
            address,
            _config: config,
            _alone: alone,
        }
    }

    fn url(&self, path: &str, user: &str) -> String {
        format!("ws://{}{path}?token={user}", self.address)
    }

    async fn socket(&self, path: &str) -> Peer {
        let (socket, _) = connect_async(self.url(path, "eve")).await.unwrap();
        Peer(socket)
    }

    async fn link(&self) -> Link {
        let mut request = self.url("/ws/any", "eve").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("dasf-link", "1".parse().unwrap());
        Link(Peer(connect_async(request).await.unwrap().0))
    }

    /// Makes a storm, and checks that the messages of another user take no longer.
    async fn spares_others<T>(&self, name: &str, storm: impl Future<Output = T>) -> T {
        let mut probe = Probe::new(self);
        let (mut probe, rest) = spawn_blocking(move || {
            let rest: Vec<_> = (0..SAMPLES).map(|_| probe.sample()).collect();
            (probe, median(rest))
        })
        .await
        .unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let measured = spawn_blocking({
            let is_over = is_over.clone();
            move || {
                let mut samples = Vec::new();
                while !is_over.load(Ordering::Relaxed) || samples.len() < SAMPLES {
                    samples.push(probe.sample());
                }
                median(samples)
            }
        });
        let result = storm.await;
        is_over.store(true, Ordering::Relaxed);
        let during = measured.await.unwrap();
        let max = (rest * MAX_FACTOR).max(FLOOR);
        assert!(
            during < max,
            "{name}: {rest:?} at rest, {during:?} in the storm"
        );
        result
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = self.broker.kill();
        let _ = self.broker.wait();
    }
}

/// Permits this process, and the brokers that it starts, as many sockets as the system permits at all.
fn allow_many_files() {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let hard = files.unwrap().split_whitespace().nth(4).unwrap();
    let this = std::process::id().to_string();
    let change = ["--pid", &this, &format!("--nofile={hard}:{hard}")];
    assert!(
        Command::new("prlimit")
            .args(change)
            .status()
            .unwrap()
            .success()
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Sends messages to itself. It has a thread of its own, because the storm is busy with itself.
struct Probe {
    producer: WebSocket<MaybeTlsStream<TcpStream>>,
    consumer: WebSocket<MaybeTlsStream<TcpStream>>,
}

impl Probe {
    fn new(storm: &Storm) -> Self {
        let connect = |path| tungstenite::connect(storm.url(path, "probe")).unwrap().0;
        Self {
            consumer: connect("/ws/probe/s"),
            producer: connect("/ws/probe"),
        }
    }

    /// Returns how long a message takes.
    fn sample(&mut self) -> Duration {
        let begin = Instant::now();
        let frame = json!({"payload": "x", "context": 1});
        self.producer
            .send(Message::text(frame.to_string()))
            .unwrap();
        let delivery = next(&mut self.consumer);
        let took = begin.elapsed();
        let id = &delivery["messageId"];
        let acknowledgement = json!({"messageId": id}).to_string();
        self.consumer.send(Message::text(acknowledgement)).unwrap();
        assert_eq!(next(&mut self.producer)["result"], "ok");
        // The samples spread over the storm. Nothing is awaited here.
        std::thread::sleep(Duration::from_millis(2));
        took
    }
}

fn next(socket: &mut WebSocket<MaybeTlsStream<TcpStream>>) -> Value {
    loop {
        match socket.read().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Publishes frames as fast as it can, for some time, and reads the receipts. Returns the numbers of accepted
/// and of refused messages, and the reason of a refusal.
async fn flood(socket: Peer, payload: usize) -> (usize, usize, String) {
    let frame = Message::text(json!({"payload": "x".repeat(payload)}).to_string());
    let (mut sink, mut stream) = socket.0.split();
    let end = tokio::time::Instant::now() + DURATION;
    let sending = async {
        // The socket no longer takes frames when the broker does not read them.
        let send = async { while sink.send(frame.clone()).await.is_ok() {} };
        let _ = tokio::time::timeout_at(end, send).await;
    };
    let (mut accepted, mut refused, mut reason) = (0, 0, String::new());
    let receiving = async {
        let receive = async {
            while let Some(Ok(message)) = stream.next().await {
                let Message::Text(receipt) = message else {
                    continue;
                };
                let receipt: Value = serde_json::from_str(&receipt).unwrap();
                match receipt["result"].as_str().unwrap() {
                    "ok" => accepted += 1,
                    other => {
                        refused += 1;
                        other.clone_into(&mut reason);
                    }
                }
            }
        };
        let _ = tokio::time::timeout_at(end, receive).await;
    };
    tokio::join!(sending, receiving);
    (accepted, refused, reason)
}

#[tokio::test]
async fn a_publisher_that_floods_gets_its_share() {
    const RATE: usize = 2000;
    let storm = Storm::new(&format!("max_messages_per_second = {RATE}"), &[]);
    let mut floods = Vec::new();
    for topic in ["a", "b", "c", "d"] {
        let path = format!("/ws/{topic}");
        floods.push(flood(storm.socket(&path).await, 100));
    }
    let flooded = futures_util::future::join_all(floods);
    let flooded = storm.spares_others("a flood", flooded).await;
    let accepted: usize = flooded.iter().map(|it| it.0).sum();
    // The bucket is full at the begin, and the time of a busy machine is a little longer.
    let max = RATE * (DURATION.as_secs() as usize + 2);
    assert!((RATE..max).contains(&accepted), "{accepted}");
    assert!(flooded.iter().all(|it| it.1 == 0), "{flooded:?}");
}

#[tokio::test]
async fn a_reader_that_never_reads_costs_only_its_own_user() {
    let limits = "max_memory = \"8 MiB\"\nmax_messages_per_second = 2000";
    let storm = Storm::new(limits, &[]);
    let before = peak_memory(&storm.broker);
    let _reader = storm.socket("/ws/unread/s").await;
    let socket = storm.socket("/ws/unread").await;
    let (accepted, refused, reason) = storm
        .spares_others("a reader that never reads", flood(socket, 10_000))
        .await;
    assert!(accepted > 500 && refused > 0, "{accepted} {refused}");
    assert!(
        reason.contains("8388608 bytes, the limit max_memory of user eve"),
        "{reason}"
    );
    // What waits in the sockets comes on top.
    let grown = peak_memory(&storm.broker) - before;
    assert!(grown < 64 << 20, "{grown}");
}

/// The largest memory of the broker with that many connections, in bytes.
const IDLE: usize = 10_000;
const MAX_IDLE_MEMORY: u64 = 200_000_000;

/// Each reads a topic of its own, as clients do.
#[tokio::test]
async fn ten_thousand_idle_connections_cost_little() {
    let options = [
        "--max-connections",
        "11000",
        "--max-connections-per-address",
        "11000",
        // These peers answer no pings.
        "--ping-interval",
        "600",
    ];
    let limits = format!("max_connections = {IDLE}");
    let storm = Storm::new(&limits, &options);
    let address = storm.address.clone();
    let open = move |number: usize| {
        let mut peer = TcpStream::connect(&address).unwrap();
        let request = format!(
            "GET /ws/idle-{number}/s?token=eve HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\ndasf-link: 1\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        peer.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut part = [0; 1024];
        while !answer.ends_with(b"\r\n\r\n") {
            let read = peer.read(&mut part).unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&part[..read]);
            if answer.starts_with(b"HTTP/1.1 4") {
                break;
            }
        }
        (peer, String::from_utf8(answer).unwrap())
    };
    let opened = spawn_blocking(move || {
        let idle: Vec<_> = (0..IDLE).map(&open).collect();
        (idle, open(IDLE).1)
    });
    let opened = storm.spares_others("10,000 connections", opened).await;
    let (idle, one_more) = opened.unwrap();
    assert!(
        idle.iter()
            .all(|(_, answer)| answer.starts_with("HTTP/1.1 101 "))
    );
    assert!(one_more.contains("429"), "{one_more}");
    let memory = peak_memory(&storm.broker);
    assert!(memory < MAX_IDLE_MEMORY, "{} MB", memory / 1_000_000);
    let idling = tokio::time::sleep(DURATION);
    storm.spares_others("10,000 idle connections", idling).await;
}

/// Publishes to that many topics. Returns the number of accepted messages, and the reason of a refusal.
async fn make_topics(link: &mut Link, topics: usize) -> (usize, String) {
    let (mut accepted, mut reason) = (topics, String::new());
    for number in 1..=topics {
        link.publish(&format!("topic-{number}"), b"").await;
        if number % 500 != 0 {
            continue;
        }
        link.send(&json!({"type": "confirm"}), b"").await;
        loop {
            let (header, _) = link.next().await;
            match header["type"].as_str().unwrap() {
                "refused" => {
                    accepted -= 1;
                    header["reason"].as_str().unwrap().clone_into(&mut reason);
                }
                _ if header["count"] == number => break,
                _ => {}
            }
        }
    }
    (accepted, reason)
}

const TOPICS: usize = 100_000;

#[tokio::test]
async fn a_hundred_thousand_topics_disturb_nobody() {
    const MAX: &str = "200000";
    let options = ["--max-topics", MAX, "--max-topics-per-connection", MAX];
    let storm = Storm::new("", &options);
    let mut link = storm.link().await;
    let making = make_topics(&mut link, TOPICS);
    let (accepted, reason) = storm.spares_others("100,000 topics", making).await;
    assert_eq!((accepted, &*reason), (TOPICS, ""));
    // They are there, and the broker looks at all of them from time to time.
    let waiting = tokio::time::sleep(DURATION);
    storm
        .spares_others("100,000 topics that exist", waiting)
        .await;
}

#[tokio::test]
async fn a_user_gets_no_more_topics_than_it_may_have() {
    let storm = Storm::new("max_topics = 1000", &[]);
    let mut link = storm.link().await;
    let making = make_topics(&mut link, TOPICS / 2);
    let (accepted, reason) = storm.spares_others("too many topics", making).await;
    assert_eq!(accepted, 1000);
    assert!(
        reason.contains("the limit max_topics of user eve"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_storm_of_subscriptions_disturbs_nobody() {
    const MAX: usize = 100;
    let limits = format!("max_subscriptions = {MAX}\nmax_connections = 3");
    let storm = Storm::new(&limits, &[]);
    let mut link = storm.link().await;
    let subscribing = async {
        let end = Instant::now() + DURATION;
        let mut reasons = Vec::new();
        while Instant::now() < end {
            // Some topics, some subscriptions of each, and too many in the end.
            let mut subscribed = Vec::new();
            for number in 0..2 * MAX {
                let topic = format!("t-{number}");
                let answer = link.subscribe(&topic, "").await;
                match answer["type"].as_str().unwrap() {
                    "subscribed" => subscribed.push(topic),
                    _ => reasons.push(answer["reason"].as_str().unwrap().to_owned()),
                }
            }
            // The other connection may have one.
            assert!((MAX - 1..=MAX).contains(&subscribed.len()));
            for topic in subscribed {
                let header = json!({"type": "unsubscribe", "topic": topic});
                link.send(&header, b"").await;
                assert_eq!(link.next().await.0["type"], "unsubscribed");
            }
        }
        reasons
    };
    let connecting = async {
        let end = Instant::now() + DURATION;
        while Instant::now() < end {
            // The link may have all subscriptions that there may be.
            if let Ok((socket, _)) = connect_async(storm.url("/ws/many/s", "eve")).await {
                Peer(socket).leave().await;
            }
        }
    };
    let both = async { tokio::join!(subscribing, connecting).0 };
    let reasons = Box::pin(storm.spares_others("subscriptions", both)).await;
    assert!(reasons.len() >= MAX);
    let name = "the limit max_subscriptions of user eve";
    assert!(reasons.iter().all(|reason| reason.contains(name)));
}
