//! What the programs of the measurements share.

/// Functions that only move data or time.
#[dasf::module(topic = "bench", main = false)]
pub mod bench {
    use std::time::Duration;

    /// Return a text.
    #[dasf::function]
    pub fn echo(text: String) -> String {
        text
    }

    /// Sleep, without work.
    ///
    /// # Arguments
    /// * `millis` - The time in milliseconds
    #[dasf::function]
    pub async fn wait(millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
