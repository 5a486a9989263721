//! The names of topics and subscriptions in MQTT.
//!
//! | item | name |
//! |---|---|
//! | a topic | `dasf/{topic}` |
//! | the shared subscription of a group | `$share/{group}/dasf/{topic}` |
//! | the messages returned to a group | `dasf/{topic}/groups/{group}`, also with a shared subscription |
//! | the announcements about a module | `dasf/{topic}/modules/{client id}`, retained |
//! | the copy of a request of a job, without a group | `dasf/{topic}/jobs/{message id}`, retained |
//! | what modules must know of a job before they run it | `dasf/{response topic}/job/{kind}`, retained |
//! | a fragment of the answer to a job | `dasf/{response topic}/parts/{id of the answer}/{index}`, retained |
//!
//! Topics and names of groups contain no characters with a special meaning in MQTT. They contain no slash, so no name of
//! one row is a name of another row.

use dasf_protocol::{Subscription, Topic};

use crate::random;

/// The prefix of the protocol's MQTT topics.
const PREFIX: &str = "dasf/";
/// The level of the announcements about modules.
const MODULES: &str = "/modules/";
/// The level of the copies of jobs.
const JOBS: &str = "/jobs/";
/// The longest id of a message with a copy. The ids of messages in Rust have 36 characters.
const MAX_ID: usize = 64;
/// The level of what modules must know of a job.
const JOB: &str = "/job/";
/// The level of the fragments of answers.
const PARTS: &str = "/parts/";

/// The prefix of all client ids.
const CLIENT: &str = "dasf";
/// The number of random letters and digits in the client id of a caller: 113 bits.
const LETTERS: usize = 19;
/// The number of random letters and digits in the client id of a module: 71 bits.
const OWN_LETTERS: usize = 12;
/// The number of digits in a client id that mark its topic and group.
const MARK_DIGITS: usize = 6;

/// The filter for the announcements about all modules on all topics.
pub(super) const ALL_NOTICES: &str = "dasf/+/modules/+";

/// Returns the MQTT topic of a topic, given as a string.
pub(super) fn topic(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Removes the protocol's prefix from an MQTT topic, if it has one.
pub(super) fn without_prefix(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// Returns the MQTT topic for the messages returned to a group. It differs from the topic itself,
/// because other groups have already received the messages from there.
pub(super) fn returned(topic: &Topic, group: &Subscription) -> String {
    format!("{PREFIX}{topic}/groups/{group}")
}

/// Returns the subscriptions of the modules of a group.
pub(super) fn shared(topic: &Topic, group: &Subscription) -> [String; 2] {
    [self::topic(topic.as_str()), returned(topic, group)]
        .map(|name| format!("$share/{group}/{name}"))
}

/// Returns the MQTT topic of the announcements about a module.
pub(super) fn announcement(topic: &Topic, client_id: &str) -> String {
    format!("{PREFIX}{topic}{MODULES}{client_id}")
}

/// Returns the filter for the announcements about all modules on a topic.
pub(super) fn announcements(topic: &Topic) -> String {
    announcement(topic, "+")
}

/// Returns the filter for the copies of the jobs on a topic.
pub(super) fn jobs(topic: &Topic) -> String {
    format!("{PREFIX}{topic}{JOBS}+")
}

/// Returns the MQTT topic of the copy of a request; `None` if a topic cannot have its message id.
pub(super) fn job(topic: &Topic, message_id: &str) -> Option<String> {
    is_id(message_id).then(|| format!("{PREFIX}{topic}{JOBS}{message_id}"))
}

/// Returns whether a topic can have an id as one of its levels.
fn is_id(id: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(is_safe)
}

/// Returns the MQTT topic of a fragment beside that of an answer; `None` if a topic cannot have the id of the answer.
pub(super) fn part(answer: &str, id: &str, index: usize) -> Option<String> {
    is_id(id).then(|| format!("{answer}{PARTS}{id}/{index}"))
}

/// Returns whether an MQTT topic is that of a copy.
pub(super) fn is_job(topic: &Topic, name: &str) -> bool {
    let below = name.strip_prefix(PREFIX);
    let below = below.and_then(|name| name.strip_prefix(topic.as_str()));
    below.is_some_and(|below| below.starts_with(JOBS))
}

/// Returns the MQTT topic beside that of an answer, for one kind of what modules must know of the job.
pub(super) fn fact(answer: &str, kind: &str) -> String {
    format!("{answer}{JOB}{kind}")
}

/// Returns the filter for all that modules must know of a job.
pub(super) fn facts(topic: &Topic) -> String {
    fact(&self::topic(topic.as_str()), "+")
}

/// Returns the topic and the client id of the module that an announcement is about. Only client ids of
/// modules count, because anyone who may publish could name any client of the broker.
pub(super) fn module(name: &str) -> Option<(Topic, &str)> {
    let (topic, client_id) = name.strip_prefix(PREFIX)?.split_once(MODULES)?;
    let topic = topic.parse().ok()?;
    is_module_id(client_id).then_some((topic, client_id))
}

/// Returns a unique client id. It has at most 23 letters and digits, as every broker accepts.
pub(super) fn client_id() -> String {
    format!("{CLIENT}{}", random::letters(LETTERS))
}

/// Returns the client id of the session that keeps the messages of a topic. It is the same for all programs, and
/// nobody can guess it: the end of the topic is random.
pub(super) fn keeper_id(topic: &Topic) -> String {
    let letters = topic.as_str().chars().filter(char::is_ascii_alphanumeric);
    let letters: Vec<_> = letters.collect();
    let end = &letters[letters.len().saturating_sub(LETTERS)..];
    end.iter()
        .fold(CLIENT.to_owned(), |id, letter| id + &letter.to_string())
}

/// Returns the client id of a module, with a mark of its topic and its group. There is room for one
/// more letter.
pub(super) fn module_id(topic: &Topic, group: Option<&Subscription>) -> String {
    let own = random::letters(OWN_LETTERS);
    format!("{CLIENT}{own}{}", mark(topic, group))
}

/// Returns whether a string has the form of the names from [`module_id`].
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

/// Returns whether a client is a module of this group on this topic. Without this check, anyone who
/// may publish announcements on one topic could make the modules end the session of an unrelated client.
pub(super) fn is_of_group(client_id: &str, topic: &Topic, group: &Subscription) -> bool {
    is_module_id(client_id) && client_id.ends_with(&mark(topic, Some(group)))
}

/// Returns a few digits for a topic and a group: an FNV-1a hash, the same in every version of the
/// program.
fn mark(topic: &Topic, group: Option<&Subscription>) -> String {
    let group = group.map(Subscription::as_str).unwrap_or_default();
    // Neither contains a slash.
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
        let name = announcement(&topic, &id);
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
    fn a_copy_has_the_name_of_its_message() {
        let topic: Topic = "demo".parse().unwrap();
        let name = job(&topic, "0f-1").unwrap();
        assert_eq!(name, "dasf/demo/jobs/0f-1");
        assert!(is_job(&topic, &name));
        for other in ["dasf/demo", "dasf/demo2/jobs/1", "dasf/demo/modules/1"] {
            assert!(!is_job(&topic, other), "{other}");
        }
        for id in ["", "a/b", "+", "#", &"a".repeat(MAX_ID + 1)] {
            assert_eq!(job(&topic, id), None, "{id}");
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
        // As many letters and digits as every broker accepts, with room for one more.
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
