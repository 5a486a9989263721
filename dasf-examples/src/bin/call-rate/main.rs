//! Measures how many calls a second a module answers over a broker, and compares a bare WebSocket
//! echo.
//!
//! The module must be [`dasf_examples::arithmetic`]; its `add` is called. `cargo xtask bench`
//! starts everything.

#![allow(clippy::print_stdout)] // this program speaks to a person

mod calls;
mod echo;
mod latencies;

use std::error::Error;

use clap::Parser;
use latencies::Latencies;

/// The numbers of calls in flight at a time.
const IN_FLIGHT: [usize; 3] = [1, 16, 64];

/// Measure how many calls a second a module answers, and compare a bare WebSocket echo.
#[derive(Debug, Parser)]
struct Options {
    /// The base URL of the broker
    #[arg(long, default_value = "ws://127.0.0.1:8080/ws")]
    websocket_url: String,

    /// The topic on which the arithmetic module listens
    #[arg(long, default_value = "arithmetic")]
    topic: String,

    /// How long each measurement takes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,

    /// Serve the echo instead of measuring; the program starts itself again with this option
    #[arg(long, hide = true)]
    serve_echo: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if options.serve_echo {
        return echo::serve().await;
    }
    let duration = std::time::Duration::from_secs(options.seconds);
    println!(
        "{:<34}{:>10}{:>12}{:>10}{:>10}",
        "", "in flight", "calls/s", "p50 µs", "p99 µs"
    );
    for in_flight in IN_FLIGHT {
        let latencies =
            calls::measure(&options.websocket_url, &options.topic, in_flight, duration).await?;
        print_row("add over broker and module", in_flight, &latencies);
    }
    let echo = echo::Process::start().await?;
    for in_flight in IN_FLIGHT {
        let latencies = echo::measure(echo.url(), in_flight, duration).await?;
        print_row("bare tokio-tungstenite echo", in_flight, &latencies);
    }
    Ok(())
}

fn print_row(what: &str, in_flight: usize, latencies: &Latencies) {
    let rate = latencies.per_second();
    let [p50, p99] = [0.50, 0.99].map(|share| latencies.quantile(share).as_micros());
    println!("{what:<34}{in_flight:>10}{rate:>12.0}{p50:>10}{p99:>10}");
}
