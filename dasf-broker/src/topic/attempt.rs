//! The deliveries of a message that came to nothing, for those who look at a message that was put aside.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::consumer::RunId;
use super::watch::Listener;
use crate::message::rfc3339;

/// Who had a message, as far as it has introduced itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) module: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) process: Option<u32>,
    pub(crate) user: Option<String>,
    pub(crate) address: Option<String>,
}

impl Holder {
    pub(super) fn of(listener: Option<&Listener>) -> Self {
        let Some(listener) = listener else {
            return Self::default();
        };
        let introduction = listener.introduction.clone();
        Self {
            module: introduction.module,
            version: introduction.version,
            host: introduction.host,
            process: introduction.process,
            user: listener.user.clone(),
            address: Some(listener.address.to_string()),
        }
    }
}

/// How a consumer parted from a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttemptEnd {
    /// Its connection was lost.
    Lost,
    /// It has returned the message.
    Returned,
}

/// A delivery of a message that no acknowledgement ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    #[serde(with = "shared")]
    pub(crate) consumer: Arc<Holder>,
    /// The run of its program, which stays the same when it connects again.
    #[serde(with = "run")]
    pub(super) run: RunId,
    /// When the consumer began to work on the message, as RFC 3339. `None` if it did not report that, as for
    /// each first delivery.
    pub(crate) begun: Option<String>,
    /// When the delivery ended, as RFC 3339.
    pub(crate) ended: String,
    pub(crate) end: AttemptEnd,
}

impl Attempt {
    /// Returns a delivery that ends now.
    pub(super) fn ended_now(
        consumer: Arc<Holder>,
        run: RunId,
        begun: Option<String>,
        end: AttemptEnd,
    ) -> Self {
        Self {
            consumer,
            run,
            begun,
            ended: rfc3339(SystemTime::now()),
            end,
        }
    }
}

/// Many messages of a lost consumer share who it was.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Holder;

    pub(super) fn serialize<S: Serializer>(
        holder: &Arc<Holder>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        holder.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Holder>, D::Error> {
        Holder::deserialize(deserializer).map(Arc::new)
    }
}

/// A number of 64 bits as a text, because not all readers of JSON have such numbers.
mod run {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::RunId;

    pub(super) fn serialize<S: Serializer>(run: &RunId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&run.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<RunId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(RunId).map_err(de::Error::custom)
    }
}
