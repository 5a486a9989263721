//! The same calls over NATS, with its request and reply: a server and a caller.

use async_nats::{ConnectOptions, Message};
use clap::{Parser, Subcommand};
use compare::{Request, TIMEOUT, check};
use dasf_bench_load::{AnyError, Client, Load, Work, print_line};
use futures_util::StreamExt;

/// Answer and make calls over NATS.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Answer calls
    Server {
        /// The URL of the NATS server
        #[arg(long)]
        url: String,
    },
    /// Make calls, and measure them
    Caller {
        /// The URL of the NATS server
        #[arg(long)]
        url: String,

        #[command(flatten)]
        load: Load,
    },
}

const SUBJECT: &str = "bench";

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    match Options::parse().role {
        Role::Server { url } => serve(&url).await,
        Role::Caller { url, load } => {
            let mut clients = Vec::with_capacity(load.clients);
            for _ in 0..load.clients {
                clients.push(Nats(connect(&url).await?));
            }
            dasf_bench_load::run(&load, clients).await
        }
    }
}

async fn connect(url: &str) -> Result<async_nats::Client, AnyError> {
    let options = ConnectOptions::new().request_timeout(Some(TIMEOUT));
    Ok(options.connect(url).await?)
}

async fn serve(url: &str) -> Result<(), AnyError> {
    let client = connect(url).await?;
    let mut requests = client.subscribe(SUBJECT).await?;
    client.flush().await?;
    print_line("ready")?;
    while let Some(message) = requests.next().await {
        answer(&client, message).await?;
    }
    Err("the connection is closed".into())
}

async fn answer(client: &async_nats::Client, message: Message) -> Result<(), AnyError> {
    let reply = message.reply.ok_or("a request without a reply subject")?;
    let answer = match serde_json::from_slice(&message.payload)? {
        Request::Add { a, b } => serde_json::to_vec(&a.saturating_add(b))?,
        Request::Echo { text } => serde_json::to_vec(&text)?,
        Request::Wait { millis } => {
            let client = client.clone();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
                // The caller notices that the answer is missing.
                let _ = client.publish(reply, "null".into()).await;
            });
            return Ok(());
        }
    };
    Ok(client.publish(reply, answer.into()).await?)
}

struct Nats(async_nats::Client);

impl Client for Nats {
    async fn call(&self, work: &Work) -> Result<(), AnyError> {
        let request = serde_json::to_vec(&Request::new(work)?)?;
        let answer = self.0.request(SUBJECT, request.into()).await?.payload;
        match work {
            Work::Add => check(serde_json::from_slice::<i64>(&answer)? == 3),
            Work::Echo(_) => compare::check_text(&serde_json::from_slice::<String>(&answer)?, work),
            Work::Wait(_) => Ok(serde_json::from_slice(&answer)?),
        }
    }
}
