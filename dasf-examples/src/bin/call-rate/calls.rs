//! Calls of a module's function.

use std::error::Error;
use std::time::{Duration, Instant};

use dasf::CallError;
use dasf_examples::arithmetic::Client;

use crate::latencies::Latencies;

/// The duration of the first calls, which do not count.
const WARM_UP: Duration = Duration::from_millis(500);

/// Calls `add` for `duration`, keeping `in_flight` calls under way over one client.
pub(crate) async fn measure(
    url: &str,
    topic: &str,
    in_flight: usize,
    duration: Duration,
) -> Result<Latencies, Box<dyn Error>> {
    let client = Client::builder()
        .topic(topic)
        .websocket(url)
        .connect()
        .await?;
    // The module may start later. It answers the ping as soon as it listens.
    client.caller().ping().await?;
    call(&client, in_flight, WARM_UP).await?;
    let start = Instant::now();
    let latencies = call(&client, in_flight, duration).await?;
    Ok(Latencies::new(latencies, start.elapsed()))
}

async fn call(
    client: &Client,
    in_flight: usize,
    duration: Duration,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let end = Instant::now() + duration;
    let callers = (0..in_flight).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let start = Instant::now();
                if start >= end {
                    return Ok::<_, CallError>(latencies);
                }
                client.add(1).b(2).await?;
                latencies.push(start.elapsed());
            }
        })
    });
    let mut latencies = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        latencies.extend(caller.await??);
    }
    Ok(latencies)
}
