//! Random schemas, and random values near them.

use dasf_schema::Draft;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use crate::{compare, options};

const NAMES: [&str; 5] = ["a", "b", "c", "kind", "a1"];
const DEFINITIONS: [&str; 3] = ["One", "Two", "Three"];
/// Patterns of names: those that are the same in both engines, because messages may quote them.
const NAME_PATTERNS: [&str; 4] = ["^a", "1$", "^(a|b)+$", "^[a-z0-9]{1,2}$"];
const PATTERNS: [&str; 4] = ["^a", r"\d$", "^(a|b)+$", r"^\w{1,2}$"];

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-3_i64..12).prop_map(Value::from),
        select(vec![
            -0.5,
            0.0,
            0.1,
            0.3,
            1.0,
            2.5,
            3.0,
            1e20,
            -1e20,
            9007199254740993.0
        ])
        .prop_map(Value::from),
        select(vec![u64::MAX, 1 << 53, (1 << 53) + 1]).prop_map(Value::from),
    ]
}

fn text() -> impl Strategy<Value = Value> {
    let texts = select(vec![
        "",
        "a",
        "b",
        "ab",
        "a1",
        "é",
        "ß1",
        "One",
        "Two",
        "kind",
        "2026-11-22",
    ]);
    prop_oneof![
        20 => texts.prop_map(Value::from),
        1 => Just("x".repeat(100).into()),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(leaf(), 15..24).prop_map(Value::from),
            object(inner).prop_map(Value::Object),
        ]
    })
}

fn object(
    inner: impl Strategy<Value = Value> + Clone,
) -> impl Strategy<Value = Map<String, Value>> {
    subsequence(NAMES.to_vec(), 0..=NAMES.len())
        .prop_shuffle()
        .prop_flat_map(move |names| {
            let count = names.len();
            (Just(names), vec(inner.clone(), count))
        })
        .prop_map(|(names, values)| {
            let names = names.into_iter().map(str::to_owned);
            names.zip(values).collect()
        })
}

/// Returns the keywords without inner schemas.
fn simple_keyword() -> impl Strategy<Value = (&'static str, Value)> {
    let types = vec![
        "null", "boolean", "integer", "number", "string", "array", "object",
    ];
    let size = || (0_u64..4).prop_map(Value::from);
    prop_oneof![
        6 => select(types.clone()).prop_map(|it| ("type", it.into())),
        2 => subsequence(types, 1..4).prop_map(|it| ("type", it.into())),
        3 => value().prop_map(|it| ("const", it)),
        3 => vec(value(), 1..5).prop_map(|it| ("enum", it.into())),
        1 => number().prop_map(|it| ("minimum", it)),
        1 => number().prop_map(|it| ("maximum", it)),
        1 => number().prop_map(|it| ("exclusiveMinimum", it)),
        1 => number().prop_map(|it| ("exclusiveMaximum", it)),
        1 => select(vec![json!(2), json!(3.0), json!(0.1), json!(2.5)]).prop_map(|it| ("multipleOf", it)),
        1 => size().prop_map(|it| ("minLength", it)),
        1 => size().prop_map(|it| ("maxLength", it)),
        1 => size().prop_map(|it| ("minItems", it)),
        1 => size().prop_map(|it| ("maxItems", it)),
        1 => size().prop_map(|it| ("minProperties", it)),
        1 => size().prop_map(|it| ("maxProperties", it)),
        1 => size().prop_map(|it| ("minContains", it)),
        1 => size().prop_map(|it| ("maxContains", it)),
        1 => any::<bool>().prop_map(|it| ("uniqueItems", it.into())),
        2 => select(PATTERNS.to_vec()).prop_map(|it| ("pattern", it.into())),
        2 => select(vec!["date", "uuid", "int32", "float"]).prop_map(|it| ("format", it.into())),
        4 => names().prop_map(|it| ("required", it)),
        1 => (select(NAMES.to_vec()), names()).prop_map(|(name, it)| ("dependentRequired", json!({name: it}))),
        5 => select(DEFINITIONS.to_vec()).prop_map(|it| ("$ref", format!("#/$defs/{it}").into())),
    ]
}

fn names() -> impl Strategy<Value = Value> {
    subsequence(NAMES.to_vec(), 0..3).prop_map(Value::from)
}

fn schema(draft: Draft) -> impl Strategy<Value = Value> {
    let simple = prop_oneof![
        1 => any::<bool>().prop_map(Value::from),
        12 => vec(simple_keyword(), 0..4).prop_map(to_schema),
    ];
    simple.prop_recursive(3, 24, 4, move |inner| {
        let inner = inner.boxed();
        vec(prop_oneof![simple_keyword(), keyword(&inner, draft)], 1..5).prop_map(to_schema)
    })
}

/// Returns the keywords with inner schemas.
fn keyword(
    inner: &BoxedStrategy<Value>,
    draft: Draft,
) -> impl Strategy<Value = (&'static str, Value)> + use<> {
    let one = |name| inner.clone().prop_map(move |it| (name, it));
    let list = |name| vec(inner.clone(), 1..4).prop_map(move |it| (name, it.into()));
    let fields = |name| object(inner.clone()).prop_map(move |it| (name, it.into()));
    let tuple = match draft {
        Draft::Draft201909 => list("items").boxed(),
        _ => list("prefixItems").boxed(),
    };
    let patterns = (
        subsequence(NAME_PATTERNS.to_vec(), 1..3),
        vec(inner.clone(), 2),
    );
    prop_oneof![
        8 => fields("properties"),
        2 => patterns.prop_map(|(patterns, schemas)| {
            let patterns = patterns.into_iter().map(str::to_owned);
            let schemas: Map<String, Value> = patterns.zip(schemas).collect();
            ("patternProperties", schemas.into())
        }),
        2 => Just(("additionalProperties", false.into())),
        2 => one("additionalProperties"),
        1 => one("propertyNames"),
        4 => one("items"),
        2 => tuple,
        1 => one("additionalItems"),
        1 => one("contains"),
        1 => fields("dependentSchemas"),
        2 => list("allOf"),
        5 => list("anyOf"),
        5 => list("oneOf"),
        1 => one("not"),
        1 => one("if"),
        1 => one("then"),
        1 => one("else"),
        1 => Just(("unevaluatedProperties", false.into())),
        1 => one("unevaluatedProperties"),
        1 => Just(("unevaluatedItems", false.into())),
        1 => one("unevaluatedItems"),
    ]
}

/// Makes a schema of keywords, of which the last of each name counts.
fn to_schema(keywords: Vec<(&'static str, Value)>) -> Value {
    let keywords = keywords.into_iter();
    Value::Object(keywords.map(|(name, it)| (name.to_owned(), it)).collect())
}

/// A union as serde writes it: each variant has a tag, a key or a type.
fn enumeration(inner: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    let variant = (
        select(vec!["One", "Two", "Three", "Four"]),
        object(inner),
        0_u8..5,
    );
    let variants = vec(variant, 2..5).prop_map(|variants| {
        let variants = variants.into_iter().map(|(name, mut properties, kind)| {
            let required: Vec<String> = properties.keys().take(2).cloned().collect();
            match kind {
                0 => {
                    properties.insert("kind".to_owned(), json!({"const": name}));
                    let mut required = required;
                    required.retain(|it| it != "kind");
                    required.push("kind".to_owned());
                    json!({"type": "object", "properties": properties, "required": required})
                }
                1 => json!({
                    "type": "object",
                    "properties": {"kind": {"enum": [name]}, "c": {"properties": properties}},
                    "required": ["kind", "c"],
                }),
                2 => json!({
                    "type": "object",
                    "properties": {"a": {"properties": properties}},
                    "required": ["a"],
                    "additionalProperties": false,
                }),
                3 => json!({"type": "string", "const": name}),
                _ => json!({"type": "null"}),
            }
        });
        Value::from_iter(variants)
    });
    (variants, any::<bool>()).prop_map(|(variants, is_one_of)| {
        if is_one_of {
            json!({"oneOf": variants})
        } else {
            json!({"anyOf": variants})
        }
    })
}

fn document(draft: Draft) -> impl Strategy<Value = Value> {
    let schema = move || prop_oneof![schema(draft), enumeration(schema(draft).boxed()),];
    (schema(), vec(schema(), DEFINITIONS.len())).prop_map(|(root, definitions)| {
        let names = DEFINITIONS.map(str::to_owned).into_iter();
        let definitions: Map<String, Value> = names.zip(definitions).collect();
        match root {
            Value::Object(mut root) => {
                root.insert("$defs".to_owned(), definitions.into());
                root.into()
            }
            root => root,
        }
    })
}

/// Returns whether a schema refers to itself for the same value. Its meaning is undefined, and we refuse
/// it.
fn is_endless(document: &Value) -> bool {
    let error = dasf_schema::Schema::new(document, dasf_schema::Options::default());
    error.is_err_and(|error| error.reason.contains("refers to itself"))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_2019(document in document(Draft::Draft201909), values in vec(value(), 8)) {
        prop_assume!(!is_endless(&document));
        compare(&document, options(Draft::Draft201909), &values);
    }

    #[test]
    fn of_2020(document in document(Draft::Draft202012), values in vec(value(), 8)) {
        prop_assume!(!is_endless(&document));
        compare(&document, options(Draft::Draft202012), &values);
    }
}

#[test]
fn of_forms_that_are_rarely_made() {
    let circle = json!({
        "$ref": "#/$defs/One",
        "$defs": {"One": {"$ref": "#/$defs/Two", "type": "null"}, "Two": {"minLength": 1, "$ref": "#/$defs/One"}},
    });
    compare(
        &circle,
        options(Draft::Draft202012),
        &[json!([]), json!("")],
    );
    let closed = json!({"required": ["a"], "properties": {}, "additionalProperties": false});
    let values = [
        json!({}),
        json!({"a": 1}),
        json!({"a": 1, "b": 2}),
        json!(1),
    ];
    compare(&closed, options(Draft::Draft202012), &values);
}
