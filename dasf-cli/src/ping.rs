//! `dasf ping`.

use std::time::{Duration, Instant};

use dasf::cli::{Connection, Error, Presence, print_result};
use dasf::{CallError, Caller};

use crate::options::Ping;
use crate::with_caller;

/// The time between two pings.
const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) fn run(connection: &Connection, options: &Ping) -> Result<(), Error> {
    with_caller(connection, options.timeout, async |caller, presence| {
        ping(caller, presence, options.count).await
    })
}

async fn ping(caller: &Caller, presence: &Presence<'_>, count: u32) -> Result<(), Error> {
    let topic = caller.topic();
    let mut times = Vec::new();
    let mut silence = None;
    for number in 1..=count {
        let begin = Instant::now();
        match presence.wait(Box::pin(caller.ping())).await {
            Ok(()) => {
                let time = begin.elapsed();
                print_result(&format!("{topic} answers in {}", milliseconds(time)))?;
                times.push(time);
            }
            Err(
                error @ (CallError::Timeout { .. }
                | CallError::Disconnected { .. }
                | CallError::NobodyListens { .. }),
            ) => {
                if count > 1 {
                    print_result(&format!("{topic} does not answer"))?;
                }
                silence = Some(error);
            }
            Err(error) => return Err(presence.explain(error)),
        }
        if number < count {
            tokio::time::sleep(INTERVAL.saturating_sub(begin.elapsed())).await;
        }
    }
    if count > 1
        && let Some(summary) = summary(&times)
    {
        print_result(&format!("{} of {count} answered: {summary}", times.len()))?;
    }
    match silence {
        Some(error) if times.is_empty() => Err(presence.explain(error)),
        _ => Ok(()),
    }
}

/// Returns the minimum, the mean and the maximum of times; `None` if there are none.
fn summary(times: &[Duration]) -> Option<String> {
    let number = u32::try_from(times.len()).ok()?;
    let mean = times.iter().sum::<Duration>().checked_div(number)?;
    let (least, greatest) = (times.iter().min()?, times.iter().max()?);
    Some(format!(
        "minimum {}, mean {}, maximum {}",
        milliseconds(*least),
        milliseconds(mean),
        milliseconds(*greatest)
    ))
}

/// Formats a time with its significant digits.
fn milliseconds(time: Duration) -> String {
    let time = time.as_secs_f64() * 1000.0;
    let digits = if time < 10.0 { 2 } else { 0 };
    format!("{time:.digits$} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed_up() {
        assert_eq!(summary(&[]), None);
        let times = [0.4, 12.3, 2.0].map(|time| Duration::from_secs_f64(time / 1000.0));
        assert_eq!(
            summary(&times).unwrap(),
            "minimum 0.40 ms, mean 4.90 ms, maximum 12 ms"
        );
    }
}
