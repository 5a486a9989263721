//! The client in python.

use crate::description::Description;

/// Writes the file.
pub(crate) fn write(_description: &Description, header: &[String]) -> String {
    let lines = header.iter().map(|line| format!("# {line}\n"));
    lines.collect()
}
