//! The API description of a module: its response to `api_info`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the protocol extensions that this crate supports; see [`Extensions`].
pub const EXTENSION_VERSION: u32 = 1;

/// The key in a [`FunctionInfo::return_schema`] for the name of the result's type. Its value is
/// `null` if a function returns nothing. The common protocol has no field for the name.
pub const RESULT_TYPE: &str = "x_dasf_type";

/// The key in a [`FunctionInfo::rpc_schema`] for the list of groups whose users may call the function. A
/// function without the key is for everyone.
pub const ALLOW_GROUPS: &str = "x_dasf_allow_groups";

/// The functions and classes of a module, with JSON schemas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApiInfo {
    /// The classes.
    pub classes: Vec<ClassInfo>,
    /// The functions.
    pub functions: Vec<FunctionInfo>,
    /// The schema of a request to the module. It is also the response to `info`.
    pub rpc_schema: Value,
    /// The extensions of the common protocol that the module supports; absent in modules of other
    /// programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_dasf: Option<Extensions>,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClassInfo {
    /// The `class_name` of a request.
    pub name: String,
    /// The schema of the constructor's arguments and `class_name`.
    pub rpc_schema: Value,
    /// The methods.
    pub methods: Vec<FunctionInfo>,
}

/// A function or method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FunctionInfo {
    /// The `func_name` of a request.
    pub name: String,
    /// The schema of the arguments and `func_name`.
    pub rpc_schema: Value,
    /// The schema of the result; null if the module does not provide it.
    #[serde(default)]
    pub return_schema: Value,
}

/// The extensions of the common protocol that a module supports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Extensions {
    /// The version of the extensions, [`EXTENSION_VERSION`].
    pub version: u32,
    /// The version of the module, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_version: Option<String>,
    /// The names of the extensions; see [`extension`].
    #[serde(default)]
    pub speaks: Vec<String>,
}

/// The names of extensions in [`Extensions::speaks`].
pub mod extension {
    /// The module accepts requests in fragments.
    pub const REQUEST_FRAGMENTS: &str = "request_fragments";
    /// The module accepts a request without its payload, and asks for the payload when it begins.
    /// See [`ON_DEMAND`](crate::properties::key::ON_DEMAND).
    pub const REQUESTS_ON_DEMAND: &str = "requests_on_demand";
    /// The module obeys the property `x_dasf_timeout_ms`.
    pub const TIMEOUT: &str = "timeout";
}

impl ApiInfo {
    /// Creates the description of a module without functions, classes and extensions.
    pub fn new(rpc_schema: Value) -> Self {
        Self {
            classes: Vec::new(),
            functions: Vec::new(),
            rpc_schema,
            x_dasf: None,
        }
    }

    /// Returns whether the module supports an [`extension`].
    pub fn speaks(&self, extension: &str) -> bool {
        let speaks = self.x_dasf.as_ref().map(|it| it.speaks.as_slice());
        speaks
            .unwrap_or_default()
            .iter()
            .any(|name| name == extension)
    }
}

impl ClassInfo {
    /// Creates the description of a class without methods.
    pub fn new(name: impl Into<String>, rpc_schema: Value) -> Self {
        Self {
            name: name.into(),
            rpc_schema,
            methods: Vec::new(),
        }
    }
}

impl FunctionInfo {
    /// Creates the description of a function or method.
    pub fn new(name: impl Into<String>, rpc_schema: Value, return_schema: Value) -> Self {
        Self {
            name: name.into(),
            rpc_schema,
            return_schema,
        }
    }
}

impl Extensions {
    /// Creates the list of the extensions with these names, of a module without a version.
    pub fn new<'a>(speaks: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            version: EXTENSION_VERSION,
            module_version: None,
            speaks: speaks.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// Returns whether the schema of a function, method or constructor allows arguments that it does not
/// name.
///
/// Without a list of names, or if another schema may add names, every name is allowed. If the schema does
/// not mention further names, none is allowed: a module ignores unknown arguments, but its caller should
/// not send them.
///
/// ```
/// use dasf_protocol::api_info::allows_unknown_arguments;
/// use serde_json::json;
///
/// let schema = json!({"properties": {"func_name": {"const": "add"}, "a": {}}});
/// let mut schema = schema.as_object().unwrap().clone();
/// assert!(!allows_unknown_arguments(&schema));
/// schema.insert("additionalProperties".to_owned(), json!({"type": "number"}));
/// assert!(allows_unknown_arguments(&schema));
/// ```
pub fn allows_unknown_arguments(schema: &Map<String, Value>) -> bool {
    const ELSEWHERE: [&str; 8] = [
        "$ref",
        "$dynamicRef",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "dependentSchemas",
        "patternProperties",
    ];
    const OTHERS: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];
    let has = |key: &str| schema.contains_key(key);
    let others = |key: &str| schema.get(key).is_some_and(|it| *it != false);
    !schema.get("properties").is_some_and(Value::is_object)
        || ELSEWHERE.into_iter().any(has)
        || OTHERS.into_iter().any(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_modules_support_no_extension() {
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
