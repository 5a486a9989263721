//! A link on one connection: frames of the broker to subscribers, and orders to frames.

mod read;
mod write;

use std::pin::Pin;

use dasf_protocol::Topic;
use dasf_protocol::link::Joiner;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::LinkBroker;
use super::state::LinkState;
use crate::transport::Backlog;

/// A link on one connection.
pub(super) struct LinkRole<'a, B> {
    link: &'a mut LinkState<B>,
    joiner: Joiner,
    backlog: Backlog,
    /// The topics with acknowledgements to write.
    touched: Vec<Topic>,
    /// Whether acknowledgements cannot wait for another frame.
    is_urgent: bool,
    /// When the waiting acknowledgements are due at the latest.
    delay: Option<Pin<Box<Sleep>>>,
    /// Whether a sender waits for its receipt.
    wants_receipt: bool,
    /// Notified when the last acknowledgements are written.
    written: Vec<oneshot::Sender<()>>,
    /// When to ask again for a refused subscription.
    retry: Option<Pin<Box<Sleep>>>,
    /// Whether a subscription waits for a frame to the broker.
    has_news: bool,
}

impl<'a, B: LinkBroker> LinkRole<'a, B> {
    pub(super) fn new(link: &'a mut LinkState<B>) -> Self {
        Self {
            backlog: Backlog::since(link.disconnected_since),
            link,
            joiner: Joiner::default(),
            touched: Vec::new(),
            is_urgent: false,
            delay: None,
            wants_receipt: false,
            written: Vec::new(),
            retry: None,
            has_news: true,
        }
    }
}
