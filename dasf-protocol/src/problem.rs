//! The problems of a value, as people read them.

/// The maximum number of problems in a text.
pub const MAX_LISTED: usize = 10;

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
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.trim_end_matches('.').to_owned(),
            message: message.into(),
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
            path: format!("{place}{dot}{}", self.path),
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
            path: format!("{path}{dot}{property}"),
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
