//! The problems of a value, as people read them.

/// The maximum number of problems in a text.
pub const MAX_LISTED: usize = 10;
/// The maximum number of bytes of a path, and of a message. A longer one is cut and ends with `…`.
pub const MAX_LENGTH: usize = 1000;

/// A problem of a value, with its place: the value does not match its schema, or does not have the type
/// that reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    path: String,
    message: String,
}

impl Problem {
    const MISSING: &str = "is required";

    /// Creates a problem at a path, without a dot at the end of the path.
    ///
    /// Paths and messages of more than [`MAX_LENGTH`] bytes are cut: they may contain names and values
    /// of the other side.
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: cut(path.trim_end_matches('.').to_owned()),
            message: cut(message.into()),
        }
    }

    /// Returns the problem of the value that has this value at `place`.
    ///
    /// ```
    /// use dasf_protocol::problem::Problem;
    ///
    /// let problem = Problem::new("[1].x", "is required");
    /// assert_eq!(problem.below("points").path(), "points[1].x");
    /// ```
    #[must_use]
    pub fn below(self, place: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        Self {
            path: cut(format!("{place}{dot}{}", self.path)),
            message: self.message,
        }
    }

    /// Returns the problem of an object that lacks a property. The path of the object may end with a
    /// dot.
    pub fn missing(path: &str, property: &str) -> Self {
        let dot = if path.is_empty() || path.ends_with('.') {
            ""
        } else {
            "."
        };
        Self {
            path: cut(format!("{path}{dot}{property}")),
            message: Self::MISSING.to_owned(),
        }
    }

    /// Returns the path of the value, for example `points[1].x`; empty for the whole value.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the description of the problem.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns whether the problem is a missing value.
    pub fn is_missing(&self) -> bool {
        self.message == Self::MISSING
    }
}

/// Cuts a text that is too long.
fn cut(mut text: String) -> String {
    if text.len() > MAX_LENGTH {
        let end = (0..=MAX_LENGTH).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
    text
}

/// Joins problems into one line: `function: path: problem; path: problem`.
pub fn list_problems(function: &str, problems: &[Problem]) -> String {
    let mut text = function.to_owned();
    for (index, Problem { path, message }) in problems.iter().take(MAX_LISTED).enumerate() {
        text.push_str(if index == 0 { ": " } else { "; " });
        if !path.is_empty() {
            text.push_str(path);
            text.push_str(": ");
        }
        text.push_str(message);
    }
    if problems.len() > MAX_LISTED {
        text.push_str("; and more");
    }
    text
}
