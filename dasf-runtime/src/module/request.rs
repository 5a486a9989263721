//! The parts of a request, which are still JSON.

use std::borrow::Cow;

use super::Failure;
use crate::read::Entries;

/// The keys of an object in a request with the texts of their values. Both are borrowed from the
/// request.
///
/// The values have the form of JSON, and are not read yet: some may contain numbers or escapes that
/// `serde_json` refuses.
#[derive(Default)]
pub(crate) struct Object<'t> {
    text: &'t str,
    entries: Entries<'t>,
}

impl<'t> Object<'t> {
    /// Splits the text of an object into its keys and values; `None` if the text is not an object.
    pub(crate) fn split(text: &'t str) -> Option<Self> {
        let entries = serde_json::from_str(text).ok()?;
        Some(Self { text, entries })
    }

    /// Returns the text of the object.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Returns the text of a key's value. If a key comes twice, the last one counts.
    pub(crate) fn get(&self, key: &str) -> Option<&'t str> {
        let Entries(entries) = &self.entries;
        let mut entries = entries.iter().rev();
        let (_, value) = entries.find(|(name, _)| name == key)?;
        Some(value.get())
    }

    /// Returns all keys in order. A key that comes twice is there twice.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries().map(|(key, _)| key)
    }

    /// Returns all keys with the texts of their values, in order. A key that comes twice is there twice.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &'t str)> {
        let Entries(entries) = &self.entries;
        entries.iter().map(|(key, value)| (&**key, value.get()))
    }
}

/// Returns whether the value with this text is an object.
pub(crate) fn is_object(json: &str) -> bool {
    json.starts_with('{')
}

/// Returns whether the value with this text is a string.
pub(crate) fn is_string(json: &str) -> bool {
    json.starts_with('"')
}

/// Returns a string without its quotes and escapes; `None` if the value with this text is not a string.
pub(crate) fn to_string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(json).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// Returns the failure of a request that is not JSON.
pub(super) fn no_json(error: &serde_json::Error) -> Failure {
    Failure::validation(format!("the request is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_key_that_comes_twice_the_last_counts() {
        let text = r#" {"a": 1, "\u0062": [2 ] , "a": {"a": 3}} "#;
        let object = Object::split(text).unwrap();
        assert_eq!(object.get("a"), Some(r#"{"a": 3}"#));
        assert_eq!(object.get("b"), Some("[2 ]"));
        assert_eq!(object.get("c"), None);
        assert_eq!(object.keys().collect::<Vec<_>>(), ["a", "b", "a"]);
        assert!(Object::split("[1]").is_none() && Object::split("{} {}").is_none());
    }

    #[test]
    fn only_strings_are_read_as_strings() {
        assert_eq!(to_string(r#""a""#).as_deref(), Some("a"));
        assert_eq!(to_string(r#""\"\u00fc""#).as_deref(), Some("\"ü"));
        for json in ["1", "null", "[\"a\"]", r#""\ud800""#] {
            assert_eq!(to_string(json), None, "{json}");
        }
        assert!(is_string("\"a\"") && !is_string("{}") && is_object("{}"));
    }
}
