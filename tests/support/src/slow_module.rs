//! A module whose calls end only when nobody waits for them, and tell that.

use std::sync::LazyLock;

use dasf::CallError;
use tokio::sync::watch;

use crate::soon;

/// What the functions have told, by the names of their calls.
static NOTES: LazyLock<watch::Sender<Vec<String>>> = LazyLock::new(watch::Sender::default);

fn note(name: &str, event: &str) {
    NOTES.send_modify(|notes| notes.push(format!("{name} {event}")));
}

/// Returns whether a function has told this.
pub fn is_noted(text: &str) -> bool {
    NOTES.borrow().iter().any(|note| note == text)
}

/// Waits until a function has told this.
pub async fn noted(text: &str) {
    let mut notes = NOTES.subscribe();
    let told = notes.wait_for(|notes| notes.iter().any(|note| note == text));
    soon(text, told).await.unwrap();
}

/// Tells when it is dropped.
struct Guard(String);

impl Drop for Guard {
    fn drop(&mut self) {
        note(&self.0, "dropped");
    }
}

/// Functions that take long.
#[dasf::module(main = false)]
pub mod slow {
    use std::time::Duration;

    use dasf::Context;

    use super::{Guard, note};

    /// Waits without end.
    #[dasf::function]
    pub async fn wait(name: String) {
        let _guard = Guard(name.clone());
        note(&name, "begun");
        std::future::pending::<()>().await;
    }

    /// Works until nobody needs the result, for at most 20 seconds.
    #[dasf::function]
    pub fn work(name: &str, context: &Context) {
        note(name, "begun");
        for _ in 0..20_000 {
            if context.is_cancelled() {
                return note(name, "cancelled");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns the number of bytes of a text.
    #[dasf::function]
    pub fn size(name: &str, text: &str) -> usize {
        note(name, "ran");
        text.len()
    }
}

/// Sends a call, and drops it at once.
pub async fn send_and_drop<T>(call: impl IntoFuture<Output = Result<T, CallError>>) {
    tokio::select! {
        biased;
        _ = call.into_future() => panic!("nobody can have answered yet"),
        () = std::future::ready(()) => {}
    }
}

/// Sends a call, and drops it when its function runs.
pub async fn drop_running<T>(name: &str, call: impl IntoFuture<Output = Result<T, CallError>>) {
    let begun = format!("{name} begun");
    tokio::select! {
        _ = call.into_future() => panic!("{name} ended"),
        () = noted(&begun) => {}
    }
}
