//! Keywords of schemas.

use dasf_protocol::reference;
use serde_json::{Map, Value};

/// Returns the list of a keyword in a schema; empty if there is none.
pub(crate) fn list<'s>(schema: &'s Map<String, Value>, keyword: &str) -> &'s [Value] {
    let list = schema.get(keyword).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Returns the definition that a `$ref` in a document points to.
pub(crate) fn definition<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    let (keyword, name) = reference::definition(reference)?;
    document.get(keyword)?.get(&*name)
}
