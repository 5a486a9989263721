//! `dasf ping`.

use std::time::{Duration, Instant};

use dasf::Caller;
use dasf::cli::{Connection, Error, print_result};

use crate::options::Ping;
use crate::{is_silence, with_caller};

/// The time between two questions.
const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) fn run(connection: &Connection, options: &Ping) -> Result<(), Error> {
    with_caller(connection, options.timeout, async |caller| {
        ping(caller, options.count).await
    })
}

async fn ping(caller: &Caller, count: u32) -> Result<(), Error> {
    let topic = caller.topic();
    let mut times = Vec::new();
    let mut silence = None;
    for number in 1..=count {
        let begin = Instant::now();
        match caller.ping().await {
            Ok(()) => {
                let time = begin.elapsed();
                print_result(&format!("{topic} answers in {}", milliseconds(time)))?;
                times.push(time);
            }
            Err(error) if is_silence(&error) => {
                if count > 1 {
                    print_result(&format!("{topic} does not answer"))?;
                }
                silence = Some(error);
            }
            Err(error) => return Err(Error::failed(error)),
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
        Some(error) if times.is_empty() => Err(Error::failed(error)),
        _ => Ok(()),
    }
}

/// The least, the mean and the greatest time; `None` of none.
fn summary(times: &[Duration]) -> Option<String> {
    let number = u32::try_from(times.len()).ok()?;
    let mean = times.iter().sum::<Duration>().checked_div(number)?;
    let (least, greatest) = (times.iter().min()?, times.iter().max()?);
    Some(format!(
        "{} at least, {} on average, {} at most",
        milliseconds(*least),
        milliseconds(mean),
        milliseconds(*greatest)
    ))
}

/// A time with as many digits as mean something.
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
            "0.40 ms at least, 4.90 ms on average, 12 ms at most"
        );
    }
}
