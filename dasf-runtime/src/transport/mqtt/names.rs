//! The names of topics and of subscriptions in MQTT.
//!
//! | what | its name |
//! |---|---|
//! | a topic | `dasf/{topic}` |
//! | what a group shares of it | `$share/{group}/dasf/{topic}` |
//! | what is returned to a group | `dasf/{topic}/groups/{group}`, which it shares as well |
//! | what a module says of itself | `dasf/{topic}/modules/{client id}`, retained |
//!
//! Neither a topic nor the name of a group has a character that means anything to MQTT.

use dasf_protocol::{Subscription, Topic};

use crate::random;

/// What MQTT topics of the protocol begin with.
const PREFIX: &str = "dasf/";
/// The level under which modules say something of themselves.
const MODULES: &str = "/modules/";

/// What all client ids begin with.
const CLIENT: &str = "dasf";
/// The number of random letters and digits in the client id of a caller: 113 bits.
const LETTERS: usize = 19;
/// The number of random letters and digits in the client id of a module: 71 bits.
const OWN_LETTERS: usize = 12;
/// How many digits tell of its topic and its group.
const MARK_DIGITS: usize = 6;

/// What matches the notices of all modules on all topics.
pub(super) const ALL_NOTICES: &str = "dasf/+/modules/+";

/// A topic of the protocol, or what is to be one.
pub(super) fn topic(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The topic of the protocol; the name itself where it is none.
pub(super) fn without_prefix(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// Where a group gets back what one of it did not finish: not on the topic itself, of which other
/// groups have had it already.
pub(super) fn returned(topic: &Topic, group: &Subscription) -> String {
    format!("{PREFIX}{topic}/groups/{group}")
}

/// What the modules of a group subscribe to.
pub(super) fn shared(topic: &Topic, group: &Subscription) -> [String; 2] {
    [self::topic(topic.as_str()), returned(topic, group)]
        .map(|name| format!("$share/{group}/{name}"))
}

/// Where a module says something of itself.
pub(super) fn notice(topic: &Topic, client_id: &str) -> String {
    format!("{PREFIX}{topic}{MODULES}{client_id}")
}

/// What matches the notices of all modules on a topic.
pub(super) fn notices(topic: &Topic) -> String {
    notice(topic, "+")
}

/// The topic, and the client id, of the module that says something there. Whoever may publish could
/// name any client of the broker, so only those of modules count.
pub(super) fn module(name: &str) -> Option<(Topic, &str)> {
    let (topic, client_id) = name.strip_prefix(PREFIX)?.split_once(MODULES)?;
    let topic = topic.parse().ok()?;
    is_module_id(client_id).then_some((topic, client_id))
}

/// The name of a client that no other has: letters and digits, of which every broker takes 23.
pub(super) fn client_id() -> String {
    format!("{CLIENT}{}", random::letters(LETTERS))
}

/// The name of a client that reads a topic, and tells by it which one, and for whom. A letter can be
/// added to it.
pub(super) fn module_id(topic: &Topic, group: Option<&Subscription>) -> String {
    let own = random::letters(OWN_LETTERS);
    format!("{CLIENT}{own}{}", mark(topic, group))
}

/// Whether a text is a name that [`module_id`] gives.
fn is_module_id(text: &str) -> bool {
    let name = text.strip_prefix(CLIENT).unwrap_or_default();
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let Some((own, mark)) = name.split_at_checked(OWN_LETTERS) else {
        return false;
    };
    own.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && mark.len() == MARK_DIGITS
        && mark.bytes().all(is_digit)
}

/// Whether a client is a module of this group on this topic. Whoever may say something of modules
/// on one topic must not have others end the session of a client that has nothing to do with it.
pub(super) fn is_of_group(client_id: &str, topic: &Topic, group: &Subscription) -> bool {
    is_module_id(client_id) && client_id.ends_with(&mark(topic, Some(group)))
}

/// A few digits for a topic and a group: a hash (FNV-1a), the same in every version of a program.
fn mark(topic: &Topic, group: Option<&Subscription>) -> String {
    let group = group.map(Subscription::as_str).unwrap_or_default();
    // Neither has a slash.
    let name = format!("{topic}/{group}");
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:0MARK_DIGITS$x}", hash >> (64 - 4 * MARK_DIGITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_where_it_says_something() {
        let topic: Topic = "demo".parse().unwrap();
        let id = module_id(&topic, None);
        let name = notice(&topic, &id);
        assert_eq!(module(&name), Some((topic.clone(), &*id)));
        for other in [
            format!("dasf/demo/modules/{id}/x"),
            format!("dasf/a/b/modules/{id}"),
            format!("other/demo/modules/{id}"),
            "dasf/demo/modules/thermostat".to_owned(),
            "dasf/demo".to_owned(),
        ] {
            assert_eq!(module(&other), None, "{other}");
        }
    }

    #[test]
    fn a_client_id_is_told_from_other_names() {
        assert!(!is_module_id(&client_id()));
        // Every broker accepts this many letters and digits.
        assert_eq!(client_id().len(), 23);
        for other in [
            "",
            "dasf",
            "dasf00000000000000000g",
            "dasf00000000000_000000",
            "x000000000000000000",
            "dasf0000000000000000001",
        ] {
            assert!(!is_module_id(other), "{other}");
        }
    }

    #[test]
    fn a_client_id_tells_of_its_group() {
        let topic: Topic = "demo".parse().unwrap();
        let group: Subscription = "workers".parse().unwrap();
        let id = module_id(&topic, Some(&group));
        // As many letters and digits as every broker takes, with one more.
        assert_eq!(id.len(), 22);
        assert!(is_of_group(&id, &topic, &group));
        assert_ne!(id, module_id(&topic, Some(&group)));
        assert!(!is_of_group(&id, &"other".parse().unwrap(), &group));
        assert!(!is_of_group(&id, &topic, &"others".parse().unwrap()));
        let alone = module_id(&topic, None);
        assert!(is_module_id(&alone) && !is_of_group(&alone, &topic, &group));
        let ending = &id[id.len() - MARK_DIGITS..];
        assert!(!is_of_group(ending, &topic, &group));
    }

    #[test]
    fn a_group_shares_a_topic_and_what_is_returned_to_it() {
        let filters = shared(&"demo".parse().unwrap(), &"a.b:c".parse().unwrap());
        let expected = [
            "$share/a.b:c/dasf/demo",
            "$share/a.b:c/dasf/demo/groups/a.b:c",
        ];
        assert_eq!(filters, expected);
        for filter in &filters {
            let filter = mqtt_proto::TopicFilter::try_from(filter.as_str()).unwrap();
            assert!(filter.is_shared());
        }
    }
}
