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

use super::session;

/// What MQTT topics of the protocol begin with.
const PREFIX: &str = "dasf/";
/// The level under which modules say something of themselves.
const MODULES: &str = "/modules/";

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
    session::is_client_id(client_id).then_some((topic, client_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_where_it_says_something() {
        let topic: Topic = "demo".parse().unwrap();
        let id = session::client_id();
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
