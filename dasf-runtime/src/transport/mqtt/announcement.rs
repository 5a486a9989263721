//! Announcements: retained messages by which a module announces itself, or others report about it.

use std::time::Duration;

use bytes::Bytes;
use dasf_protocol::{Subscription, Topic};
use mqtt_proto::v5::{LastWill, Publish, WillProperties};
use mqtt_proto::{QoS, QosPid, TopicName};
use serde::{Deserialize, Serialize};

use super::names;
use super::session_recovery::SESSION_EXPIRY;

/// The largest announcement in bytes. The limit protects the memory of the readers.
pub(super) const MAX_LENGTH: usize = 64 << 10;
/// The largest packet accepted on a connection for announcements.
pub(super) const MAX_PACKET_SIZE: usize = 2 * MAX_LENGTH;
/// How many seconds without a connection make a module count as lost. A shorter loss does not.
const WILL_DELAY: u32 = 1;

/// How many seconds an announcement is valid. If the broker itself dies, nobody reports that the
/// module is gone.
const ANNOUNCEMENT_EXPIRY: u32 = 3600;
/// How often a module repeats its announcement.
pub(super) const ANNOUNCE_EVERY: Duration = Duration::from_secs(ANNOUNCEMENT_EXPIRY as u64 / 4);

/// An announcement about a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Announcement {
    /// The module listens. The string is its announcement as JSON.
    Announced(String),
    /// The module died, and its session may contain messages to return to its group.
    Lost(Subscription),
    /// Another module of the group is about to return its messages.
    Claimed {
        group: Subscription,
        /// The client id of that module.
        by: String,
    },
    /// Another module of the group asks whether it lives.
    Doubted(Subscription),
    /// The module is gone and left no messages.
    Withdrawn,
}

/// The JSON of an announcement that is not an announcement.
#[derive(Default, Serialize, Deserialize)]
struct Fate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    doubted: Option<String>,
}

impl Announcement {
    /// Reads an announcement; `None` for any other message.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        if payload.is_empty() {
            return Some(Self::Withdrawn);
        }
        if payload.len() > MAX_LENGTH {
            return None;
        }
        let text = std::str::from_utf8(payload).ok()?;
        if !text.starts_with('{') {
            // Serde would also read the fields from a list.
            return None;
        }
        let fate: Fate = serde_json::from_str(text).ok()?;
        Some(match (fate.lost, fate.claimed, fate.doubted) {
            (Some(group), _, _) => Self::Lost(group.parse().ok()?),
            (None, Some(group), _) => Self::Claimed {
                group: group.parse().ok()?,
                by: fate.by.unwrap_or_default(),
            },
            (None, None, Some(group)) => Self::Doubted(group.parse().ok()?),
            (None, None, None) => Self::Announced(text.to_owned()),
        })
    }

    fn payload(&self) -> Bytes {
        let fate = match self {
            Self::Announced(text) => return Bytes::copy_from_slice(text.as_bytes()),
            Self::Withdrawn => return Bytes::new(),
            Self::Lost(group) => Fate {
                lost: Some(group.to_string()),
                ..Fate::default()
            },
            Self::Claimed { group, by } => Fate {
                claimed: Some(group.to_string()),
                by: Some(by.clone()),
                ..Fate::default()
            },
            Self::Doubted(group) => Fate {
                doubted: Some(group.to_string()),
                ..Fate::default()
            },
        };
        serde_json::to_vec(&fate).unwrap_or_default().into()
    }

    /// Returns how many seconds the announcement is valid.
    fn expiry(&self) -> Option<u32> {
        match self {
            Self::Announced(_) => Some(ANNOUNCEMENT_EXPIRY),
            Self::Lost(_) => Some(SESSION_EXPIRY),
            Self::Claimed { .. } | Self::Doubted(_) | Self::Withdrawn => None,
        }
    }

    /// Returns the message of this announcement about a module. A claim is not retained, because it must
    /// not outlive the module that makes it, and neither is a question.
    pub(super) fn publish(
        &self,
        topic: &Topic,
        client_id: &str,
    ) -> Result<Publish, mqtt_proto::Error> {
        let name = TopicName::try_from(names::announcement(topic, client_id).as_str())?;
        let mut publish = Publish::new(QosPid::Level0, name, self.payload());
        publish.retain = !matches!(self, Self::Claimed { .. } | Self::Doubted(_));
        publish.properties.message_expiry_interval = self.expiry();
        Ok(publish)
    }

    /// Returns the Will, which the broker publishes when the module is lost.
    pub(super) fn will(
        &self,
        topic: &Topic,
        client_id: &str,
    ) -> Result<LastWill, mqtt_proto::Error> {
        let name = TopicName::try_from(names::announcement(topic, client_id).as_str())?;
        Ok(LastWill {
            retain: true,
            properties: WillProperties {
                delay_interval: Some(WILL_DELAY),
                message_expiry_interval: self.expiry(),
                ..WillProperties::default()
            },
            ..LastWill::new(QoS::Level1, name, self.payload())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_notice_reads_back() {
        let group: Subscription = "workers".parse().unwrap();
        for announcement in [
            Announcement::Announced(r#"{"name":"demo"}"#.to_owned()),
            Announcement::Lost(group.clone()),
            Announcement::Claimed {
                group: group.clone(),
                by: "dasf1".to_owned(),
            },
            Announcement::Doubted(group),
            Announcement::Withdrawn,
        ] {
            assert_eq!(
                Announcement::read(&announcement.payload()),
                Some(announcement)
            );
        }
        let lost = Announcement::Lost("workers".parse().unwrap());
        assert_eq!(&lost.payload()[..], br#"{"lost":"workers"}"#);
    }

    #[test]
    fn what_is_retained_does_not_stay_for_ever() {
        let group: Subscription = "workers".parse().unwrap();
        for announcement in [
            Announcement::Announced("{}".to_owned()),
            Announcement::Lost(group),
        ] {
            let topic = "demo".parse().unwrap();
            let publish = announcement.publish(&topic, "dasf").unwrap();
            let expiry = publish.properties.message_expiry_interval;
            assert!(publish.retain && expiry == Some(3600), "{publish:?}");
        }
    }

    #[test]
    fn what_is_no_notice_is_none() {
        let long = format!("{{\"name\":\"{}\"}}", "a".repeat(MAX_LENGTH));
        for other in ["[]", "1", "{", r#"{"lost":"a/b"}"#, r#"{"lost":1}"#, &long] {
            assert_eq!(Announcement::read(other.as_bytes()), None);
        }
        assert_eq!(Announcement::read(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Announcement::read(&payload);
        }
    }
}
