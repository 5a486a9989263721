//! Figures of measurements, and their medians.

/// A process of a measured system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    Broker,
    Server,
    Caller,
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Broker, Self::Server, Self::Caller];
}

/// One figure for each process of a system. A system without a broker has none for it.
pub(super) type PerPart = [Option<f64>; Part::ALL.len()];

/// What one measurement gave, or the medians of several.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) answered: f64,
    pub(super) failed: f64,
    pub(super) seconds: f64,
    pub(super) calls_per_second: f64,
    /// In microseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// The seconds from the start of the first process to the last answer.
    pub(super) since_start: f64,
    /// The processor time of each process per call, in microseconds.
    pub(super) processor: PerPart,
    /// The highest memory of each process, in bytes.
    pub(super) memory: PerPart,
}

impl Figures {
    /// Reads the line of JSON that a caller prints. The caller does not know the other figures.
    pub(super) fn from_json(line: &str) -> Option<Self> {
        let number = |key: &str| -> Option<f64> {
            let (_, rest) = line.split_once(&format!("\"{key}\": "))?;
            let end = rest.find([',', '}'])?;
            rest[..end].parse().ok()
        };
        Some(Self {
            answered: number("calls")?,
            failed: number("failed")?,
            seconds: number("seconds")?,
            calls_per_second: number("calls_per_second")?,
            p50: number("p50_us")?,
            p99: number("p99_us")?,
            ..Self::default()
        })
    }

    /// Returns a line for the person who watches the measurement.
    pub(super) fn summary(&self) -> String {
        format!(
            "{:.0} calls/s, p50 {:.0} µs, {:.0} failed",
            self.calls_per_second, self.p50, self.failed
        )
    }

    /// Returns the share of each call in a time.
    pub(super) fn per_call(&self, time: f64) -> f64 {
        time / (self.answered + self.failed).max(1.0)
    }

    /// Returns the median of each figure.
    pub(super) fn medians(rounds: &[Self]) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        let of_parts = |figure: fn(&Self) -> &PerPart| {
            Part::ALL.map(|part| {
                let figures = rounds.iter().map(|round| figure(round)[part as usize]);
                median(figures.collect::<Option<_>>()?)
            })
        };
        Some(Self {
            answered: of(|round| round.answered)?,
            failed: of(|round| round.failed)?,
            seconds: of(|round| round.seconds)?,
            calls_per_second: of(|round| round.calls_per_second)?,
            p50: of(|round| round.p50)?,
            p99: of(|round| round.p99)?,
            since_start: of(|round| round.since_start)?,
            processor: of_parts(|round| &round.processor),
            memory: of_parts(|round| &round.memory),
        })
    }
}

/// Returns the number in the middle, or the mean of the two.
pub(super) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = *numbers.get(middle)?;
    if numbers.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(upper, *numbers.get(middle - 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_caller_is_read() {
        let line = "{\"calls\": 100, \"failed\": 2, \"seconds\": 2.5, \"calls_per_second\": 40.0, \
                    \"p50_us\": 50, \"p99_us\": 99}";
        let figures = Figures::from_json(line).unwrap();
        assert_eq!((figures.answered, figures.failed), (100.0, 2.0));
        assert_eq!((figures.calls_per_second, figures.p99), (40.0, 99.0));
        assert_eq!(figures.per_call(204.0), 2.0);
        assert_eq!(Figures::from_json("start"), None);
    }

    #[test]
    fn medians_are_of_each_figure() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
        let round = |p50, broker, server| Figures {
            p50,
            processor: [broker, Some(server), None],
            ..Figures::default()
        };
        let rounds = [
            round(1.0, None, 9.0),
            round(3.0, None, 7.0),
            round(2.0, None, 8.0),
        ];
        assert_eq!(Figures::medians(&rounds), Some(round(2.0, None, 8.0)));
        assert_eq!(Figures::medians(&[]), None);
    }
}
