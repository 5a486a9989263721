//! Settings of the topics of a pattern.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::Deserialize;

use crate::pattern::Pattern;

/// The settings of the topics of a pattern. What is not set is as for all topics of the broker. See
/// [`Builder::topic_settings`](crate::Builder::topic_settings).
///
/// ```
/// use std::time::Duration;
/// use dasf_broker::TopicSettings;
///
/// const DAY: Duration = Duration::from_secs(86_400);
/// let settings = TopicSettings::default().ttl(7 * DAY).max_messages(100_000).max_retention(30 * DAY);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSettings {
    pub(crate) ttl: Option<Duration>,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) max_messages: Option<usize>,
    pub(crate) dead_letters: Option<bool>,
    pub(crate) max_redeliveries: Option<u32>,
    pub(crate) keep: Option<bool>,
    pub(crate) max_retention: Option<Duration>,
}

impl TopicSettings {
    /// Sets how long a message waits. After that, the broker removes it, unless a consumer works on it. A
    /// topic without subscriptions keeps its messages for this time, too. Default: messages of
    /// subscriptions have no limit, and those of a topic without subscriptions have
    /// [`subscription_retention`](crate::Builder::subscription_retention).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Sets the largest number of bytes in the backlog of a subscription, or of a topic without
    /// subscriptions. Default: [`max_backlog_bytes`](crate::Builder::max_backlog_bytes).
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Sets the largest number of messages in the backlog of a subscription, or of a topic without
    /// subscriptions. Default: [`max_backlog_messages`](crate::Builder::max_backlog_messages).
    #[must_use]
    pub fn max_messages(mut self, messages: usize) -> Self {
        self.max_messages = Some(messages);
        self
    }

    /// Sets whether a message after its last redelivery becomes a dead letter, and whether the broker keeps
    /// requests that it puts aside. If not, the broker drops them. Default: it keeps them.
    #[must_use]
    pub fn dead_letters(mut self, dead_letters: bool) -> Self {
        self.dead_letters = Some(dead_letters);
        self
    }

    /// Sets the number of redeliveries after which a message is given up. A consumer may name a smaller
    /// number in `maxRedeliverCount`. Default: the number of the consumer, or no limit.
    #[must_use]
    pub fn max_redeliveries(mut self, redeliveries: u32) -> Self {
        self.max_redeliveries = Some(redeliveries);
        self
    }

    /// Sets whether a broker with a [`data_dir`](crate::Builder::data_dir) keeps the messages and the
    /// subscriptions of the topics on the disk. Default: it does.
    #[must_use]
    pub fn keep(mut self, keep: bool) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Sets the longest time for which a subscription stays without a consumer. Default:
    /// [`max_subscription_retention`](crate::Builder::max_subscription_retention).
    #[must_use]
    pub fn max_retention(mut self, retention: Duration) -> Self {
        self.max_retention = Some(retention);
        self
    }

    /// Returns the name of a setting that is zero. With such a setting, a topic cannot work.
    pub(crate) fn zero_setting(&self) -> Option<&'static str> {
        let is_zero = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
        let zeros = [
            ("ttl", is_zero(self.ttl)),
            ("max_bytes", self.max_bytes == Some(0)),
            ("max_messages", self.max_messages == Some(0)),
            ("max_redeliveries", self.max_redeliveries == Some(0)),
            ("max_retention", is_zero(self.max_retention)),
        ];
        zeros
            .into_iter()
            .find_map(|(name, zero)| zero.then_some(name))
    }
}

/// The settings with their pattern: an entry of `[[topics]]` in a file of settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Entry")]
pub(crate) struct TopicRule {
    pub(crate) pattern: Pattern,
    pub(crate) settings: TopicSettings,
}

/// The form of a [`TopicRule`] in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    pattern: Pattern,
    ttl: Option<Time>,
    max_bytes: Option<Size>,
    max_messages: Option<NonZeroUsize>,
    dead_letters: Option<bool>,
    max_redeliveries: Option<NonZeroU32>,
    keep: Option<bool>,
    max_retention: Option<Time>,
}

impl From<Entry> for TopicRule {
    fn from(entry: Entry) -> Self {
        Self {
            pattern: entry.pattern,
            settings: TopicSettings {
                ttl: entry.ttl.map(|ttl| ttl.0),
                max_bytes: entry.max_bytes.map(|size| size.0),
                max_messages: entry.max_messages.map(NonZeroUsize::get),
                dead_letters: entry.dead_letters,
                max_redeliveries: entry.max_redeliveries.map(NonZeroU32::get),
                keep: entry.keep,
                max_retention: entry.max_retention.map(|retention| retention.0),
            },
        }
    }
}

/// A time with a unit, such as `90s`, `10m`, `2h` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Time(Duration);

/// The error of a text that is not a time.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a time above 0; write one with a unit, such as 90s, 10m, 2h or 7d")]
struct TimeError(String);

/// The units of times, in seconds.
const TIMES: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

impl TryFrom<String> for Time {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Self, TimeError> {
        match with_unit(&text, &TIMES) {
            Some(seconds @ 1..) => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(TimeError(text)),
        }
    }
}

/// A number of bytes, or one with a unit, such as `64 MiB` or `1 GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub(crate) struct Size(pub(crate) usize);

/// A number, or a text that may have a unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "a number, or a text with a unit such as \"64 MiB\""
)]
pub(crate) enum NumberOrText {
    Number(u64),
    Text(String),
}

/// The error of a value that is not a size.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a size above 0; write a number of bytes, or one with a unit, such as 64 MiB")]
pub(crate) struct SizeError(String);

/// The units of sizes, in bytes.
const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl TryFrom<NumberOrText> for Size {
    type Error = SizeError;

    fn try_from(value: NumberOrText) -> Result<Self, SizeError> {
        let (bytes, text) = match value {
            NumberOrText::Number(bytes) => (Some(bytes), bytes.to_string()),
            NumberOrText::Text(text) => (with_unit(&text, &SIZES), text),
        };
        match bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            Some(bytes @ 1..) => Ok(Self(bytes)),
            _ => Err(SizeError(text)),
        }
    }
}

/// Reads a whole number with one of these units.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const DAY: Duration = Duration::from_secs(86_400);

    fn read(entry: Value) -> Result<TopicRule, String> {
        serde_json::from_value(entry).map_err(|error| error.to_string())
    }

    #[test]
    fn an_entry_has_the_settings_of_a_pattern() {
        let rule = read(json!({
            "pattern": "river*", "ttl": "7d", "max_bytes": "1 GiB", "max_messages": 100_000, "keep": false,
            "dead_letters": false, "max_redeliveries": 5, "max_retention": "30d",
        }));
        let settings = TopicSettings::default()
            .ttl(7 * DAY)
            .max_bytes(1 << 30)
            .max_messages(100_000)
            .keep(false)
            .dead_letters(false)
            .max_redeliveries(5)
            .max_retention(30 * DAY);
        let pattern = "river*".to_owned().try_into().unwrap();
        assert_eq!(rule, Ok(TopicRule { pattern, settings }));
        let rule = read(json!({"pattern": "*", "max_bytes": 5000})).unwrap();
        assert_eq!(rule.settings, TopicSettings::default().max_bytes(5000));
    }

    #[test]
    fn times_and_sizes_have_units() {
        let time = |text: &str| Time::try_from(text.to_owned()).map(|time| time.0.as_secs());
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2 h", 7200), ("1d", 86_400)] {
            assert_eq!(time(text).unwrap(), seconds, "{text}");
        }
        for text in [
            "",
            "7",
            "0d",
            "-1d",
            "d",
            "1w",
            "1.5h",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
        let size = |text: &str| Size::try_from(NumberOrText::Text(text.to_owned())).map(|it| it.0);
        for (text, bytes) in [
            ("5B", 5),
            ("64 MiB", 64 << 20),
            ("1kB", 1000),
            ("2 GB", 2_000_000_000),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "5", "0 B", "1 mb", "1 GiBi", "-1 B", "99999999 TiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_entry_is_refused_with_the_reason() {
        for (entry, reason) in [
            (json!({"ttl": "7d"}), "missing field `pattern`"),
            (
                json!({"pattern": "a b"}),
                "the pattern \"a b\" contains ' '",
            ),
            (json!({"pattern": "*", "tll": "7d"}), "unknown field `tll`"),
            (
                json!({"pattern": "*", "ttl": "7"}),
                "\"7\" is not a time above 0",
            ),
            (
                json!({"pattern": "*", "max_bytes": 0}),
                "\"0\" is not a size above 0",
            ),
            (
                json!({"pattern": "*", "max_bytes": true}),
                "a number, or a text with a unit",
            ),
            (json!({"pattern": "*", "max_messages": 0}), "nonzero"),
            (json!({"pattern": "*", "max_redeliveries": 0}), "nonzero"),
        ] {
            let error = read(entry).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_zero_setting_is_named() {
        assert_eq!(TopicSettings::default().zero_setting(), None);
        let settings = TopicSettings::default().ttl(DAY).max_messages(0);
        assert_eq!(settings.zero_setting(), Some("max_messages"));
    }
}
