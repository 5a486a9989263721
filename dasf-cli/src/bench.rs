//! `dasf bench`: measures the calls of a function.

use std::time::{Duration, Instant};

use clap::Args;
use dasf::cli::{Connection, Error, TimeLimit, print_result, printable};
use dasf::{CallError, Caller};
use futures_util::StreamExt;
use futures_util::stream;
use serde_json::value::RawValue;

use crate::checked::{checked, unchecked};
use crate::options::Request;
use crate::with_caller;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dasf bench -t arithmetic add a=1 b=2
  dasf bench -t arithmetic add a=1 b=2 -n 10000 -c 50

The command makes the same call again and again, at most -c of them at a time, and prints the rate, the times from \
request to result, and the errors. Each call really runs. The exit code is 1 if a call failed.")]
pub(crate) struct Bench {
    #[command(flatten)]
    request: Request,

    /// Number of calls
    #[arg(short = 'n', long, value_name = "TIMES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    count: u32,

    /// Number of calls at a time
    #[arg(short = 'c', long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4096))]
    concurrency: u16,

    /// Time to wait for each result: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "60")]
    timeout: TimeLimit,
}

pub(crate) fn run(connection: &Connection, options: &Bench) -> Result<(), Error> {
    let request = unchecked(&options.request)?;
    let limit = options.timeout.duration();
    with_caller(connection, options.timeout, async |caller, presence| {
        let request = checked(request, caller, presence, limit).await?;
        // The first call connects, and shows a mistake before many calls fail by it.
        let first = presence.ask(call(caller, &request, limit)).await;
        first?;
        let begin = Instant::now();
        let outcomes = stream::iter(0..options.count)
            .map(async |_| {
                let begin = Instant::now();
                call(caller, &request, limit)
                    .await
                    .map(|()| begin.elapsed())
            })
            .buffer_unordered(usize::from(options.concurrency));
        let outcomes: Vec<Result<Duration, CallError>> = outcomes.collect().await;
        report(&outcomes, begin.elapsed(), options.concurrency)
    })
}

async fn call(caller: &Caller, request: &RawValue, limit: Duration) -> Result<(), CallError> {
    let call = caller.call_raw(request);
    call.timeout(limit).await.map(drop)
}

/// Prints what was measured.
fn report(
    outcomes: &[Result<Duration, CallError>],
    time: Duration,
    concurrency: u16,
) -> Result<(), Error> {
    let mut times: Vec<Duration> = outcomes
        .iter()
        .filter_map(|it| it.as_ref().ok())
        .copied()
        .collect();
    times.sort_unstable();
    print_result(&summary(outcomes.len(), &times, time, concurrency))?;
    let failed = outcomes.len() - times.len();
    match outcomes.iter().find_map(|it| it.as_ref().err()) {
        None => Ok(()),
        Some(error) => Err(Error::Failed(format!(
            "{failed} of {} calls failed; the first error: {}",
            outcomes.len(),
            printable(&error.to_string())
        ))),
    }
}

/// Returns the rate, and the distribution of sorted times.
fn summary(count: usize, times: &[Duration], time: Duration, concurrency: u16) -> String {
    let seconds = time.as_secs_f64();
    let rate = times.len() as f64 / seconds.max(f64::MIN_POSITIVE);
    let mut text = format!(
        "calls    {count} in {seconds:.2} s, {concurrency} at a time\nrate     {rate:.0} per second"
    );
    if let Some(last) = times.len().checked_sub(1) {
        // The time below which this part of the calls was.
        let part = |part: f64| {
            let index = (part * last as f64).round() as usize;
            let time = times.get(index).copied().unwrap_or_default();
            format!("{:.2} ms", time.as_secs_f64() * 1000.0)
        };
        text.push_str(&format!(
            "\nlatency  minimum {}, median {}, 90 % {}, 99 % {}, maximum {}",
            part(0.0),
            part(0.5),
            part(0.9),
            part(0.99),
            part(1.0)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_are_summed_up() {
        let times: Vec<Duration> = (0..=100).map(Duration::from_millis).collect();
        assert_eq!(
            summary(110, &times, Duration::from_secs(2), 8),
            "calls    110 in 2.00 s, 8 at a time\n\
             rate     50 per second\n\
             latency  minimum 0.00 ms, median 50.00 ms, 90 % 90.00 ms, 99 % 99.00 ms, maximum 100.00 ms"
        );
        assert!(!summary(1, &[], Duration::from_secs(1), 1).contains("latency"));
    }
}
