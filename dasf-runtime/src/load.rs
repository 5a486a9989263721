//! How much a module has to do, as it tells those who ping it.

use serde::{Deserialize, Serialize};

/// How much a module has to do. A module of a group tells its own numbers, not those of the group.
///
/// ```
/// # async fn run(caller: dasf_runtime::client::Caller) -> Result<(), dasf_runtime::client::CallError> {
/// if let Some(load) = caller.load().await? {
///     println!("{} calls run, {} wait", load.running, load.waiting);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModuleLoad {
    /// The calls whose function runs.
    pub running: u64,
    /// The calls that wait in the module for their turn.
    pub waiting: u64,
    /// The calls that had a result since the module started.
    pub answered: u64,
    /// The calls that failed since the module started, refused ones too.
    pub failed: u64,
}

impl ModuleLoad {
    /// Returns the load as a property of a pong.
    #[cfg(feature = "module")]
    pub(crate) fn to_json(self) -> String {
        let Self {
            running,
            waiting,
            answered,
            failed,
        } = self;
        format!(
            r#"{{"running":{running},"waiting":{waiting},"answered":{answered},"failed":{failed}}}"#
        )
    }

    /// Reads the property of a pong. A module of another version may write something else.
    #[cfg(feature = "client")]
    pub(crate) fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(all(test, feature = "client", feature = "module"))]
mod tests {
    use super::ModuleLoad;

    #[test]
    fn the_property_is_read_and_ignored_if_it_is_something_else() {
        let load = ModuleLoad {
            running: 1,
            waiting: 0,
            answered: u64::MAX,
            failed: 2,
        };
        assert_eq!(ModuleLoad::from_json(&load.to_json()), Some(load));
        assert_eq!(ModuleLoad::from_json(r#"{"running": -1}"#), None);
        assert_eq!(ModuleLoad::from_json("1"), None);
    }
}
