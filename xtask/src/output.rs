//! Reads the output of child processes.

/// The numbers of passed and failed tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Count {
    /// Returns the numbers in a line such as `test result: ok. 12 passed; 0 failed; 1 ignored; …`, and
    /// `None` for any other line.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let line = without_colour(line);
        let rest = line.trim().strip_prefix("test result: ")?;
        let rest = rest
            .strip_prefix("ok. ")
            .or_else(|| rest.strip_prefix("FAILED. "))?;
        let (passed, rest) = rest.split_once(" passed; ")?;
        let (failed, _) = rest.split_once(" failed;")?;
        Some(Self {
            passed: passed.parse().ok()?,
            failed: failed.parse().ok()?,
        })
    }
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Returns the WebSocket URL in a line.
pub(crate) fn websocket_url(line: &str) -> Option<String> {
    let line = without_colour(line);
    let url = &line[line.find("ws://")?..];
    url.split_whitespace().next().map(str::to_owned)
}

/// Removes the escape sequences of colours (`ESC [ … letter`).
fn without_colour(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = sequence.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        rest = rest
            .strip_prefix(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_counted() {
        let cases = [
            (
                "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
                12,
                0,
            ),
            (
                "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.50s\n",
                3,
                2,
            ),
            (
                "test result: \u{1b}[32mok\u{1b}[m. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
                7,
                0,
            ),
        ];
        for (line, passed, failed) in cases {
            let expected = Count { passed, failed };
            assert_eq!(Count::from_line(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn other_lines_are_not_counted() {
        for line in [
            "",
            "running 12 tests",
            "test results::add ... ok",
            "test result: ok. many passed; 0 failed;",
            "test result: unclear. 1 passed; 0 failed;",
            "test result: ok. 12 passed",
            "she said: test result: ok. 12 passed; 0 failed;",
        ] {
            assert_eq!(Count::from_line(line), None, "{line}");
        }
    }

    #[test]
    fn the_url_is_found() {
        assert_eq!(
            websocket_url("listening on ws://127.0.0.1:4711/ws (stop with ctrl-c)").as_deref(),
            Some("ws://127.0.0.1:4711/ws")
        );
        assert_eq!(
            websocket_url("\u{1b}[36mws://127.0.0.1:1/ws\u{1b}[0m\n").as_deref(),
            Some("ws://127.0.0.1:1/ws")
        );
        assert_eq!(websocket_url("starting"), None);
    }
}
