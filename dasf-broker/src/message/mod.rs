//! A message: the frame of its producer, and the frames for its consumers.
//!
//! A message stays in the form in which it came: as the text of a WebSocket of one topic, or as the
//! frames of a link. It takes the other form only for a consumer that needs it.

mod content;
mod frame;
mod ids;
#[cfg_attr(not(feature = "store"), allow(dead_code))]
mod kept;
mod number;
mod progress;
pub(crate) mod stamp;
mod time;

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use axum::extract::ws::Utf8Bytes;
use dasf_protocol::{Topic, link};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::budget::{Budget, Charge};
use crate::store::RestoredMessage;
use crate::topic::call_of;
pub(crate) use content::{Content, Earlier};
pub(crate) use frame::{Fields, Frame};
pub(crate) use ids::MessageIds;
pub(crate) use kept::Keeping;
use kept::Kept;
pub(crate) use number::whole_number;
pub(crate) use progress::progress_of;
#[cfg(feature = "cli")]
pub(crate) use time::date;
pub(crate) use time::rfc3339;

/// What the messages of a broker have from it: their ids, and their part of its budget.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) ids: MessageIds,
    pub(crate) budget: Arc<Budget>,
    /// The store, if the broker has one.
    pub(crate) keeping: Option<Arc<Keeping>>,
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
    /// The number of the call of which it is the request, if that was asked for.
    call: OnceLock<Option<u64>>,
    id: Uuid,
    body: Body,
    /// The memory of the message, without its places in subscriptions.
    charge: Charge,
}

/// Where the content of a message is.
#[derive(Debug)]
enum Body {
    /// In the memory, as long as the message exists.
    Fixed(Content),
    /// In the store, and in the memory if there is room.
    Kept(Kept),
}

impl Deref for Message {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The memory of a message besides its texts and its payload.
pub(crate) const MESSAGE_OVERHEAD: usize = size_of::<Inner>() + 64;

/// A message with its content in the memory.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    message: Message,
    /// The content of a message that the store keeps.
    kept: Option<Arc<Content>>,
}

impl Deref for Loaded {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

impl Loaded {
    #[allow(clippy::expect_used)] // the message explains why it cannot happen
    pub(crate) fn content(&self) -> &Content {
        match (&self.message.body, &self.kept) {
            (Body::Fixed(content), _) => content,
            (Body::Kept(_), kept) => kept
                .as_deref()
                .expect("`Message::load` adds the content of a message that the store keeps"),
        }
    }

    /// See [`Content::text`].
    pub(crate) fn text(&self, earlier: Earlier) -> Utf8Bytes {
        self.content().text(self.id, earlier)
    }

    /// See [`Content::link_frames`].
    pub(crate) fn link_frames(&self, topic: &Topic, earlier: Earlier) -> link::Frames {
        self.content().link_frames(topic, self.sequence, earlier)
    }
}

impl Message {
    fn new(
        origin: &Origin,
        budget: &Arc<Budget>,
        sequence: u64,
        published: Instant,
        time: SystemTime,
        content: Content,
    ) -> Self {
        let body = match &origin.keeping {
            None => Body::Fixed(content),
            Some(keeping) => Body::Kept(Kept::new(keeping, budget, time, content)),
        };
        Self::with_body(origin, budget, sequence, published, body)
    }

    fn with_body(
        origin: &Origin,
        budget: &Arc<Budget>,
        sequence: u64,
        published: Instant,
        body: Body,
    ) -> Self {
        let size = match &body {
            Body::Fixed(content) => content.size(),
            // It counts as long as it is in the memory.
            Body::Kept(_) => 0,
        };
        Self(Arc::new(Inner {
            sequence,
            published,
            is_acknowledged: AtomicBool::new(false),
            call: OnceLock::new(),
            id: origin.ids.uuid(sequence),
            body,
            charge: budget.charge(size + MESSAGE_OVERHEAD),
        }))
    }

    /// Returns a message that the store has.
    pub(crate) fn restored(
        origin: &Origin,
        keeping: &Arc<Keeping>,
        published: Instant,
        restored: &RestoredMessage,
    ) -> Self {
        let kept = Kept::on_disk(
            keeping,
            &origin.budget,
            restored.published,
            restored.size,
            restored.keep.into(),
        );
        let budget = &origin.budget;
        let message = Self::with_body(
            origin,
            budget,
            restored.sequence,
            published,
            Body::Kept(kept),
        );
        if restored.is_acknowledged {
            message.acknowledge();
        }
        if restored.has_more_rows {
            message.set_more_rows();
        }
        message
    }

    /// Creates a message from the part of a text frame after its opening brace. The budget is a part of that
    /// of the broker.
    pub(crate) fn from_text(
        origin: &Origin,
        budget: &Arc<Budget>,
        published: Instant,
        fields: &str,
    ) -> Self {
        let sequence = origin.ids.next();
        let time = SystemTime::now();
        let content = Content::of_text(origin.ids.uuid(sequence), time, fields);
        Self::new(origin, budget, sequence, published, time, content)
    }

    /// Creates a message of this topic from the parts of a frame of a link.
    pub(crate) fn from_link(
        origin: &Origin,
        budget: &Arc<Budget>,
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
            waited_ms: 0,
            context,
            properties,
            payload,
        };
        let time = SystemTime::now();
        let content = Content::of_link(time, &message);
        Self::new(origin, budget, sequence, published, time, content)
    }

    /// Returns a new message with the same fields, for another topic.
    pub(crate) fn copy(
        content: &Content,
        origin: &Origin,
        budget: &Arc<Budget>,
        published: Instant,
        topic: &Topic,
    ) -> Self {
        match content {
            Content::Text(text) => {
                Self::from_text(origin, budget, published, content::fields(text))
            }
            Content::Link(content) => content.read(|context, properties, payload| {
                Self::from_link(
                    origin, budget, published, topic, context, properties, &payload,
                )
            }),
        }
    }

    /// Returns a new message of the same topic with the same fields, but for what no longer holds: the time
    /// that its caller waits, and that it has been published before.
    pub(crate) fn anew(
        content: &Content,
        origin: &Origin,
        budget: &Arc<Budget>,
        published: Instant,
        topic: &Topic,
    ) -> Self {
        match content {
            Content::Text(text) => {
                let fields =
                    content::with_other_properties(content::fields(text), stamp::without_times);
                Self::from_text(origin, budget, published, &fields)
            }
            Content::Link(content) => content.read(|context, properties, payload| {
                let changed = stamp::without_times(properties);
                let properties = changed.as_deref().or(properties);
                Self::from_link(
                    origin, budget, published, topic, context, properties, &payload,
                )
            }),
        }
    }

    /// Returns the budget of which the message uses a part.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        self.charge.budget()
    }

    /// Returns the id, which is a UUID.
    pub(crate) fn id(&self) -> Hyphenated {
        self.id.hyphenated()
    }

    /// Returns the message with its content, or `None` if the content is not in the memory.
    pub(crate) fn load(&self) -> Option<Loaded> {
        let kept = match &self.body {
            Body::Fixed(_) => None,
            Body::Kept(kept) => Some(kept.content()?),
        };
        let message = self.clone();
        Some(Loaded { message, kept })
    }

    /// Returns the size in bytes.
    pub(crate) fn size(&self) -> usize {
        match &self.body {
            Body::Fixed(content) => content.size(),
            Body::Kept(kept) => kept.size,
        }
    }

    /// Runs a function on the JSON object of the properties, if the content is in the memory.
    pub(crate) fn with_properties<T>(&self, read: impl FnOnce(Option<&str>) -> T) -> T {
        match &self.body {
            Body::Fixed(content) => content.with_properties(read),
            Body::Kept(kept) => match kept.content() {
                Some(content) => content.with_properties(read),
                None => read(None),
            },
        }
    }

    /// Returns how long the broker keeps the message at least while nobody reads its topic, as its sender asks.
    pub(crate) fn keep(&self) -> Duration {
        match &self.body {
            Body::Fixed(content) => content.with_properties(number::keep),
            Body::Kept(kept) => kept.keep(),
        }
    }

    /// Returns the number of the call of which the message is the request; `None` if it is none, or its
    /// content is not in the memory.
    pub(crate) fn call(&self) -> Option<u64> {
        if let Some(call) = self.call.get() {
            return *call;
        }
        self.with_properties(|properties| {
            let properties = properties?;
            *self.call.get_or_init(|| call_of(properties))
        })
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
