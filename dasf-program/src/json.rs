//! The log as JSON, one object per line.

use std::fmt::{self, Debug};

use dasf_protocol::text::printable;
use serde::Serialize;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

pub(crate) type Map = serde_json::Map<String, Value>;

/// The field of an event with its message.
const MESSAGE: &str = "message";

/// Keeps the fields of a span as a JSON object.
#[derive(Debug)]
pub(crate) struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut collected = Collected::default();
        fields.record(&mut collected);
        writer.write_str(&written(&collected.0))
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &Record<'_>,
    ) -> fmt::Result {
        let mut collected = Collected(read(&current.fields));
        fields.record(&mut collected);
        current.fields = written(&collected.0);
        Ok(())
    }
}

/// Writes an event as a JSON object.
#[derive(Debug)]
pub(crate) struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut collected = Collected::default();
        event.record(&mut collected);
        let Collected(mut fields) = collected;
        let message = fields.remove(MESSAGE);
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let outer = extensions.get::<FormattedFields<JsonFields>>();
            for (name, value) in outer.map(|outer| read(&outer.fields)).unwrap_or_default() {
                fields.entry(name).or_insert(value);
            }
        }
        let message = message.as_ref().and_then(Value::as_str).unwrap_or_default();
        let metadata = event.metadata();
        writer.write_str(&line(
            *metadata.level(),
            metadata.target(),
            message,
            &fields,
        ))
    }
}

/// Returns a line of the log. The texts are printable already.
pub(crate) fn line(level: Level, target: &str, message: &str, fields: &Map) -> String {
    #[derive(Serialize)]
    struct Line<'l> {
        timestamp: &'l str,
        level: &'l str,
        target: &'l str,
        message: &'l str,
        fields: &'l Map,
    }

    let mut timestamp = String::new();
    // A text takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let line = Line {
        timestamp: &timestamp,
        level: level.as_str(),
        target,
        message,
        fields,
    };
    written(&line) + "\n"
}

/// Texts and numbers with texts as names always have a JSON form.
fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn read(object: &str) -> Map {
    serde_json::from_str(object).unwrap_or_default()
}

/// The fields of an event or a span.
#[derive(Debug, Default)]
struct Collected(Map);

impl Collected {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Collected {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.add(field, value),
            Err(_) => self.add(field, value.to_string()),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.add(field, value),
            Err(_) => self.add(field, value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, text: &str) {
        // A reader that decodes the line may show the text in a terminal.
        self.add(field, printable(text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, printable(&format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use dasf_protocol::text::is_hidden;
    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::{LogFormat, start_log};

    /// Passes the lines on.
    struct Lines(mpsc::Sender<String>);

    impl std::io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            let text = String::from_utf8_lossy(line).into_owned();
            self.0.send(text).map_err(std::io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let (sender, lines) = mpsc::channel();
        let (writer, guard) = start_log(Lines(sender), LogFormat::Json).unwrap();
        let layer = LogFormat::Json.layer(writer, true, false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        drop(guard);
        let read = |line: String| {
            assert!(!line.trim_end().contains(is_hidden), "{line:?}");
            assert_eq!(line.lines().count(), 1, "{line}");
            serde_json::from_str(&line).unwrap()
        };
        lines.into_iter().map(read).collect()
    }

    #[test]
    fn a_line_is_an_object() {
        let lines = logged(|| {
            let span = tracing::info_span!("call", function = "add", user = tracing::field::Empty);
            span.record("user", "ada");
            span.in_scope(|| {
                tracing::info!(milliseconds = 3_u128, share = 0.5, done = true, list = ?[1], "answered {}", 1);
                tracing::error!(function = "inner", "failed");
            });
        });
        let [answered, failed] = &lines[..] else {
            panic!("{lines:?}");
        };
        let timestamp = answered["timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with('Z') && timestamp.contains('T'));
        assert_eq!(answered["level"], "INFO");
        assert_eq!(answered["target"], module_path!());
        assert_eq!(answered["message"], "answered 1");
        assert_eq!(
            answered["fields"],
            json!({
                "milliseconds": 3, "share": 0.5, "done": true, "list": "[1]", "function": "add", "user": "ada"
            })
        );
        assert_eq!(failed["level"], "ERROR");
        assert_eq!(
            failed["fields"],
            json!({"function": "inner", "user": "ada"})
        );
    }

    #[test]
    fn nothing_in_a_line_controls_a_terminal() {
        const EVIL: &str = "a\n2026 INFO \"b\u{1b}]0;c\u{7}\u{202e}d\u{85}e";
        let lines = logged(|| {
            let span = tracing::info_span!("call", function = EVIL);
            span.in_scope(
                || tracing::info!(text = EVIL, shown = %EVIL, debugged = ?[EVIL], "no {EVIL}"),
            );
        });
        let [line] = &lines[..] else {
            panic!("{lines:?}");
        };
        let texts = line["fields"].as_object().unwrap().values();
        for text in texts.chain([&line["message"]]) {
            assert!(!text.as_str().unwrap().contains(is_hidden), "{text:?}");
        }
    }

    #[test]
    fn the_line_of_lost_lines_is_an_object_too() {
        let line: Value = serde_json::from_str(&LogFormat::Json.lost(5)).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(
            line["message"],
            "lost 5 lines of the log: nobody read it in time"
        );
    }
}
