//! Opens WebSockets at a broker and keeps them open, to measure the memory that they need there.

use clap::Parser;
use dasf_bench_load::{AnyError, print_line, wait_for_the_end_of_input};
use tokio_tungstenite::connect_async;

/// Open connections at a broker, and keep them open until the standard input ends.
#[derive(Debug, Parser)]
struct Options {
    /// The base URL of the broker
    #[arg(long)]
    websocket_url: String,

    /// The number of connections, each of which reads a topic of its own
    #[arg(long)]
    connections: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    let options = Options::parse();
    let url = options.websocket_url.trim_end_matches('/');
    let mut sockets = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        let (socket, _) = connect_async(format!("{url}/idle-{index}/reader"))
            .await
            .map_err(|error| format!("connection {index}: {error}"))?;
        sockets.push(socket);
    }
    print_line("ready")?;
    // A broker that pings its peers drops those that do not answer, but not this soon.
    wait_for_the_end_of_input()?;
    drop(sockets);
    Ok(())
}
