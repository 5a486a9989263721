//! A line in the terminal that tells where a call is.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::progress_bars::BesideBars;
use crate::client::Whereabouts;
use crate::duration::rounded;

/// The codes that clear the line of the cursor.
const CLEAR: &str = "\r\x1b[K";

/// A line that tells where a call is, until its function reports its progress, or the call ends.
#[derive(Debug)]
pub(super) struct WaitingLine {
    /// Whether standard error is a terminal.
    is_drawn: bool,
    /// The text that the terminal shows.
    shown: Mutex<String>,
}

impl WaitingLine {
    pub(super) fn new(is_drawn: bool) -> Self {
        let shown = Mutex::default();
        Self { is_drawn, shown }
    }

    pub(super) fn show(&self, whereabouts: Whereabouts) {
        self.change(text(whereabouts));
    }

    pub(super) fn clear(&self) {
        self.change(String::new());
    }

    fn change(&self, text: String) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_drawn && *shown != text {
            // A terminal that is gone needs no line.
            let _ = BesideBars.write_all(format!("{CLEAR}{text}").as_bytes());
            *shown = text;
        }
    }
}

/// Returns the text for what is known of a call; empty if it is not worth a line.
fn text(whereabouts: Whereabouts) -> String {
    match whereabouts {
        Whereabouts::Waiting { before: 0 } => "waiting: this call is the next one".to_owned(),
        Whereabouts::Waiting { before: 1 } => "waiting: 1 other call before this one".to_owned(),
        Whereabouts::Waiting { before } => format!("waiting: {before} other calls before this one"),
        Whereabouts::Begun { so_far } => format!("running for {}", rounded(so_far)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_line_tells_what_is_known() {
        for (whereabouts, expected) in [
            (
                Whereabouts::Waiting { before: 0 },
                "waiting: this call is the next one",
            ),
            (
                Whereabouts::Waiting { before: 1 },
                "waiting: 1 other call before this one",
            ),
            (
                Whereabouts::Waiting { before: 12 },
                "waiting: 12 other calls before this one",
            ),
            (
                Whereabouts::Begun {
                    so_far: Duration::from_millis(12_345),
                },
                "running for 12.3 s",
            ),
            (Whereabouts::Accepted, ""),
            (Whereabouts::Running { percent: 30 }, ""),
        ] {
            assert_eq!(text(whereabouts), expected);
        }
    }

    #[test]
    fn nothing_is_drawn_where_no_terminal_is() {
        let line = WaitingLine::new(false);
        line.show(Whereabouts::Waiting { before: 1 });
        assert_eq!(*line.shown.lock().unwrap(), "");
    }
}
