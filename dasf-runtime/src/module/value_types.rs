//! The types of values in a JSON schema, for reading values that are written as texts.

use dasf_protocol::reference::definition;
use serde_json::Value;

use crate::read::evaluated_property;

/// The greatest number of references and branches to follow.
const MAX_DEPTH: usize = 16;

/// A schema, and the document into which its references point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    document: &'a Value,
    schema: &'a Value,
}

/// A set of the types of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(1 << 1);
    pub(crate) const INTEGER: Self = Self(1 << 2);
    /// A number that is not an integer.
    pub(crate) const FRACTION: Self = Self(1 << 3);
    pub(crate) const TEXT: Self = Self(1 << 4);
    pub(crate) const LIST: Self = Self(1 << 5);
    pub(crate) const OBJECT: Self = Self(1 << 6);
    const NONE: Self = Self(0);
    const ALL: Self = Self(0x7f);

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.and(other) != Self::NONE
    }

    /// Returns whether the types are string, or string and null.
    pub(crate) fn are_texts(self) -> bool {
        self.meets(Self::TEXT) && self.or(Self::NULL) == Self::TEXT.or(Self::NULL)
    }

    fn named(name: &Value) -> Self {
        match name.as_str() {
            Some("null") => Self::NULL,
            Some("boolean") => Self::BOOLEAN,
            Some("integer") => Self::INTEGER,
            Some("number") => Self::INTEGER.or(Self::FRACTION),
            Some("string") => Self::TEXT,
            Some("array") => Self::LIST,
            Some("object") => Self::OBJECT,
            _ => Self::ALL,
        }
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.as_f64().is_some_and(|it| it.fract() == 0.0) => {
                Self::INTEGER
            }
            Value::Number(_) => Self::FRACTION,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::OBJECT,
        }
    }

    fn any(types: impl IntoIterator<Item = Self>) -> Self {
        types.into_iter().fold(Self::NONE, Self::or)
    }
}

/// Returns whether a schema accepts only strings, or only strings and null. Its references point
/// into the document.
pub(crate) fn takes_texts_only(schema: &Value, document: &Value) -> bool {
    Place { document, schema }.types().are_texts()
}

/// Returns whether a schema accepts only numbers, texts, booleans, null, and lists of them. Its references
/// point into the document.
pub(crate) fn takes_scalars_and_lists_only(schema: &Value, document: &Value) -> bool {
    let place = Place { document, schema };
    let types = place.types();
    if !types.meets(Types::LIST) {
        return !types.meets(Types::OBJECT);
    }
    let lists = place.of_list();
    let mut items = lists.iter().filter_map(|list| list.item(0)).peekable();
    !types.meets(Types::OBJECT)
        && items.peek().is_some()
        && items.all(|item| !item.types().meets(Types::LIST.or(Types::OBJECT)))
}

/// Returns whether a schema accepts lists.
pub(crate) fn takes_lists(schema: &Value, document: &Value) -> bool {
    Place { document, schema }.types().meets(Types::LIST)
}

impl<'a> Place<'a> {
    /// Returns the place of a schema that is the document itself.
    pub(crate) fn root(document: &'a Value) -> Self {
        Self {
            document,
            schema: document,
        }
    }

    /// Returns the place of a property of the document.
    pub(crate) fn property(document: &'a Value, name: &str) -> Self {
        Self {
            document,
            schema: &document["properties"][name],
        }
    }

    fn at(&self, schema: &'a Value) -> Self {
        Self {
            document: self.document,
            schema,
        }
    }

    /// Returns the types of the values that the schema accepts.
    pub(crate) fn types(&self) -> Types {
        self.types_within(MAX_DEPTH).unwrap_or(Types::ALL)
    }

    /// `None` if the schema names no type.
    fn types_within(&self, depth: usize) -> Option<Types> {
        let depth = depth.checked_sub(1)?;
        let schema = self.schema;
        let name = schema.get("type").map(|name| match name {
            Value::Array(names) => Types::any(names.iter().map(Types::named)),
            name => Types::named(name),
        });
        let values = schema["enum"].as_array();
        let values = values.map(|values| Types::any(values.iter().map(Types::of_value)));
        let value = schema.get("const").map(Types::of_value);
        let target = self.target().and_then(|it| it.types_within(depth));
        let one_of = |keyword: &str| {
            let branches = schema[keyword].as_array()?.iter();
            let branches = branches.map(|it| self.at(it).types_within(depth));
            branches.collect::<Option<Vec<_>>>().map(Types::any)
        };
        let all = schema["allOf"].as_array().into_iter().flatten();
        let all = all.map(|it| self.at(it).types_within(depth));
        [
            name,
            values,
            value,
            target,
            one_of("anyOf"),
            one_of("oneOf"),
        ]
        .into_iter()
        .chain(all)
        .flatten()
        .reduce(Types::and)
    }

    /// Returns the schema to which a reference points.
    fn target(&self) -> Option<Self> {
        let (keyword, name) = definition(self.schema["$ref"].as_str()?)?;
        let target = self.document.get(keyword)?.get(&*name)?;
        Some(self.at(target))
    }

    /// Returns this schema, and all schemas that it refers to or consists of. The filters select
    /// branches: the first filter that any branch passes applies.
    fn parts(&self, filters: &[&dyn Fn(Self) -> bool]) -> Vec<Self> {
        let mut parts = Vec::new();
        self.collect_parts(filters, &mut parts, MAX_DEPTH);
        parts
    }

    fn collect_parts(
        &self,
        filters: &[&dyn Fn(Self) -> bool],
        parts: &mut Vec<Self>,
        depth: usize,
    ) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        parts.push(*self);
        if let Some(target) = self.target() {
            target.collect_parts(filters, parts, depth);
        }
        for part in self.schema["allOf"].as_array().into_iter().flatten() {
            self.at(part).collect_parts(filters, parts, depth);
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = self.schema[keyword].as_array().into_iter().flatten();
            let branches: Vec<Self> = branches.map(|it| self.at(it)).collect();
            let mut fitting = filters.iter().map(|fits| {
                let fitting = branches.iter().copied().filter(|&it| fits(it));
                fitting.collect::<Vec<_>>()
            });
            // If no branch fits, all are kept, and the module reports the problem of the value.
            let chosen = fitting.find(|it| !it.is_empty());
            for branch in chosen.unwrap_or(branches) {
                branch.collect_parts(filters, parts, depth);
            }
        }
    }

    /// Returns the parts of the schema that apply to an object. `has` returns whether the object
    /// has a field, and `is` returns whether the field can have one of these values.
    pub(crate) fn of_object(
        &self,
        has: &impl Fn(&str) -> bool,
        is: &impl Fn(&str, &[&Value]) -> bool,
    ) -> Vec<Self> {
        let is_tagged_so = |branch: Self| {
            branch.types().meets(Types::OBJECT)
                && branch.parts(&[]).iter().all(|part| {
                    let fields = part.schema["properties"].as_object();
                    let mut fields = fields.into_iter().flatten();
                    fields
                        .all(|(name, field)| !has(name) || part.at(field).can_be(|it| is(name, it)))
                })
        };
        let is_complete = |branch: Self| {
            is_tagged_so(branch)
                && branch.parts(&[]).iter().all(|part| {
                    let names = part.schema["required"].as_array().into_iter().flatten();
                    names.filter_map(Value::as_str).all(has)
                })
        };
        self.parts(&[&is_complete, &is_tagged_so])
    }

    /// Returns the schemas of a field, in the parts of an object's schema.
    pub(crate) fn field(parts: &[Self], name: &str) -> Vec<Self> {
        let named = parts.iter().filter_map(|part| {
            let field = evaluated_property(part.schema.as_object()?, name)?;
            Some(part.at(field))
        });
        let named: Vec<Self> = named.collect();
        if !named.is_empty() {
            return named;
        }
        let others = parts.iter().filter_map(|part| {
            let others = part.schema.get("unevaluatedProperties")?;
            Some(part.at(others))
        });
        others.collect()
    }

    /// Returns the parts of the schema that apply to a list.
    pub(crate) fn of_list(&self) -> Vec<Self> {
        self.parts(&[&|branch| branch.types().meets(Types::LIST)])
    }

    /// Returns the schema of an item, in a part for lists.
    pub(crate) fn item(&self, index: usize) -> Option<Self> {
        let schema = self.schema;
        let (tuple, rest) = match (&schema["prefixItems"], &schema["items"]) {
            (Value::Array(tuple), _) => (Some(tuple), schema.get("items")),
            (_, Value::Array(tuple)) => (Some(tuple), schema.get("additionalItems")),
            _ => (None, schema.get("items")),
        };
        let item = tuple.and_then(|tuple| tuple.get(index)).or(rest);
        item.map(|item| self.at(item))
    }

    /// Returns whether the schema allows any value, or one of the wanted values.
    fn can_be(&self, is: impl Fn(&[&Value]) -> bool) -> bool {
        self.parts(&[]).iter().all(|part| {
            let value = part.schema.get("const").into_iter();
            let values = part.schema["enum"].as_array().into_iter().flatten();
            let values: Vec<&Value> = value.chain(values).collect();
            values.is_empty() || is(&values)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_may_accept_only_strings() {
        let document = json!({"$defs": {
            "Lang": {"enum": ["en", "de"]},
            "Größe/1": {"type": "string"},
            "Loop": {"$ref": "#/$defs/Loop"},
        }});
        for (schema, expected) in [
            (json!({"type": "string"}), true),
            (json!({"type": ["string", "null"]}), true),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
                true,
            ),
            (json!({"$ref": "#/$defs/Lang"}), true),
            (json!({"$ref": "#/$defs/Gr%C3%B6%C3%9Fe~11"}), true),
            (
                json!({"allOf": [{"type": "string"}, {"minLength": 1}]}),
                true,
            ),
            (json!({"const": "a"}), true),
            (json!({"type": ["string", "number"]}), false),
            (json!({"anyOf": [{"type": "string"}, {}]}), false),
            (json!({"enum": ["a", 1]}), false),
            (json!({"type": "null"}), false),
            (json!({"type": "integer"}), false),
            (json!({"$ref": "#/$defs/Loop"}), false),
            (json!({"$ref": "#/$defs/None"}), false),
            (json!({}), false),
            (json!(true), false),
        ] {
            assert_eq!(takes_texts_only(&schema, &document), expected, "{schema}");
        }
    }
}
