//! Measures what HTTP adds to a call: the latency of `add` by the Rust client, by the gateway on the port of the
//! broker, and by a gateway of its own, in turns.
//!
//! ```sh
//! cargo run --release -p dasf-gateway --example latency
//! ```
//!
//! Broker with gateway, second gateway, module and caller have a runtime each, as if they were processes. One call
//! is made at a time, and a connection of HTTP is used again. A figure is the median of all rounds. The program
//! fails if a call through the gateway of the broker takes more than one and a half times as long as one by the
//! client.

// It is a program for people.
#![allow(clippy::print_stdout)]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use dasf::{Address, Host, HostOptions};
use dasf_broker::Broker;
use dasf_examples::arithmetic;
use dasf_gateway::{Gateway, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

type Error = Box<dyn std::error::Error>;

const ROUNDS: usize = 15;
const CALLS: usize = 2000;
/// The largest ratio of the latencies.
const LIMIT: f64 = 1.5;

fn main() -> Result<ExitCode, Error> {
    let (of_broker, of_gateway, of_module, of_caller) = (
        Runtime::new()?,
        Runtime::new()?,
        Runtime::new()?,
        Runtime::new()?,
    );
    let broker = of_broker.block_on(start_broker())?;
    let url = broker.url();
    let alone = of_gateway.block_on(start_gateway(&url))?;
    let _module = of_module.block_on(start_module(&url))?;
    let [client, in_broker, alone] =
        of_caller.block_on(measure(&url, [broker.local_addr(), alone]))?;
    let ratio = |other: Duration| other.as_secs_f64() / client.as_secs_f64();
    println!("Rust client              {client:>10.1?}");
    println!(
        "gateway in the broker    {in_broker:>10.1?}   {:.2} x",
        ratio(in_broker)
    );
    println!(
        "gateway of its own       {alone:>10.1?}   {:.2} x",
        ratio(alone)
    );
    Ok(match ratio(in_broker) <= LIMIT {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn start_broker() -> Result<Broker, Error> {
    let builder = Broker::builder().bind(([127, 0, 0, 1], 0).into());
    let builder = builder.http(|url| match gateway(url) {
        Ok(gateway) => gateway.router(),
        Err(_) => axum::Router::new(),
    });
    Ok(builder.start().await?)
}

fn gateway(url: &str) -> Result<Gateway, Error> {
    Ok(Gateway::new(Address::websocket(url)?, Options::default())?)
}

async fn start_gateway(url: &str) -> Result<SocketAddr, Error> {
    let gateway = gateway(url)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { gateway.serve(listener, std::future::pending()).await });
    Ok(address)
}

async fn start_module(url: &str) -> Result<Host, Error> {
    let address = Address::websocket(url)?;
    let topic = "arithmetic".parse()?;
    let host = Host::start(
        arithmetic::module()?,
        &topic,
        address,
        HostOptions::default(),
    );
    Ok(host.await?)
}

/// Returns the median latencies of the client and of both gateways.
async fn measure(url: &str, gateways: [SocketAddr; 2]) -> Result<[Duration; 3], Error> {
    let client = arithmetic::Client::connect(url).await?;
    let mut in_broker = Http::connect(gateways[0]).await?;
    let mut alone = Http::connect(gateways[1]).await?;
    let mut latencies = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let mut now = [const { Vec::new() }; 3];
        for call in 0..CALLS {
            let a = i64::try_from(call)?;
            let begun = Instant::now();
            client.add(a).b(1).await?;
            now[0].push(begun.elapsed());
        }
        for (http, now) in [&mut in_broker, &mut alone].into_iter().zip(&mut now[1..]) {
            for call in 0..CALLS {
                let begun = Instant::now();
                http.add(call).await?;
                now.push(begun.elapsed());
            }
        }
        // The first round is a warm-up.
        if round > 0 {
            for (all, now) in latencies.iter_mut().zip(now) {
                all.extend(now);
            }
        }
    }
    Ok(latencies.map(|mut all| {
        all.sort_unstable();
        all[all.len() / 2]
    }))
}

/// A connection that is used again.
struct Http {
    stream: TcpStream,
    host: SocketAddr,
    buffer: Vec<u8>,
}

impl Http {
    async fn connect(host: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host,
            buffer: vec![0; 4096],
        })
    }

    async fn add(&mut self, a: usize) -> Result<(), Error> {
        let body = format!("{{\"a\": {a}, \"b\": 1}}");
        let request = format!(
            "POST /api/arithmetic/add HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let mut size = 0;
        // The answer is so small that its end is that of a read.
        loop {
            let read = self.stream.read(&mut self.buffer[size..]).await?;
            size += read;
            let text = std::str::from_utf8(&self.buffer[..size])?;
            let sum = (a + 1).to_string();
            match text.split_once("\r\n\r\n") {
                Some((_, answer)) if answer == sum => return Ok(()),
                Some((_, answer)) if sum.starts_with(answer) && read > 0 => {}
                None if read > 0 => {}
                _ => return Err(format!("an answer that is not {sum}: {text}").into()),
            }
        }
    }
}
