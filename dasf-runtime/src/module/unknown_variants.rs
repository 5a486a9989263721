//! Enums with a variant for all unknown values.
//!
//! `schemars` describes a variant with `#[serde(other)]` as one more value, `"Unknown"` or `{"tag":
//! "Unknown"}`. But serde reads every other string or tag as this variant. The schema of the
//! variant carries a mark, and with it this module makes the schema accept the same values as
//! serde.

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value, json};

/// The mark. `#[dasf::module]` sets it on the variants in the module; users set it on others.
const MARK: &str = "x_dasf_other";

/// Lets the schemas of marked variants accept all values that no other variant accepts.
pub(super) struct UnknownVariants;

impl Transform for UnknownVariants {
    fn transform(&mut self, schema: &mut Schema) {
        let fields = schema.as_object_mut().into_iter();
        for (keyword, value) in fields.flat_map(|fields| fields.iter_mut()) {
            if let ("oneOf" | "anyOf", Value::Array(forms)) = (keyword.as_str(), value) {
                open_forms(forms);
            }
        }
        // The only variant of the enum.
        if let Some(fields) = schema.as_object_mut()
            && fields.shift_remove(MARK).is_some()
        {
            open(fields, &[]);
        }
        transform_subschemas(self, schema);
    }
}

fn open_forms(forms: &mut [Value]) {
    let is_marked = |form: &Value| form.get(MARK) == Some(&Value::Bool(true));
    let Some(position) = forms.iter().position(is_marked) else {
        return;
    };
    let mut others = forms.to_vec();
    let form = others.remove(position);
    if let (Value::Object(mut form), Some(place)) = (form, forms.get_mut(position)) {
        form.shift_remove(MARK);
        open(&mut form, &others);
        *place = Value::Object(form);
    }
}

/// Lets the schema of one variant accept all values that no other variant accepts.
fn open(form: &mut Map<String, Value>, others: &[Value]) {
    let Some(tag) = tag_of(form) else {
        let name = form.get("const").cloned();
        exclude(form, &others.iter().flat_map(texts).collect::<Vec<_>>());
        entitle(form, name);
        return;
    };
    let tags = others
        .iter()
        .flat_map(|other| texts(&other["properties"][&tag]));
    let tags: Vec<Value> = tags.collect();
    let Some(Value::Object(property)) = form.get_mut("properties").and_then(|it| it.get_mut(&tag))
    else {
        return;
    };
    let name = property.get("const").cloned();
    exclude(property, &tags);
    entitle(form, name);
    // Allow the content of an unknown variant, unless the enum forbids unknown fields.
    form.entry("additionalProperties").or_insert(true.into());
}

/// Returns the name of the property that distinguishes a variant from others.
fn tag_of(form: &Map<String, Value>) -> Option<String> {
    let properties = form.get("properties")?.as_object()?;
    let mut tags = properties
        .iter()
        .filter(|(_, it)| it.get("const").is_some());
    tags.next().map(|(name, _)| name.clone())
}

/// Returns the strings that a schema accepts.
fn texts(schema: &Value) -> Vec<Value> {
    let one = schema.get("const").into_iter();
    let several = schema
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    one.chain(several)
        .filter(|value| value.is_string())
        .cloned()
        .collect()
}

/// Changes the schema of one string to accept all strings except the known ones.
fn exclude(schema: &mut Map<String, Value>, known: &[Value]) {
    schema.shift_remove("const");
    schema.insert("type".to_owned(), "string".into());
    if !known.is_empty() {
        schema.insert("not".to_owned(), json!({"enum": known}));
    }
}

/// Makes the name of the variant the title, because the name is now one of many values.
fn entitle(form: &mut Map<String, Value>, name: Option<Value>) {
    if let Some(name) = name {
        form.entry("title").or_insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(schema: Value) -> Value {
        let mut schema = schema.try_into().unwrap();
        UnknownVariants.transform(&mut schema);
        schema.to_value()
    }

    #[test]
    fn any_text_that_is_no_other_variant_is_the_variant() {
        let schema = json!({"oneOf": [
            {"type": "string", "enum": ["Red", "Blue"]},
            {"type": "string", "const": "Green", "description": "Green."},
            {"type": "string", "const": "Unknown", "description": "Any.", "x_dasf_other": true},
        ]});
        assert_eq!(
            opened(schema)["oneOf"][2],
            json!({
                "type": "string", "description": "Any.", "title": "Unknown",
                "not": {"enum": ["Red", "Blue", "Green"]},
            })
        );
    }

    #[test]
    fn any_tag_of_no_other_variant_is_that_of_the_variant() {
        let schema = json!({"items": {"anyOf": [
            {"type": "object", "properties": {"t": {"const": "A"}, "x": {}}, "required": ["t", "x"]},
            {
                "type": "object", "properties": {"t": {"const": "B", "type": "string"}},
                "required": ["t"], "x_dasf_other": true,
            },
            {"type": "null"},
        ]}});
        assert_eq!(
            opened(schema)["items"]["anyOf"][1],
            json!({
                "type": "object",
                "properties": {"t": {"type": "string", "not": {"enum": ["A"]}}},
                "required": ["t"],
                "title": "B",
                "additionalProperties": true,
            })
        );
    }

    #[test]
    fn the_only_variant_is_anything() {
        let schema = json!({"type": "string", "const": "A", "x_dasf_other": true});
        assert_eq!(opened(schema), json!({"type": "string", "title": "A"}));
        let schema = json!({"oneOf": [{"const": "A", "x_dasf_other": true}]});
        let expected = json!({"oneOf": [{"type": "string", "title": "A"}]});
        assert_eq!(opened(schema), expected);
    }

    #[test]
    fn an_enum_that_forbids_unknown_fields_goes_on_to_do_so() {
        let schema = json!({"oneOf": [{
            "properties": {"t": {"const": "A"}}, "additionalProperties": false, "x_dasf_other": true,
        }]});
        assert_eq!(opened(schema)["oneOf"][0]["additionalProperties"], false);
    }
}
