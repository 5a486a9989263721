//! Regular expressions of JSON Schema for DASF modules and their clients.
//!
//! JSON Schema writes patterns in the dialect of ECMA-262 with the flag `u`:
//!
//! - `\d`, `\w` and `\b` cover ASCII.
//! - `\s` covers all white space of Unicode.
//! - `$` is the end of the string.
//! - `\p{L}` is a letter of any language.
//!
//! Modules check strings with the crate `regex`, because the time of a check grows only with the
//! length of the string. Its syntax differs, so [`to_rust`] translates patterns into it.
//!
//! Every accepted pattern has the same meaning as in ECMA-262. This crate refuses look-around and back
//! references, because the crate `regex` has none. It also refuses `&&` and `[:alpha:]` in a class,
//! because other dialects read them differently.
//!
//! ```
//! use dasf_pattern::to_rust;
//!
//! assert_eq!(to_rust(r"^[a-z]+$")?, r"^[a-z]+$");
//! assert_eq!(to_rust(r"^\d+\b")?, r"^[0-9]+(?-u:\b)");
//! let mistake = to_rust(r"^[[:alpha:]]+$").unwrap_err();
//! assert!(mistake.to_string().contains(r"write `[\p{L}]`"));
//! # Ok::<(), dasf_pattern::Mistake>(())
//! ```

mod class;
mod properties;
mod reader;

use std::fmt;

/// The greatest depth of nested groups.
pub const MAX_DEPTH: usize = 100;
/// The largest number in a repetition.
pub const MAX_REPETITIONS: u32 = 65_535;

/// A mistake in a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// The number of characters of the pattern before the mistake.
    pub at: usize,
    /// The mistake in words, and what to write instead.
    pub reason: String,
}

// Written by hand, because the crate has no dependencies: every macro waits for its compilation.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.reason, self.at + 1)
    }
}

impl std::error::Error for Mistake {}

/// Translates a pattern into the syntax of the crate `regex`.
///
/// The result matches the same strings. It contains no `\d`, `\w`, `\s` or `.`, so it has the same
/// meaning in both dialects.
///
/// # Errors
/// [`Mistake`] when the pattern is not valid in the dialect of JSON Schema.
pub fn to_rust(pattern: &str) -> Result<String, Mistake> {
    reader::Reader::new(pattern).read()
}

#[cfg(test)]
mod tests;
