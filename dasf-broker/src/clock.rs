//! The clock of the broker.

use std::time::Instant;

/// Returns the time. Tests can move it with the clock of Tokio.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
