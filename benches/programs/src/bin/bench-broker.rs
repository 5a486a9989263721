//! Starts a broker of the tests, and prints its address.

use clap::{Parser, Subcommand};
use dasf_bench_load::{AnyError, print_line, wait_for_the_end_of_input};
use dasf_test_support::brokers::django::{self, Django};
use dasf_test_support::brokers::pulsar::{Pulsar, Setup};

/// Run a broker until the standard input ends.
#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    broker: Broker,
}

#[derive(Debug, Subcommand)]
enum Broker {
    /// Start a Django broker with a topic, and print its URL
    Django {
        /// The topic that everybody may use
        topic: String,
    },
    /// Start an Apache Pulsar, and print its HTTP port
    Pulsar,
}

fn main() -> Result<(), AnyError> {
    match Options::parse().broker {
        Broker::Django { topic } => {
            let broker = Django::start(&django::fresh_database("bench"), 0);
            broker.make_topic(&topic);
            print_line(&broker.url())?;
            wait_for_the_end_of_input()?;
        }
        Broker::Pulsar => {
            let broker = Pulsar::start("bench", &Setup::default());
            print_line(&format!("port {}", broker.port()))?;
            wait_for_the_end_of_input()?;
        }
    }
    Ok(())
}
