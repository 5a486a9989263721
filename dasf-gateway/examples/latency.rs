//! Measures what HTTP adds to a call: the latency of `add` by the Rust client, by the gateway on the port of the
//! broker, and by a gateway of its own, in turns. Beside them it measures HTTP alone: the answer to a path that
//! does not exist.
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

const ROUNDS: usize = 200;
const CALLS: usize = 200;
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
    let [client, in_broker, alone, http] =
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
    println!(
        "HTTP alone               {http:>10.1?}   {:.2} x",
        ratio(http)
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
async fn measure(url: &str, gateways: [SocketAddr; 2]) -> Result<[Duration; 4], Error> {
    let client = arithmetic::Client::connect(url).await?;
    let mut in_broker = Http::connect(gateways[0]).await?;
    let mut alone = Http::connect(gateways[1]).await?;
    let mut latencies = [const { Vec::new() }; 4];
    for round in 0..=ROUNDS {
        let mut now = [const { Vec::new() }; 4];
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
        for _ in 0..CALLS {
            let begun = Instant::now();
            alone.ask("GET", "/nowhere", "").await?;
            now[3].push(begun.elapsed());
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
        let answer = self.ask("POST", "/api/arithmetic/add", &body).await?;
        match answer == (a + 1).to_string() {
            true => Ok(()),
            false => Err(format!("a wrong sum: {answer}").into()),
        }
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<&str, Error> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let mut size = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[size..]).await?;
            size += read;
            let text = std::str::from_utf8(&self.buffer[..size])?;
            let length = text.split_once("content-length: ");
            let length = length.and_then(|(_, rest)| rest.split_once("\r\n"));
            if let (Some((length, _)), Some(head)) = (length, text.find("\r\n\r\n"))
                && size == head + 4 + length.parse::<usize>()?
            {
                return Ok(std::str::from_utf8(&self.buffer[head + 4..size])?);
            }
            if read == 0 {
                return Err("the connection ended".into());
            }
        }
    }
}
