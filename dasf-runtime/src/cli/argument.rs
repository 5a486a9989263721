//! The values of single arguments on a command line.

use serde_json::value::RawValue;

use super::yaml;
use crate::module::validate::Parameters;

/// Returns the value of an argument that a text stands for, by the schema of the argument.
///
/// A text is JSON if the schema accepts that, otherwise itself if the schema accepts that: see
/// [`Parameters::value_of`]. If the schema wants more than a text, a list can be written as `1,2,3` and any value
/// as YAML, such as `{lon: 1, lat: 2}`.
pub(super) fn argument_value(parameters: &Parameters, name: &str, text: &str) -> Box<RawValue> {
    let plain = parameters.value_of(name, text);
    if !parameters.is_checked() || parameters.accepts(name, &plain) {
        return plain;
    }
    let read = |yaml: &str| {
        let node = yaml::read(yaml).ok()?;
        let json = node.property_to_json(parameters.schema(), name).ok()?;
        let value = RawValue::from_string(json).ok()?;
        Some((value, node.is_scalar()))
    };
    let is_bracketed = text.trim_start().starts_with(['[', '{']);
    let list = (parameters.takes_lists(name) && !is_bracketed)
        .then(|| read(&format!("[{text}]")))
        .flatten();
    let list = match list {
        Some((list, _)) if parameters.accepts(name, &list) => return list,
        list => list.filter(|_| text.contains(',')),
    };
    match (read(text), list) {
        (Some((value, _)), _) if parameters.accepts(name, &value) => value,
        // The problem is then told of the part that is wrong.
        (Some((value, false)), _) | (_, Some((value, _))) => value,
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::module::validate::Dialect;

    #[test]
    fn the_schema_decides_what_a_text_means() {
        let point = json!({
            "type": "object",
            "properties": {"lon": {"type": "number"}, "name": {"type": "string"}},
            "required": ["lon"],
        });
        let schema = json!({
            "$defs": {"Point": point},
            "properties": {
                "point": {"$ref": "#/$defs/Point"},
                "points": {"type": "array", "items": {"$ref": "#/$defs/Point"}},
                "numbers": {"type": "array", "items": {"type": "number"}},
                "names": {"type": "array", "items": {"type": "string"}},
                "text": {"type": "string"},
                "any": {},
                "number": {"type": "number"},
                "maybe": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
            },
        });
        let parameters = Parameters::new(&schema, Dialect::JsonSchema);
        for (name, text, json) in [
            ("point", "{lon: 1, name: 007}", r#"{"lon":1,"name":"007"}"#),
            (
                "point",
                "lon: 1.50\nname: a\n",
                r#"{"lon":1.50,"name":"a"}"#,
            ),
            ("point", r#"{"lon": 1}"#, r#"{"lon": 1}"#),
            ("points", "[{lon: 1}, {lon: 2}]", r#"[{"lon":1},{"lon":2}]"#),
            ("points", "{lon: 1}", r#"{"lon":1}"#),
            ("numbers", "1,2,3", "[1,2,3]"),
            ("numbers", "1.50, -2e3", "[1.50,-2e3]"),
            ("numbers", "[1, 2]", "[1, 2]"),
            ("numbers", "- 1\n- 2\n", "[1,2]"),
            ("numbers", "7", "[7]"),
            ("numbers", "", "[]"),
            ("names", "a,b", r#"["a","b"]"#),
            ("names", "1,true", r#"["1","true"]"#),
            ("names", "'a, b',c", r#"["a, b","c"]"#),
            ("text", "1,2", r#""1,2""#),
            ("text", "{lon: 1}", r#""{lon: 1}""#),
            ("any", "{lon: 1}", r#""{lon: 1}""#),
            ("maybe", "1,2", "[1,2]"),
            ("maybe", "null", "null"),
            // Nothing fits. The problem names what the user has written.
            ("number", "1,2", r#""1,2""#),
            ("numbers", "1,x", r#"[1,"x"]"#),
            ("point", "{lon: x}", r#"{"lon":"x"}"#),
            ("point", "{lon", r#""{lon""#),
        ] {
            let value = argument_value(&parameters, name, text);
            assert_eq!(value.get(), json, "{name}={text}");
        }
    }
}
