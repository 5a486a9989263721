//! What a function may know about the call it serves.

use std::sync::Arc;
use std::time::Duration;

use dasf_protocol::Properties;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Who calls, how long they wait, and whether they still do.
///
/// A function that has an argument of this type receives it; it is no part of the request or of the
/// schema.
///
/// ```
/// fn refine(context: dasf_runtime::Context) -> u32 {
///     let mut rounds = 0;
///     while rounds < 10 && !context.is_cancelled() {
///         rounds += 1;
///     }
///     rounds
/// }
/// # assert_eq!(refine(dasf_runtime::Context::local()), 10);
/// ```
#[derive(Debug, Clone)]
pub struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    message_id: String,
    properties: Properties,
    deadline: Option<Instant>,
    cancellation: CancellationToken,
}

impl Context {
    pub(crate) fn new(
        message_id: String,
        properties: Properties,
        deadline: Option<Instant>,
        cancellation: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            message_id,
            properties,
            deadline,
            cancellation,
        }))
    }

    /// The context of a call that no message brought: no deadline, no properties, never cancelled.
    pub fn local() -> Self {
        Self::new(
            "local".to_owned(),
            Properties::new(),
            None,
            CancellationToken::new(),
        )
    }

    /// The broker's id of the request.
    pub fn message_id(&self) -> &str {
        &self.0.message_id
    }

    /// The request's properties, the caller's own ones included.
    pub fn properties(&self) -> &Properties {
        &self.0.properties
    }

    /// How long the caller still waits; `None` when it did not say.
    pub fn time_left(&self) -> Option<Duration> {
        self.0
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the result is of no use any more: the caller's time is over, or the module has to
    /// stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancellation.is_cancelled()
    }

    /// Waits until the result is of no use any more.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn cancelled(&self) {
        self.0.cancellation.cancelled().await;
    }
}
