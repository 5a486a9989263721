//! What the programs share: the requests and their answers as JSON.

use std::time::Duration;

use dasf_bench_load::{AnyError, Work};
use serde::{Deserialize, Serialize};

/// The time that a call may take.
pub const TIMEOUT: Duration = Duration::from_secs(60);
/// The largest message, in bytes.
pub const LARGEST: u32 = 64 * 1024 * 1024;

/// A call of a function with its arguments.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "func_name", rename_all = "snake_case")]
pub enum Request {
    Add { a: i64, b: i64 },
    Echo { text: String },
    Wait { millis: u64 },
}

impl Request {
    /// Returns the request of a call.
    pub fn new(work: &Work) -> Result<Self, AnyError> {
        Ok(match *work {
            Work::Add => Self::Add { a: 1, b: 2 },
            Work::Echo(bytes) => Self::Echo {
                text: "x".repeat(bytes),
            },
            Work::Wait(time) => Self::Wait {
                millis: u64::try_from(time.as_millis())?,
            },
        })
    }
}

/// Checks a result.
pub fn check(is_right: bool) -> Result<(), AnyError> {
    if is_right {
        Ok(())
    } else {
        Err("the result is wrong".into())
    }
}

/// Checks the size of a text without a copy of it.
pub fn check_text(text: &str, work: &Work) -> Result<(), AnyError> {
    check(matches!(*work, Work::Echo(bytes) if bytes == text.len()))
}
