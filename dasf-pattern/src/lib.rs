//! The regular expressions of JSON Schema, as DASF modules and their clients read them.
//!
//! JSON Schema writes patterns in the dialect of ECMA-262 with the flag `u`: `\d`, `\w` and `\b` are
//! about ASCII, `\s` about all white space of Unicode, `$` is the end of the text, and letters of
//! all languages are `\p{L}`. Modules check them with Rust's `regex`, which takes time in proportion
//! to the text's length and reads much of that otherwise; [`to_rust`] says the same in its words.
//!
//! What that engine cannot do is no part of the dialect here: look-around and back references. Nor
//! is what a reader of another dialect would take for something else: `&&` and `[:alpha:]` in a
//! class. Everything that is accepted means what it means in ECMA-262.
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

/// How deep groups may stand inside each other.
pub const MAX_DEPTH: usize = 100;
/// How often the most a part of a pattern may be repeated by numbers.
pub const MAX_REPETITIONS: u32 = 65_535;

/// Why a text is no pattern of the dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// How many characters of the pattern stand before the mistake.
    pub at: usize,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

// Written out, because a crate that every macro waits for needs no other.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.reason, self.at + 1)
    }
}

impl std::error::Error for Mistake {}

/// The pattern in the words of Rust's `regex`, which finds it in the same texts.
///
/// The result reads the same with and without JSON Schema's own meaning of `\d`, `\w`, `\s` and `.`,
/// because it has none of them.
///
/// # Errors
/// When the text is no pattern of the dialect.
pub fn to_rust(pattern: &str) -> Result<String, Mistake> {
    reader::Reader::new(pattern).read()
}

#[cfg(test)]
mod tests;
