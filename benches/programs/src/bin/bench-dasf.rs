//! Calls a module over a broker: `add` of the module `arithmetic`, `echo` and `wait` of the module of
//! `bench-module`.

use clap::Parser;
use dasf::{Address, Caller};
use dasf_bench_load::{AnyError, Client, Load, Work};
use dasf_bench_programs::bench;
use dasf_examples::arithmetic;

/// Call a module over a broker, and measure the calls.
#[derive(Debug, Parser)]
struct Options {
    /// The base URL of the broker
    #[arg(long, conflicts_with = "pulsar", required_unless_present = "pulsar")]
    websocket_url: Option<String>,

    /// The HTTP port of an Apache Pulsar on this machine, instead of a URL
    #[arg(long, value_name = "PORT")]
    pulsar: Option<u16>,

    /// The topic of the module
    #[arg(long)]
    topic: String,

    #[command(flatten)]
    load: Load,
}

impl Options {
    fn address(&self) -> Result<Address, AnyError> {
        Ok(match (&self.websocket_url, self.pulsar) {
            (Some(url), _) => Address::websocket(url)?,
            (None, Some(port)) => Address::pulsar("127.0.0.1", port)?,
            (None, None) => return Err("the address of the broker is missing".into()),
        })
    }
}

/// A client of both modules, whose functions have different names.
struct Dasf {
    arithmetic: arithmetic::Client,
    bench: bench::Client,
}

impl Dasf {
    async fn connect(topic: &str, address: Address, in_flight: usize) -> Result<Self, AnyError> {
        let builder = Caller::builder(topic).address(address);
        let caller = builder.max_in_flight(in_flight).connect().await?;
        Ok(Self {
            arithmetic: caller.clone().into(),
            bench: caller.into(),
        })
    }
}

impl Client for Dasf {
    async fn call(&self, work: &Work) -> Result<(), AnyError> {
        match *work {
            Work::Add => {
                let sum = self.arithmetic.add(1).b(2).await?;
                check(sum == 3)
            }
            Work::Echo(bytes) => {
                let text = self.bench.echo("x".repeat(bytes)).await?;
                check(text.len() == bytes)
            }
            Work::Wait(time) => {
                let millis = u64::try_from(time.as_millis())?;
                Ok(self.bench.wait(millis).await?)
            }
        }
    }
}

fn check(is_right: bool) -> Result<(), AnyError> {
    if is_right {
        Ok(())
    } else {
        Err("the result is wrong".into())
    }
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let options = Options::parse();
    let address = options.address()?;
    let mut clients = Vec::with_capacity(options.load.clients);
    for _ in 0..options.load.clients {
        let in_flight = options.load.in_flight;
        clients.push(Dasf::connect(&options.topic, address.clone(), in_flight).await?);
    }
    dasf_bench_load::run(&options.load, clients).await
}
