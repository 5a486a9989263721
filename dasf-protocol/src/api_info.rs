//! A module's description of itself: what it answers to `api_info`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of our extensions that this crate speaks: see [`Extensions`].
pub const EXTENSION_VERSION: u32 = 1;

/// The key in a [`FunctionInfo::return_schema`] that says what the result's type is called, or
/// `null` where nothing is returned. The form that other programs read has no place for either.
pub const RESULT_TYPE: &str = "x_dasf_type";

/// Everything that can be called in a module, with JSON schemas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiInfo {
    /// The module's classes.
    pub classes: Vec<ClassInfo>,
    /// The module's functions.
    pub functions: Vec<FunctionInfo>,
    /// The schema of a request to the module; also the answer to `info`.
    pub rpc_schema: Value,
    /// What the module understands beyond the common protocol; absent in modules of other programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_dasf: Option<Extensions>,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassInfo {
    /// The `class_name` of a request.
    pub name: String,
    /// The schema of the constructor's arguments and `class_name`.
    pub rpc_schema: Value,
    /// What can be called on it.
    pub methods: Vec<FunctionInfo>,
}

/// One function or method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionInfo {
    /// The `func_name` of a request.
    pub name: String,
    /// The schema of the arguments and `func_name`.
    pub rpc_schema: Value,
    /// The schema of the result; null where the module does not say.
    #[serde(default)]
    pub return_schema: Value,
}

/// What a module understands beyond the common protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extensions {
    /// The version of the extensions: [`EXTENSION_VERSION`].
    pub version: u32,
    /// The module's own version, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_version: Option<String>,
    /// The extensions by name: see [`extension`].
    #[serde(default)]
    pub speaks: Vec<String>,
}

/// The names in [`Extensions::speaks`].
pub mod extension {
    /// Requests may come in fragments.
    pub const REQUEST_FRAGMENTS: &str = "request_fragments";
    /// A request may come without its payload, which the module asks for when it begins: see
    /// [`ON_DEMAND`](crate::properties::key::ON_DEMAND).
    pub const REQUESTS_ON_DEMAND: &str = "requests_on_demand";
    /// The property `x_dasf_timeout_ms` is honoured.
    pub const TIMEOUT: &str = "timeout";
}

impl ApiInfo {
    /// Whether the module speaks an [`extension`].
    pub fn speaks(&self, extension: &str) -> bool {
        let speaks = self.x_dasf.as_ref().map(|it| it.speaks.as_slice());
        speaks
            .unwrap_or_default()
            .iter()
            .any(|name| name == extension)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_module_speaks_no_extension() {
        let foreign: ApiInfo =
            serde_json::from_str(r#"{"classes": [], "functions": [], "rpc_schema": {}}"#).unwrap();
        assert!(!foreign.speaks(extension::REQUEST_FRAGMENTS));
        assert!(!serde_json::to_string(&foreign).unwrap().contains("x_dasf"));
    }

    #[test]
    fn unknown_extensions_do_not_hide_known_ones() {
        let text = r#"{"classes": [], "functions": [], "rpc_schema": {},
            "x_dasf": {"version": 2, "speaks": ["telepathy", "request_fragments"], "more": 1}}"#;
        let module: ApiInfo = serde_json::from_str(text).unwrap();
        assert!(module.speaks(extension::REQUEST_FRAGMENTS));
        assert!(!module.speaks(extension::TIMEOUT));
    }
}
