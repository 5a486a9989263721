//! The numbers of a program, as a page for Prometheus.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// The type of the page, for the header `content-type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The names and values that tell apart the numbers of one name.
pub type Labels = Vec<(&'static str, String)>;

/// Values of one name, which their labels tell apart.
pub type Labelled<T> = Vec<(Labels, T)>;

/// The numbers of a program at one time.
///
/// The page has the text format of Prometheus that is the standard `OpenMetrics`. Each number has a text that explains
/// it, without the final dot.
///
/// ```
/// use dasf_program::metrics::Numbers;
///
/// let mut numbers = Numbers::default();
/// numbers.gauge("topics", "Topics, with those of callers", 3);
/// numbers.bytes_counter("published", "The size of the published messages", 4096);
/// let page = numbers.page("dasf_broker", "The version of the broker", &[("version", "1.2.3".to_owned())])?;
/// assert!(page.contains("dasf_broker_topics 3\n"), "{page}");
/// assert!(page.contains("dasf_broker_published_bytes_total 4096\n"), "{page}");
/// # Ok::<(), std::fmt::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Numbers(Vec<Number>);

#[derive(Debug)]
struct Number {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Counter(u64),
    Counters(Labelled<u64>),
    Gauge(u64),
    Histograms(Labelled<Histogram>),
}

/// How many values are in which range.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The sum of all values.
    pub sum: f64,
    /// The upper end of each range, and how many values are between the range before and this end. The end of
    /// the last range is [`f64::MAX`].
    pub ranges: Vec<(f64, u64)>,
}

impl Numbers {
    /// Adds a number that only grows.
    pub fn counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.add(name, help, None, Values::Counter(value));
    }

    /// Adds a number of bytes that only grows.
    pub fn bytes_counter(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.add(name, help, Some(Unit::Bytes), Values::Counter(value));
    }

    /// Adds numbers that only grow, with their labels.
    pub fn counters(&mut self, name: &'static str, help: &'static str, values: Labelled<u64>) {
        self.add(name, help, None, Values::Counters(values));
    }

    /// Adds a number that also falls.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.add(name, help, None, Values::Gauge(value));
    }

    /// Adds a number of bytes that also falls.
    pub fn bytes_gauge(&mut self, name: &'static str, help: &'static str, value: u64) {
        self.add(name, help, Some(Unit::Bytes), Values::Gauge(value));
    }

    /// Adds histograms of times in seconds, with their labels.
    pub fn seconds(&mut self, name: &'static str, help: &'static str, values: Labelled<Histogram>) {
        self.add(name, help, Some(Unit::Seconds), Values::Histograms(values));
    }

    fn add(&mut self, name: &'static str, help: &'static str, unit: Option<Unit>, values: Values) {
        self.0.push(Number {
            name,
            help,
            unit,
            values,
        });
    }

    /// Returns the page, in which all names begin with a prefix. The number `build` is 1, and its labels tell
    /// what the program is.
    ///
    /// # Errors
    /// Returns the error of a value that has no form: a gauge that is larger than `i64::MAX`.
    pub fn page(
        self,
        prefix: &str,
        help: &'static str,
        build: &[(&'static str, String)],
    ) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix(prefix);
        registry.register("build", help, Info::new(escaped(build)));
        registry.register_collector(Box::new(self));
        let mut page = String::new();
        encode(&mut page, &registry)?;
        Ok(page)
    }
}

/// Returns labels as they are written between quotation marks.
fn escaped(labels: &[(&'static str, String)]) -> Labels {
    let escape = |(name, value): &(&'static str, String)| {
        let value = value.replace('\\', r"\\").replace('"', "\\\"");
        (*name, value.replace('\n', "\\n"))
    };
    labels.iter().map(escape).collect()
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for number in &self.0 {
            let encoder = encoder.encode_descriptor(
                number.name,
                &format!("{}.", number.help),
                number.unit.as_ref(),
                number.values.kind(),
            )?;
            number.values.encode(encoder)?;
        }
        Ok(())
    }
}

impl Values {
    fn kind(&self) -> MetricType {
        match self {
            Self::Counter(_) | Self::Counters(_) => MetricType::Counter,
            Self::Gauge(_) => MetricType::Gauge,
            Self::Histograms(_) => MetricType::Histogram,
        }
    }

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter(value) => ConstCounter::new(*value).encode(encoder),
            Self::Gauge(value) => {
                let value = i64::try_from(*value).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(encoder)
            }
            Self::Counters(values) => {
                for (labels, value) in values {
                    ConstCounter::new(*value).encode(encoder.encode_family(&escaped(labels))?)?;
                }
                Ok(())
            }
            Self::Histograms(values) => {
                for (labels, Histogram { sum, ranges }) in values {
                    let count = ranges.iter().map(|(_, count)| count).sum();
                    encoder
                        .encode_family(&escaped(labels))?
                        .encode_histogram::<NoLabelSet>(*sum, count, ranges, None)?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_labels_and_ranges() {
        let of = |function: &str| vec![("function", function.to_owned())];
        let mut numbers = Numbers::default();
        numbers.counters("calls", "Calls", vec![(of("add"), 2), (of("a\"b\n"), 1)]);
        let histogram = Histogram {
            sum: 3.5,
            ranges: vec![(0.5, 1), (1.0, 0), (f64::MAX, 2)],
        };
        numbers.seconds("call", "Times", vec![(of("add"), histogram)]);
        numbers.gauge("large", "Too large for a gauge", u64::MAX);
        let page = numbers.page("test", "The program", &[]).unwrap();
        for line in [
            "# HELP test_calls Calls.",
            "# TYPE test_calls counter",
            r#"test_calls_total{function="add"} 2"#,
            r#"test_calls_total{function="a\"b\n"} 1"#,
            "# UNIT test_call_seconds seconds",
            r#"test_call_seconds_sum{function="add"} 3.5"#,
            r#"test_call_seconds_count{function="add"} 3"#,
            r#"test_call_seconds_bucket{le="0.5",function="add"} 1"#,
            r#"test_call_seconds_bucket{le="1.0",function="add"} 1"#,
            r#"test_call_seconds_bucket{le="+Inf",function="add"} 3"#,
            "test_large 9223372036854775807",
            "# EOF",
        ] {
            assert!(page.lines().any(|it| it == line), "{line}: {page}");
        }
    }
}
