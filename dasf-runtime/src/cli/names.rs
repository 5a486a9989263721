//! The errors for names that a module does not have.

use super::Error;
use crate::module::unknown_arguments::{unknown_argument as no_argument, unknown_member};

/// Returns the error for a name that does not exist: `the module has no function "ad"; did you mean
/// "add"?`. It suggests the closest known name, or lists all known names.
pub fn unknown(owner: &str, kind: &str, name: &str, known: &[String]) -> Error {
    Error::Usage(unknown_member(owner, kind, name, known))
}

/// Returns the error for an argument that a function does not have: `add has no argument "bb"; did
/// you mean "b"?`. It suggests the closest argument, or lists all arguments.
pub fn unknown_argument(function: &str, name: &str, known: &[String]) -> Error {
    Error::Usage(no_argument(function, name, known))
}
