//! Tests of the whole crate: what it costs, and which schemas it refuses.

use serde_json::{Value, json};

use crate::budget::Budget;
use crate::check::Check;
use crate::fault::Fault;
use crate::problems::Collector;
use crate::view::{Document, View};
use crate::walk::{Place, Sink, walk};
use crate::{Options, ROOT, Schema, check_json, list_problems};

fn schema(schema: &Value) -> Schema {
    Schema::new(schema, Options::default()).unwrap()
}

fn refused(schema: &Value) -> String {
    Schema::new(schema, Options::default()).unwrap_err().reason
}

/// Counts what is asked and told while problems are collected.
struct Counting<'c> {
    inner: Collector<'c>,
    faults: usize,
}

impl<'s, 'v> Sink<'s, 'v> for Counting<'_> {
    fn is_open(&self, depth: usize) -> bool {
        <Collector<'_> as Sink<'s, 'v>>::is_open(&self.inner, depth)
    }

    fn add(
        &mut self,
        check: &mut Check<'s>,
        fault: Fault<'s>,
        value: View<'v>,
        at: &Place<'_, 'v>,
    ) {
        self.faults += 1;
        self.inner.add(check, fault, value, at);
    }
}

#[test]
fn a_million_wrong_items_cost_no_more_than_eleven() {
    let point = json!({
        "type": "object",
        "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
        "required": ["x", "y"],
    });
    let value = Document::of(&Value::from(vec![json!(true); 1_000_000])).unwrap();
    for (schema_of, is_list) in [
        (json!({"items": {"type": "number"}}), true),
        (json!({"items": point}), true),
        (
            json!({"items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}),
            true,
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"items": point}]}),
            false,
        ),
        (json!({"allOf": [{"items": point}, {"items": point}]}), true),
    ] {
        let schema = schema(&schema_of);
        let budget = Budget::new(u64::MAX);
        let mut check = Check::new(&schema.nodes, &budget);
        let mut sink = Counting {
            inner: Collector::new(""),
            faults: 0,
        };
        walk(&mut check, ROOT, value.root(), &Place::START, &mut sink);
        assert_eq!(sink.inner.problems.len(), 11, "{schema_of}");
        assert_eq!(sink.faults, if is_list { 11 } else { 1 }, "{schema_of}");
        assert!(check.kept() <= 11, "{schema_of}");
    }
}

#[test]
fn eleven_problems_are_told_of_many_fields() {
    let fields = (0..100_000).map(|number| (number.to_string(), json!("wrong")));
    let value = Value::from_iter(fields);
    for schema_of in [
        json!({"additionalProperties": {"type": "number"}}),
        json!({"patternProperties": {"^[0-9]": {"type": "number"}}}),
        json!({"propertyNames": {"maxLength": 0}}),
    ] {
        let problems = schema(&schema_of).problems(&value, "");
        assert_eq!(problems.len(), 11, "{schema_of}");
        assert!(list_problems("f", &problems).ends_with("; and more"));
    }
}

/// A tree of operations, as serde writes an enum that contains itself.
fn trees(tag: &str) -> Value {
    let operation = |name: &str| {
        let side = json!({"$ref": "#/$defs/Tree"});
        let (inner, mut properties) = (json!({"a": side, "b": side}), json!({}));
        match tag {
            "inside" => properties = json!({"a": side, "b": side, "op": {"const": name}}),
            "outside" => properties[name] = json!({"properties": inner, "required": ["a", "b"]}),
            _ => properties = inner,
        }
        let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
        json!({"type": "object", "properties": properties, "required": required})
    };
    let mut variants = vec![json!({"type": "number"})];
    variants.extend(["add", "sub", "mul", "div"].map(operation));
    json!({
        "$defs": {"Tree": {"anyOf": variants}},
        "$ref": "#/$defs/Tree",
    })
}

#[test]
fn the_time_for_a_recursive_union_does_not_grow_exponentially() {
    let tree = |depth: usize, leaf: Value, tag: &str| {
        (0..depth).fold(leaf, |a, _| match tag {
            // The tag comes last, when the sides have been checked.
            "inside" => json!({"a": a, "b": 1, "op": "div"}),
            "outside" => json!({"div": {"a": a, "b": 1}}),
            _ => json!({"a": a, "b": 1}),
        })
    };
    for tag in ["inside", "outside", "none"] {
        let schema = schema(&trees(tag));
        for depth in [1, 2, 3, 50] {
            assert!(schema.accepts(&tree(depth, json!(2), tag)), "{tag} {depth}");
            let wrong = tree(depth, json!("wrong"), tag);
            assert!(!schema.accepts(&wrong), "{tag} {depth}");
            let problems = list_problems("f", &schema.problems(&wrong, ""));
            assert!(
                problems.contains("matches none of the 5 forms"),
                "{tag} {depth}: {problems}"
            );
        }
    }
}

#[test]
fn the_time_for_schemas_that_share_others_does_not_grow_exponentially() {
    let mut definitions = json!({"D0": {"type": "object"}});
    for number in 1..=14 {
        let inner = json!({"$ref": format!("#/$defs/D{}", number - 1)});
        definitions[format!("D{number}")] = json!({"allOf": vec![inner; 8]});
    }
    let shared = schema(&json!({"$defs": definitions, "$ref": "#/$defs/D14"}));
    assert!(shared.accepts(&json!({})));
    assert_eq!(shared.problems(&json!([]), "").len(), 11);

    let inner = json!({"properties": {"a": {"$ref": "#/$defs/A"}}, "unevaluatedProperties": false});
    let unevaluated = json!({
        "$defs": {"A": {"allOf": [inner], "unevaluatedProperties": {"$ref": "#/$defs/A"}}},
        "$ref": "#/$defs/A",
    });
    let value = (0..60).fold(json!(1), |inner, _| json!({"a": inner}));
    assert!(schema(&unevaluated).accepts(&value));
    let value = (0..60).fold(json!({"b": 1}), |inner, _| json!({"a": inner}));
    assert!(!schema(&unevaluated).problems(&value, "").is_empty());
}

/// Runs a test on a thread with the stack of a worker of tokio.
fn on_a_small_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread.spawn(test).unwrap().join().unwrap();
}

#[test]
fn the_deepest_values_of_recursive_types_fit_on_a_small_stack() {
    on_a_small_stack(|| {
        let recursive = schema(&json!({
            "$defs": {
                "Node": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Inner"}]},
                "Inner": {"allOf": [{"$ref": "#/$defs/Items"}]},
                "Items": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "$ref": "#/$defs/Node",
        }));
        let deepest = |last| (0..126).fold(last, |inner, _| json!([inner]));
        assert!(recursive.accepts(&deepest(json!([]))));
        let problems = list_problems("f", &recursive.problems(&deepest(json!([1])), ""));
        let path = "[0]".repeat(127);
        assert_eq!(
            problems,
            format!("f: {path}: matches none of the 2 forms allowed")
        );
    });
}

#[test]
fn too_many_schemas_for_one_value_are_refused() {
    let chain = |length: usize| {
        let mut definitions = json!({"D0": {"type": "string"}});
        for number in 1..length {
            let inner = json!({"$ref": format!("#/$defs/D{}", number - 1)});
            definitions[format!("D{number}")] = json!({"allOf": [inner]});
        }
        json!({"$defs": definitions, "$ref": format!("#/$defs/D{}", length - 1)})
    };
    assert!(schema(&chain(16)).accepts(&json!("a")));
    for length in [32, 10_000] {
        let too_long = refused(&chain(length));
        assert!(too_long.starts_with("more than 32 schemas"), "{too_long}");
    }
}

#[test]
fn a_circle_of_references_requires_nothing() {
    for circle in [
        json!({"$ref": "#"}),
        json!({"$defs": {"A": {"$ref": "#/$defs/A"}}, "$ref": "#/$defs/A"}),
        json!({
            "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}},
            "$ref": "#/$defs/B",
        }),
    ] {
        assert!(schema(&circle).accepts(&json!("a")), "{circle}");
    }
    let beside =
        json!({"$defs": {"A": {"$ref": "#/$defs/A", "minLength": 2}}, "$ref": "#/$defs/A"});
    assert!(!schema(&beside).accepts(&json!("a")));
    assert!(schema(&beside).accepts(&json!("ab")));
}

#[test]
fn schemas_that_have_no_meaning_are_refused() {
    for (schema, reason) in [
        (json!(5), "a schema must be an object, true or false, not 5"),
        (
            json!({"$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}}}),
            "a schema refers to itself for the same value",
        ),
        (
            json!({"$ref": "#/$defs/A"}),
            r##"the reference "#/$defs/A" points to no schema in the document"##,
        ),
        (
            json!({"$ref": "other.json"}),
            r#"the reference "other.json" leaves the document, which is not supported"#,
        ),
        (
            json!({"$dynamicRef": "#a"}),
            "the keyword $dynamicRef is not supported; use $ref",
        ),
        (
            json!({"items": {"$id": "a"}}),
            r#"the schema "a" inside another is not supported; put it into $defs without $id"#,
        ),
        (
            json!({"properties": {"a": {"minLength": -1}}}),
            "a: minLength must be an integer that is not negative, not -1",
        ),
        (
            json!({"required": ["a", "a"]}),
            r#"required must be a list of different strings, not ["a","a"]"#,
        ),
        (
            json!({"type": "int"}),
            r#"type must be a type of JSON, or a list of different types, not "int""#,
        ),
        (
            json!({"multipleOf": 0}),
            "multipleOf must be a number greater than 0, not 0",
        ),
    ] {
        assert_eq!(refused(&schema), reason);
    }
}

#[test]
fn references_lead_everywhere_in_the_document() {
    for reference in [
        "#/$defs/a~1b",
        "#/%24defs/a%2Fb",
        "#/anyOf/0",
        "#/components/schemas/C",
        "#anchor",
    ] {
        let schema = schema(&json!({
            "$defs": {"a/b": {"type": "string"}, "B": {"$anchor": "anchor", "type": "string"}},
            "anyOf": [{"type": "string"}, {"type": "array"}],
            "components": {"schemas": {"C": {"type": "string"}}},
            "items": {"$ref": reference},
        }));
        assert!(schema.accepts(&json!(["a"])), "{reference}");
        assert!(!schema.accepts(&json!([1])), "{reference}");
    }
}

#[test]
fn a_text_is_valid_as_the_tree_of_its_values_is() {
    let schemas = [
        json!({"type": "integer", "format": "int64"}),
        json!({"type": "integer", "minimum": 0, "maximum": 255}),
        json!({"type": "number"}),
        json!({"type": "string"}),
        json!({"type": "string", "maxLength": 3}),
        json!({"type": "boolean"}),
        json!({"type": ["integer", "null"]}),
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        json!({"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}], "$defs": {"P": {
            "type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"],
        }}}),
        json!({"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "array", "maxItems": 1}]}),
        json!({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}),
        json!({"type": "array", "items": [{"type": "integer"}, {"type": "string"}], "additionalItems": false}),
        json!({"type": "array", "items": [{"type": "integer"}], "additionalItems": {"type": "string"}}),
        json!({"type": "array", "uniqueItems": true}),
        json!({"additionalProperties": false, "properties": {"x": {}}}),
        json!({"additionalProperties": {"type": "integer"}}),
        json!({"properties": {"x": {"type": "integer"}}, "required": ["x", "y"]}),
        json!({"minProperties": 2}),
        json!({}),
        json!(false),
    ];
    let texts = [
        "2",
        " 2.0 ",
        "2.5",
        "1e3",
        "1e400",
        "-1e400",
        "1e-400",
        "9007199254740993",
        "9007199254740993.5",
        "18446744073709551616",
        "-0",
        "-0.0",
        "01",
        "\"5\"",
        r#""\ud800""#,
        r#""\ud83c\udf0d\n""#,
        "\"\u{1}\"",
        "null",
        "true",
        "[]",
        "[1]",
        "[1, 2.0]",
        r#"[1, "a"]"#,
        "[1, 1, 1]",
        "[1, 1e400]",
        "[1,]",
        "{}",
        r#"{"x": 1}"#,
        r#"{"x": 1.5, "z": null}"#,
        r#"{"x": 1, "y": [1e400]}"#,
        r#"{"x": 1, "y": ["\ud800"]}"#,
        r#"{"\ud800": 1}"#,
        r#"{"x": 1, "y": 2}"#,
        r#"{"x": 1, "x": 2}"#,
        r#"{"\u0078": 1, "y": {"x": []}}"#,
        r#"{"$serde_json::private::RawValue": "1"}"#,
        "{",
        "",
        "1 2",
    ];
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    for text in texts.into_iter().chain([&*deep]) {
        let tree = serde_json::from_str::<Value>(text);
        let (found, expected) = (check_json(text).err(), tree.err());
        assert_eq!(
            found.map(|it| it.to_string()),
            expected.map(|it| it.to_string())
        );
    }
    for document in &schemas {
        let schema = schema(document);
        for text in texts.into_iter().chain([&*deep]) {
            let tree = serde_json::from_str::<Value>(text);
            let is_valid = tree.as_ref().is_ok_and(|tree| schema.accepts(tree));
            let is_rewritten = text.contains("private") || text.contains(r#""x": 1, "x""#);
            let found = schema.accepts_text(text);
            assert!(
                found == is_valid || (is_rewritten && !found),
                "{text} in {document}: {found}"
            );
        }
    }
}

#[test]
fn of_a_key_that_comes_twice_all_values_must_be_valid() {
    let schema = schema(&json!({"properties": {"x": {"type": "integer"}}}));
    assert!(schema.accepts_text(r#"{"x": 1, "x": 2}"#));
    assert!(!schema.accepts_text(r#"{"x": "a", "x": 2}"#));
    assert!(!schema.accepts_text(r#"{"x": 1, "x": "a"}"#));
}

#[test]
fn no_message_is_longer_than_people_read() {
    let names = (0..100_000).map(|number| (format!("{number:0200}"), json!(0)));
    let fields = Value::from_iter(names);
    let items = Value::from(vec![0; 1_000_000]);
    for (schema_of, value) in [
        (
            json!({"additionalProperties": false, "properties": {"a": {}}}),
            &fields,
        ),
        (json!({"unevaluatedProperties": false}), &fields),
        (json!({"propertyNames": {"pattern": "a"}}), &fields),
        (json!({"items": [{}], "additionalItems": false}), &items),
        (json!({"unevaluatedItems": false}), &items),
        (
            json!({"additionalProperties": {"type": "string"}}),
            &json!({"n".repeat(1 << 20): 1}),
        ),
    ] {
        let problems = list_problems("f", &schema(&schema_of).problems(value, ""));
        assert!(
            problems.len() < 11 * 2100,
            "{schema_of}: {}",
            problems.len()
        );
        assert!(problems.len() > 20, "{schema_of}: {problems}");
    }
}

/// A schema that applies the schema `leaf` 2^56 times to the same value.
fn doubled(leaf: &Value, each: impl Fn(Value) -> Value) -> Value {
    let mut definitions = json!({"D0": leaf});
    for number in 1..=14 {
        let inner = json!({"$ref": format!("#/$defs/D{}", number - 1)});
        definitions[format!("D{number}")] = each(json!(vec![inner; 16]));
    }
    json!({"$defs": definitions, "$ref": "#/$defs/D14"})
}

#[test]
fn a_schema_that_would_take_for_ever_is_given_up() {
    let options = Options {
        max_steps: Some(100_000),
        ..Options::default()
    };
    let text = json!({"type": "string", "maxLength": 3});
    let all = |inner| json!({"type": "string", "allOf": inner});
    let any = |inner| json!({"type": "string", "anyOf": inner});
    let names = |inner| json!({"propertyNames": {"allOf": inner}});
    let unevaluated = |inner| json!({"allOf": inner, "unevaluatedProperties": false});
    for (schema_of, value) in [
        (doubled(&text, all), json!("abc")),
        (doubled(&text, any), json!("abcd")),
        (doubled(&text, names), json!({"abcd": 1})),
        (
            doubled(&json!({"properties": {"a": true}}), unevaluated),
            json!({"b": 1}),
        ),
        (
            json!({"items": {"pattern": r"^(?:\w{1,200}x){1,20}$"}}),
            Value::from(vec!["a".repeat(1000); 1000]),
        ),
    ] {
        let schema = Schema::new(&schema_of, options).unwrap();
        // Each of these would run for years, or some for minutes.
        assert!(schema.accepts(&value) || !schema.problems(&value, "").is_empty());
        let problems = schema.problems_of_text(&value.to_string(), "").unwrap();
        assert_eq!(problems, schema.problems(&value, ""));
    }
}

#[test]
fn a_value_within_the_limit_of_steps_is_checked() {
    let options = Options {
        max_steps: Some(100),
        ..Options::default()
    };
    let schema = Schema::new(&json!({"items": {"maximum": 9}}), options).unwrap();
    assert_eq!(schema.problems(&json!([10]), "").len(), 1);
    // Nobody knows whether the last of so many is valid.
    let mut many = vec![0; 1000];
    many.push(10);
    assert!(schema.accepts(&json!(many)) && schema.problems(&json!(many), "").is_empty());
}
