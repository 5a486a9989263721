//! The floor: the frames of a call without dasf. A broker, a server and a caller exchange texts of the
//! same sizes, over the same connections, and parse nothing.
//!
//! A call takes eight frames. The request and the response each go to the broker and then to their
//! reader. Each has a receipt for its sender and an acknowledgement from its reader. A large text is
//! cut into several frames, as dasf does it.

mod broker;
mod caller;
mod frame;
mod link;
mod server;

use clap::{Parser, Subcommand};
use dasf_bench_load::{AnyError, Load};

/// Exchange the frames of calls without dasf.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Print a URL with a free port, and forward texts there until the process is killed
    Broker,
    /// Answer requests
    Server {
        /// The base URL of the broker
        #[arg(long)]
        websocket_url: String,
    },
    /// Send requests, and measure the calls
    Caller {
        /// The base URL of the broker
        #[arg(long)]
        websocket_url: String,

        #[command(flatten)]
        load: Load,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), AnyError> {
    match Options::parse().role {
        Role::Broker => broker::run().await,
        Role::Server { websocket_url } => server::run(&websocket_url).await,
        Role::Caller {
            websocket_url,
            load,
        } => caller::run(&websocket_url, &load).await,
    }
}
