//! The list of modules that a broker keeps.

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::address::Address;
#[cfg(feature = "module")]
use crate::module::Module;
use crate::transport::{ConnectError, lacks_list};

/// The maximum number of characters of a module's description in its announcement.
const MAX_DESCRIPTION: usize = 2000;
/// The maximum number of bytes that the names of its functions have together.
const MAX_NAMES: usize = 32 << 10;

/// A module that listens, as it announces itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListedModule {
    /// The topic on which it listens.
    pub topic: String,
    /// The name of its `mod`.
    pub name: String,
    /// The version of the module.
    #[serde(default)]
    pub version: String,
    /// The beginning of its description.
    #[serde(default)]
    pub description: String,
    /// The group with which it shares its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The names of its functions and classes, as many as fit.
    #[serde(default)]
    pub functions: Vec<String>,
    /// The name of its machine. Only `dasf-broker` tells it, as all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The number of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// The user as whom it has logged in, if the broker has users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The address from which it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Since when it is connected, as RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected_since: Option<String>,
    /// The name of its subscription. A module in Python has no other name there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// How many messages wait on the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
}

impl ListedModule {
    /// Returns the announcement of a module that listens on `topic`.
    #[cfg(feature = "module")]
    pub(crate) fn new(module: &Module, topic: &str, group: Option<&str>) -> Self {
        let mut bytes = 0;
        let names = module.members().take_while(|name| {
            bytes += name.len();
            bytes <= MAX_NAMES
        });
        Self {
            topic: topic.to_owned(),
            name: module.name().to_owned(),
            version: module.version().to_owned(),
            description: module.description().chars().take(MAX_DESCRIPTION).collect(),
            group: group.map(str::to_owned),
            functions: names.map(str::to_owned).collect(),
            host: None,
            process: None,
            user: None,
            address: None,
            connected_since: None,
            subscription: None,
            waiting: None,
        }
    }

    /// Returns the announcement as JSON; `None` if it cannot be written.
    pub(crate) fn announcement(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

/// Returns the modules that listen on any topic, sorted by topic.
///
/// `dasf-broker` and MQTT brokers keep this list. At a `dasf-broker`, it contains all who read a topic, also
/// modules in Python, but neither descriptions nor functions. At an MQTT broker, a module announces itself
/// when it begins to listen, and the broker removes the announcement when the module ends or dies.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use dasf_runtime::{Address, list_modules};
///
/// for module in list_modules(Address::mqtt("ws://localhost:9001/mqtt")?).await? {
///     println!("{}: {}", module.topic, module.functions.join(", "));
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// Returns [`ConnectError`] if the broker cannot be reached or refuses the connection, and
/// [`Unsupported`](ConnectError::Unsupported) if it keeps no list.
pub async fn list_modules(address: Address) -> Result<Vec<ListedModule>, ConnectError> {
    let url = address.to_string();
    let transport = address.open(Handle::current());
    let Some(announcements) = transport.announcements() else {
        return Err(lacks_list(url));
    };
    let mut modules: Vec<_> = announcements
        .await?
        .into_iter()
        .filter_map(|announcement| {
            let mut module: ListedModule = serde_json::from_str(&announcement.text).ok()?;
            // A module can write any topic into its announcement; only the topic of the message is
            // reliable.
            module.topic = announcement.topic.as_str().to_owned();
            Some(module)
        })
        .collect();
    modules.sort();
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_another_version_may_say_less() {
        let module: ListedModule =
            serde_json::from_str(r#"{"topic":"t","name":"n","more":1}"#).unwrap();
        let text = module.announcement().unwrap();
        assert_eq!(
            text,
            r#"{"topic":"t","name":"n","version":"","description":"","functions":[]}"#
        );
    }

    #[test]
    fn a_broker_without_a_list_says_so() {
        let error = lacks_list("ws://h".to_owned());
        let expected = "the broker at ws://h does not offer a list of modules: only dasf-broker and MQTT \
                        brokers keep one";
        assert_eq!(error.to_string(), expected);
        let advice = error.advice();
        let expected = "name the topics to look at: `list TOPIC`";
        assert_eq!(advice.as_deref(), Some(expected));
    }
}
