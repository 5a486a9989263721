//! Arguments that are single numbers, texts or booleans without constraints. Their form shows that they
//! match their schema, so a check by the schema would only read the request once more.

use serde_json::{Map, Value};

use super::request::{Object, is_string};
use super::unknown_arguments::RESERVED;

/// The largest number of arguments that are told apart by the bits of a number.
const MAX_ARGUMENTS: usize = u64::BITS as usize;

/// The keywords of a schema that no value can violate.
const ANNOTATIONS: [&str; 4] = ["title", "description", "default", "examples"];

/// The arguments of a function or constructor, all of which are plain.
#[derive(Debug)]
pub(super) struct PlainArguments {
    arguments: Vec<PlainArgument>,
    /// The bits of the required arguments.
    required: u64,
}

#[derive(Debug)]
struct PlainArgument {
    name: String,
    form: Form,
}

/// The values that surely match the schema of an argument. Others may match it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Boolean,
    /// A string without escapes.
    Text,
    /// An integer of at most so many digits.
    Integer {
        digits: usize,
        is_signed: bool,
    },
    /// A number of at most 15 digits without an exponent, which 64 bits hold.
    Number,
}

impl PlainArguments {
    /// Returns the arguments of a schema; `None` if some may violate it in other ways than by their type.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        let fields = schema.as_object()?;
        // A schema that forbids unknown arguments also knows which names of members it allows.
        let is_known = |keyword: &str| {
            ANNOTATIONS.contains(&keyword) || matches!(keyword, "type" | "properties" | "required")
        };
        if fields.get("type")? != "object" || !fields.keys().all(|keyword| is_known(keyword)) {
            return None;
        }
        let arguments = fields.get("properties")?.as_object()?.iter();
        let arguments = arguments.filter(|(name, _)| !is_reserved(name));
        let arguments = arguments.map(|(name, schema)| {
            let form = Form::of(schema.as_object()?)?;
            let name = name.clone();
            Some(PlainArgument { name, form })
        });
        let arguments: Vec<_> = arguments.collect::<Option<_>>()?;
        if arguments.len() > MAX_ARGUMENTS {
            return None;
        }
        let mut required = 0;
        let names = fields.get("required").and_then(Value::as_array);
        for name in names.into_iter().flatten() {
            let name = name.as_str()?;
            if !is_reserved(name) {
                required |= 1 << arguments.iter().position(|it| it.name == name)?;
            }
        }
        Some(Self {
            arguments,
            required,
        })
    }

    /// Returns whether an object surely matches the schema. The member that it names is not checked.
    pub(super) fn surely_match(&self, object: &Object<'_>) -> bool {
        let mut found = 0;
        for (name, value) in object.entries() {
            if is_reserved(name) {
                continue;
            }
            let Some(place) = self.arguments.iter().position(|it| it.name == name) else {
                return false;
            };
            if found & (1 << place) != 0 || !self.arguments[place].form.surely_fits(value) {
                return false;
            }
            found |= 1 << place;
        }
        found & self.required == self.required
    }
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

impl Form {
    fn of(schema: &Map<String, Value>) -> Option<Self> {
        let integer = |digits, is_signed| Some(Self::Integer { digits, is_signed });
        let format = schema.get("format").map(|format| format.as_str());
        let form = match (schema.get("type")?.as_str()?, format) {
            ("boolean", None) => Self::Boolean,
            ("string", None) => Self::Text,
            ("number", None | Some(Some("double"))) => Self::Number,
            // All integers of so many digits are in the range of the format.
            ("integer", Some(Some("int8"))) => integer(2, true)?,
            ("integer", Some(Some("uint8"))) => integer(2, false)?,
            ("integer", Some(Some("int16"))) => integer(4, true)?,
            ("integer", Some(Some("uint16"))) => integer(4, false)?,
            ("integer", Some(Some("int32"))) => integer(9, true)?,
            ("integer", Some(Some("uint32"))) => integer(9, false)?,
            ("integer", Some(Some("int64"))) => integer(18, true)?,
            ("integer", Some(Some("uint64" | "uint"))) => integer(18, false)?,
            _ => return None,
        };
        let keywords = schema.keys().map(String::as_str);
        let mut others = keywords.filter(|it| !ANNOTATIONS.contains(it) && *it != "type");
        let has_bounds = matches!(form, Self::Integer { .. });
        let is_of_format = |keyword| {
            keyword == "format" || (has_bounds && matches!(keyword, "minimum" | "maximum"))
        };
        (others.all(is_of_format) && !super::schema::constrains(&Value::Object(schema.clone())))
            .then_some(form)
    }

    fn surely_fits(self, value: &str) -> bool {
        match self {
            Self::Boolean => matches!(value, "true" | "false"),
            Self::Text => is_string(value) && !value.contains('\\'),
            Self::Integer { digits, is_signed } => {
                let unsigned = value.strip_prefix('-').filter(|_| is_signed);
                has_digits(unsigned.unwrap_or(value), digits)
            }
            Self::Number => {
                let unsigned = value.strip_prefix('-').unwrap_or(value);
                let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
                unsigned.len() <= 16
                    && has_digits(whole, 15)
                    && !fraction.is_empty()
                    && fraction.bytes().all(|it| it.is_ascii_digit())
            }
        }
    }
}

/// Returns whether a text is a JSON integer without a sign, of at most so many digits.
fn has_digits(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::validate::Validator;
    use serde_json::json;

    fn schema(argument: &Value) -> Value {
        json!({
            "type": "object",
            "title": "FuncF",
            "properties": {
                "func_name": {"const": "f", "title": "Func Name", "type": "string"},
                "a": argument,
            },
            "required": ["func_name", "a"],
        })
    }

    fn surely_match(schema: &Value, request: &str) -> bool {
        let plain = PlainArguments::of(schema).unwrap();
        plain.surely_match(&Object::split(request).unwrap())
    }

    fn forms() -> Vec<Value> {
        let integers = [
            json!({"format": "int8", "minimum": -128, "maximum": 127}),
            json!({"format": "uint8", "minimum": 0, "maximum": 255}),
            json!({"format": "int16", "minimum": -32768, "maximum": 32767}),
            json!({"format": "uint16", "minimum": 0, "maximum": 65535}),
            json!({"format": "int32"}),
            json!({"format": "uint32", "minimum": 0}),
            json!({"format": "int64"}),
            json!({"format": "uint64", "minimum": 0}),
            json!({"format": "uint", "minimum": 0}),
        ];
        let integers = integers.into_iter().map(|mut it| {
            it["type"] = "integer".into();
            it
        });
        let others = [
            json!({"type": "boolean"}),
            json!({"type": "string"}),
            json!({"type": "number"}),
            json!({"type": "number", "format": "double", "title": "A", "default": 1.5}),
        ];
        integers.chain(others).collect()
    }

    #[test]
    fn what_surely_matches_has_no_problems() {
        let values = [
            "0",
            "-0",
            "7",
            "-7",
            "99",
            "-99",
            "100",
            "127",
            "128",
            "-129",
            "255",
            "256",
            "9999",
            "-9999",
            "32768",
            "65536",
            "999999999",
            "-999999999",
            "4294967296",
            "-2147483649",
            "999999999999999999",
            "-999999999999999999",
            "18446744073709551616",
            "1.5",
            "-0.25",
            "123456789012345.5",
            "1e400",
            "1E2",
            "true",
            "false",
            "null",
            "\"\"",
            "\"text\"",
            "\"\\ud800\"",
            "[]",
            "{}",
        ];
        for form in forms() {
            let schema = schema(&form);
            let validator = Validator::new("f", &schema).unwrap();
            let mut sure = 0;
            for value in values {
                let request = format!("{{\"func_name\": \"f\", \"a\": {value}}}");
                if surely_match(&schema, &request) {
                    sure += 1;
                    let problems = validator.problems_of_text(&request, "").unwrap();
                    assert!(problems.is_empty(), "{form}: {value}");
                }
            }
            assert!(sure >= 2, "{form}");
        }
    }

    #[test]
    fn missing_unknown_and_repeated_arguments_are_checked_by_the_schema() {
        let schema = schema(&json!({"type": "boolean"}));
        assert!(surely_match(&schema, r#"{"a": true, "func_name": "f"}"#));
        for request in [
            r#"{"func_name": "f"}"#,
            r#"{"func_name": "f", "a": true, "b": 1}"#,
            r#"{"func_name": "f", "a": true, "a": false}"#,
            r#"{"func_name": "f", "a": 1}"#,
        ] {
            assert!(!surely_match(&schema, request), "{request}");
        }
        let mut optional = schema;
        optional["required"] = json!(["func_name"]);
        assert!(surely_match(&optional, r#"{"func_name": "f"}"#));
    }

    #[test]
    fn constraints_are_checked_by_the_schema() {
        for argument in [
            json!({"type": "integer", "format": "int32", "minimum": 0}),
            json!({"type": "integer", "format": "uint8", "minimum": 0, "maximum": 9}),
            json!({"type": "integer"}),
            json!({"type": "number", "format": "float"}),
            json!({"type": "number", "minimum": 0}),
            json!({"type": "string", "minLength": 1, "maxLength": 1}),
            json!({"type": "string", "format": "date"}),
            json!({"type": "string", "enum": ["a"]}),
            json!({"type": "array", "items": {"type": "boolean"}}),
            json!({"anyOf": [{"type": "boolean"}, {"type": "null"}]}),
            json!({"$ref": "#/$defs/A"}),
        ] {
            let plain = PlainArguments::of(&schema(&argument));
            assert!(plain.is_none(), "{argument}");
        }
        let mut open = schema(&json!({"type": "boolean"}));
        open["minProperties"] = 1.into();
        assert!(PlainArguments::of(&open).is_none());
    }
}
