//! The fields of the log.

use std::fmt::{self, Debug};

use dasf_protocol::text::printable;
use tracing_subscriber::field::{MakeVisitor, VisitFmt, VisitOutput};
use tracing_subscriber::fmt::format::Writer;

/// Writes the message and the fields of an event: `message name="text with spaces" count=5`.
///
/// Texts of brokers, callers and modules can contain anything. No field has a line break, a control
/// character or a character for the direction of writing, so that nobody can forge a line of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrintableFields;

impl<'w> MakeVisitor<Writer<'w>> for PrintableFields {
    type Visitor = Visitor<'w>;

    fn make_visitor(&self, writer: Writer<'w>) -> Visitor<'w> {
        Visitor {
            writer,
            line: String::with_capacity(LINE_ROOM),
        }
    }
}

/// The room for nearly all fields.
const LINE_ROOM: usize = 128;

/// Collects the fields, because the memory of a span grows with each part that is written.
#[derive(Debug)]
pub(crate) struct Visitor<'w> {
    writer: Writer<'w>,
    line: String,
}

impl Visitor<'_> {
    fn write_name(&mut self, name: &str) {
        if !self.line.is_empty() {
            self.line.push(' ');
        }
        if name == MESSAGE {
            return;
        }
        let (italic, dim, plain) = match self.writer.has_ansi_escapes() {
            true => ("\u{1b}[3m", "\u{1b}[0m\u{1b}[2m", "\u{1b}[0m"),
            false => ("", "", ""),
        };
        for part in [italic, name, dim, "=", plain] {
            self.line.push_str(part);
        }
    }
}

/// The field of an event with its message.
const MESSAGE: &str = "message";

impl tracing::field::Visit for Visitor<'_> {
    fn record_str(&mut self, field: &tracing::field::Field, text: &str) {
        // Every call has a span with such fields, so they are written without a detour.
        let is_plain = text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
        if !is_plain || field.name() == MESSAGE {
            return self.record_debug(field, &text);
        }
        self.write_name(field.name());
        for part in ["\"", text, "\""] {
            self.line.push_str(part);
        }
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        self.write_name(field.name());
        let text = printable(&format!("{value:?}"));
        // A text is quoted already. Other values are quoted where it would be unclear where they end.
        let is_open = text.contains(char::is_whitespace) && !text.starts_with(['"', '{', '[']);
        if is_open && field.name() != MESSAGE {
            self.line.push_str(&format!("{text:?}"));
        } else {
            self.line.push_str(&text);
        }
    }
}

impl VisitOutput<fmt::Result> for Visitor<'_> {
    fn finish(mut self) -> fmt::Result {
        self.writer.write_str(&self.line)
    }
}

impl VisitFmt for Visitor<'_> {
    fn writer(&mut self) -> &mut dyn fmt::Write {
        &mut self.line
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex, PoisonError};

    use dasf_protocol::text::is_hidden;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            written.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Written {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    fn logged(log: impl FnOnce()) -> String {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(written.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .fmt_fields(PrintableFields)
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn nobody_can_forge_a_line_of_the_log() {
        const EVIL: &str = "a\n2026 INFO b\u{1b}]0;c\u{7}\u{202e}d\u{85}e";
        let lines = logged(|| {
            let span = tracing::info_span!("call", function = %EVIL, kind = tracing::field::Empty);
            span.record("kind", EVIL);
            span.in_scope(|| {
                tracing::info!(text = EVIL, shown = %EVIL, debugged = ?[EVIL], "no {EVIL}");
            });
        });
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(!lines.trim_end().contains(is_hidden), "{lines:?}");
    }

    #[test]
    fn a_value_with_spaces_is_quoted() {
        let error = std::fmt::Error;
        let lines = logged(|| {
            tracing::info!(text = "a b", shown = %"a b", one = %"ab", count = 5, %error, list = ?[1, 2], "done");
        });
        assert_eq!(
            lines.trim(),
            "INFO done text=\"a b\" shown=\"a b\" one=ab count=5 error=\"an error occurred when \
             formatting an argument\" list=[1, 2]"
        );
    }
}
