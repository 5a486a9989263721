//! The same calls with `jsonrpsee` over a WebSocket, without a broker: a server and a caller.

use std::time::Duration;

use clap::{Parser, Subcommand};
use compare::{LARGEST, TIMEOUT, check, check_text};
use dasf_bench_load::{AnyError, Client, Load, Work, print_line};
use jsonrpsee::RpcModule;
use jsonrpsee::core::client::ClientT;
use jsonrpsee::rpc_params;
use jsonrpsee::server::{Server, ServerConfig};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};

/// Answer and make calls with jsonrpsee.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Print a URL with a free port, and answer calls there
    Server,
    /// Make calls, and measure them
    Caller {
        /// The URL of the server
        #[arg(long)]
        url: String,

        #[command(flatten)]
        load: Load,
    },
}

/// The number of connections that the server accepts.
const CONNECTIONS: u32 = 16_384;

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    match Options::parse().role {
        Role::Server => serve().await,
        Role::Caller { url, load } => {
            let mut clients = Vec::with_capacity(load.clients);
            for _ in 0..load.clients {
                clients.push(JsonRpc(connect(&url, load.in_flight).await?));
            }
            dasf_bench_load::run(&load, clients).await
        }
    }
}

async fn serve() -> Result<(), AnyError> {
    let config = ServerConfig::builder()
        .max_connections(CONNECTIONS)
        .max_request_body_size(LARGEST)
        .max_response_body_size(LARGEST)
        .set_message_buffer_capacity(4096)
        .ws_only()
        .build();
    let server = Server::builder()
        .set_config(config)
        .build("127.0.0.1:0")
        .await?;
    let mut module = RpcModule::new(());
    module.register_method("add", |params, _, _| {
        let (a, b): (i64, i64) = params.parse()?;
        Ok::<_, ErrorObjectOwned>(a.saturating_add(b))
    })?;
    module.register_method("echo", |params, _, _| params.one::<String>())?;
    module.register_async_method("wait", |params, _, _| async move {
        tokio::time::sleep(Duration::from_millis(params.one()?)).await;
        Ok::<_, ErrorObjectOwned>(())
    })?;
    print_line(&format!("ws://{}", server.local_addr()?))?;
    server.start(module).stopped().await;
    Ok(())
}

async fn connect(url: &str, in_flight: usize) -> Result<WsClient, AnyError> {
    let client = WsClientBuilder::default()
        .request_timeout(TIMEOUT)
        .max_request_size(LARGEST)
        .max_response_size(LARGEST)
        .max_concurrent_requests(in_flight)
        .build(url)
        .await?;
    Ok(client)
}

struct JsonRpc(WsClient);

impl Client for JsonRpc {
    async fn call(&self, work: &Work) -> Result<(), AnyError> {
        match *work {
            Work::Add => {
                let sum: i64 = self.0.request("add", rpc_params![1, 2]).await?;
                check(sum == 3)
            }
            Work::Echo(bytes) => {
                let params = rpc_params!["x".repeat(bytes)];
                let text: String = self.0.request("echo", params).await?;
                check_text(&text, work)
            }
            Work::Wait(time) => {
                let millis = u64::try_from(time.as_millis())?;
                Ok(self.0.request("wait", rpc_params![millis]).await?)
            }
        }
    }
}
