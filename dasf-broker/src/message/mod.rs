//! A message: the frame of its producer, and the frames for its consumers.
//!
//! A message stays in the form in which it came: as the text of a WebSocket of one topic, or as the
//! frames of a link. It takes the other form only for a consumer that needs it.

mod content;
mod frame;
mod ids;
mod time;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use dasf_protocol::{Topic, link};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::budget::{Budget, Charge};
use content::Content;
pub(crate) use content::Earlier;
pub(crate) use frame::Frame;
pub(crate) use ids::MessageIds;

/// What the messages of a broker have from it: their ids, and their part of its budget.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) ids: MessageIds,
    pub(crate) budget: Arc<Budget>,
}

/// A message as its consumers get it. All clones share its content.
#[derive(Debug, Clone)]
pub(crate) struct Message(Arc<Inner>);

/// What all clones of a message share.
#[derive(Debug)]
pub(crate) struct Inner {
    /// The number of the message in the broker.
    pub(crate) sequence: u64,
    /// When the broker accepted the message.
    pub(crate) published: Instant,
    /// Whether a consumer has acknowledged the message.
    is_acknowledged: AtomicBool,
    id: Uuid,
    content: Content,
    /// The memory of the message, without its places in subscriptions.
    _charge: Charge,
}

impl Deref for Message {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The memory of a message besides its texts and its payload.
pub(crate) const MESSAGE_OVERHEAD: usize = size_of::<Inner>() + 64;

impl Message {
    fn new(origin: &Origin, sequence: u64, published: Instant, content: Content) -> Self {
        let charge = origin.budget.charge(content.size() + MESSAGE_OVERHEAD);
        Self(Arc::new(Inner {
            sequence,
            published,
            is_acknowledged: AtomicBool::new(false),
            id: origin.ids.uuid(sequence),
            content,
            _charge: charge,
        }))
    }

    /// Creates a message from the part of a text frame after its opening brace.
    pub(crate) fn from_text(origin: &Origin, published: Instant, fields: &str) -> Self {
        let sequence = origin.ids.next();
        let content = Content::of_text(origin.ids.uuid(sequence), SystemTime::now(), fields);
        Self::new(origin, sequence, published, content)
    }

    /// Creates a message of this topic from the parts of a frame of a link.
    pub(crate) fn from_link(
        origin: &Origin,
        published: Instant,
        topic: &Topic,
        context: Option<&str>,
        properties: Option<&str>,
        payload: &Bytes,
    ) -> Self {
        let sequence = origin.ids.next();
        let message = link::Message {
            topic: topic.as_str(),
            number: sequence,
            redelivery_count: 0,
            begun_count: None,
            context,
            properties,
            payload,
        };
        let content = Content::of_link(SystemTime::now(), &message);
        Self::new(origin, sequence, published, content)
    }

    /// Returns a new message with the same fields, for another topic.
    pub(crate) fn copy(&self, origin: &Origin, published: Instant, topic: &Topic) -> Self {
        match &self.content {
            Content::Text(text) => Self::from_text(origin, published, content::fields(text)),
            Content::Link(content) => content.read(|context, properties, payload| {
                Self::from_link(origin, published, topic, context, properties, &payload)
            }),
        }
    }

    /// Returns the id, which is a UUID.
    pub(crate) fn id(&self) -> Hyphenated {
        self.id.hyphenated()
    }

    /// See [`Content::text`].
    pub(crate) fn text(&self, earlier: Earlier) -> Utf8Bytes {
        self.content.text(self.id, earlier)
    }

    /// See [`Content::link_frames`].
    pub(crate) fn link_frames(&self, topic: &Topic, earlier: Earlier) -> link::Frames {
        self.content.link_frames(topic, self.sequence, earlier)
    }

    /// Returns the size in bytes.
    pub(crate) fn size(&self) -> usize {
        self.content.size()
    }

    /// See [`Content::with_properties`].
    pub(crate) fn with_properties<T>(&self, read: impl FnOnce(Option<&str>) -> T) -> T {
        self.content.with_properties(read)
    }

    /// Records that a consumer of any subscription has acknowledged the message.
    pub(crate) fn acknowledge(&self) {
        // The lock of the topic orders all accesses.
        self.is_acknowledged.store(true, Ordering::Relaxed);
    }

    /// Returns whether a consumer of any subscription has acknowledged the message.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.is_acknowledged.load(Ordering::Relaxed)
    }
}
