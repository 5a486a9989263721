//! Text that a terminal can show.

/// Replaces control characters by spaces, so that a terminal can show the string safely.
pub fn printable(text: &str) -> String {
    let printable = |symbol: char| if symbol.is_control() { ' ' } else { symbol };
    text.chars().map(printable).collect()
}
