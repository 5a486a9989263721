//! The regular expressions of JSON Schema, as DASF modules and their clients read them.
//!
//! JSON Schema writes patterns in the dialect of ECMA-262 with the flag `u`: `\d`, `\w` and `\b`
//! cover ASCII, `\s` covers all white space of Unicode, `$` is the end of the text, and `\p{L}` is
//! a letter of any language. Modules check patterns with Rust's `regex`, which takes time in
//! proportion to the length of the text. Its syntax differs; [`to_rust`] translates a pattern into
//! it.
//!
//! This crate refuses what that engine lacks: look-around and back references. It also refuses what
//! other dialects read differently: `&&` and `[:alpha:]` in a class. Every accepted pattern means
//! what it means in ECMA-262.
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

/// How deep groups may be nested.
pub const MAX_DEPTH: usize = 100;
/// The largest number in a repetition.
pub const MAX_REPETITIONS: u32 = 65_535;

/// Why a text is not a valid pattern of the dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// The number of characters of the pattern before the mistake.
    pub at: usize,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

// Written by hand, because every macro waits for this crate, and it should have no dependencies.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.reason, self.at + 1)
    }
}

impl std::error::Error for Mistake {}

/// Translates a pattern into the syntax of Rust's `regex`. The result matches the same texts.
///
/// The result contains no `\d`, `\w`, `\s` or `.`. So it means the same in the dialect of JSON
/// Schema and in Rust's.
///
/// # Errors
/// When the text is not a valid pattern of the dialect.
pub fn to_rust(pattern: &str) -> Result<String, Mistake> {
    reader::Reader::new(pattern).read()
}

#[cfg(test)]
mod tests;
