//! The replacement of progress bars in programs without the feature `progress-bars`.

use std::io::{self, Write};

/// Standard error, on which there are no bars.
pub(super) struct BesideBars;

impl Write for BesideBars {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        io::stderr().write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
