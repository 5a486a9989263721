use std::collections::HashSet;

use serde_json::Value;

use super::*;

/// The descriptions of modules in Rust and of unusual modules.
const DESCRIPTIONS: [(&str, &str); 5] = [
    (
        "reference",
        include_str!("../../../dasf-codegen/tests/schemas/reference.api.json"),
    ),
    (
        "forms",
        include_str!("../../../dasf-codegen/tests/schemas/forms.api.json"),
    ),
    (
        "types",
        include_str!("../../../dasf-codegen/tests/schemas/types.api.json"),
    ),
    (
        "unusual",
        include_str!("../../../dasf-codegen/tests/schemas/unusual.api.json"),
    ),
    (
        "awkward",
        include_str!("../../../dasf-codegen/tests/schemas/awkward.api.json"),
    ),
];

fn description(topic: &str) -> (Topic, ApiInfo) {
    let (_, text) = DESCRIPTIONS
        .into_iter()
        .find(|(name, _)| *name == topic)
        .unwrap();
    (topic.parse().unwrap(), serde_json::from_str(text).unwrap())
}

fn document(topic: &str) -> Value {
    let (topic, api) = description(topic);
    of_topic(&topic, &api)
}

/// Collects the values of a key anywhere in a document.
fn collect<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(key));
            members
                .values()
                .for_each(|member| collect(member, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, found)),
        _ => {}
    }
}

#[test]
fn every_reference_has_a_target_and_every_operation_its_own_id() {
    let all: Vec<(Topic, ApiInfo)> = DESCRIPTIONS.map(|(topic, _)| description(topic)).into();
    let mut documents: Vec<Value> = all
        .iter()
        .map(|(topic, api)| of_topic(topic, api))
        .collect();
    documents.push(of_topics(all.iter().map(|(topic, api)| (topic, api))));
    for document in documents {
        let mut references = Vec::new();
        collect(&document, "$ref", &mut references);
        assert!(!references.is_empty());
        for reference in references.into_iter().filter_map(Value::as_str) {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let mut ids = Vec::new();
        collect(&document["paths"], "operationId", &mut ids);
        let different: HashSet<String> =
            ids.iter().map(|id| id.to_string().to_lowercase()).collect();
        assert_eq!(different.len(), ids.len());
        for marker in [
            "$defs",
            "definitions",
            "func_name",
            "class_name",
            "is_reporter",
        ] {
            let mut found = Vec::new();
            collect(&document["components"], marker, &mut found);
            assert!(found.is_empty(), "{marker}: {found:?}");
        }
    }
}

#[test]
fn a_function_has_a_body_and_a_query() {
    let document = document("reference");
    let add = &document["paths"]["/api/reference/add"];
    assert_eq!(add["post"]["summary"], "Add two numbers");
    let body = &add["post"]["requestBody"];
    assert_eq!(body["required"], true);
    let content = &body["content"]["application/json"];
    assert_eq!(
        content["schema"],
        json!({"$ref": "#/components/schemas/AddArguments"})
    );
    assert_eq!(content["example"], json!({"a": 1, "b": 2}));
    let arguments = &document["components"]["schemas"]["AddArguments"];
    assert_eq!(arguments["required"], json!(["a"]));
    assert_eq!(arguments["additionalProperties"], false);
    assert_eq!(arguments["properties"]["b"]["default"], 2);
    let result = &add["post"]["responses"]["200"];
    assert_eq!(result["description"], "The sum");
    assert_eq!(
        result["content"]["application/json"]["schema"]["type"],
        "integer"
    );
    let a = &add["get"]["parameters"][1];
    assert_eq!(
        (&a["name"], &a["in"], &a["required"]),
        (&json!("a"), &json!("query"), &json!(true))
    );
    assert_eq!(add["get"]["responses"].get("201"), None);
}

#[test]
fn the_constructor_is_beside_the_method() {
    let document = document("reference");
    let greet = &document["paths"]["/api/reference/Greeter/greet"]["post"];
    assert_eq!(greet["operationId"], "Greeter_greet");
    assert_eq!(greet["tags"], json!(["reference Greeter"]));
    let arguments = &document["components"]["schemas"]["GreeterGreetArguments"];
    let names: Vec<&String> = arguments["properties"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(names, ["greeting", "name"]);
    assert_eq!(arguments["required"], json!(["name"]));
}

#[test]
fn an_argument_of_both_has_the_class_before_its_name_at_the_constructor() {
    let schema = |arguments: Value| json!({"properties": arguments, "required": ["a"]});
    let mut class = dasf_protocol::api_info::ClassInfo::new(
        "C",
        schema(json!({"class_name": {"const": "C"}, "a": {"type": "string"}})),
    );
    class
        .methods
        .push(dasf_protocol::api_info::FunctionInfo::new(
            "m",
            schema(json!({"func_name": {"const": "m"}, "a": {"type": "number"}})),
            Value::Null,
        ));
    let mut api = ApiInfo::new(json!({}));
    api.classes.push(class);
    let document = of_topic(&"t".parse().unwrap(), &api);
    let arguments = &document["components"]["schemas"]["CMArguments"];
    assert_eq!(arguments["properties"]["C.a"]["type"], "string");
    assert_eq!(arguments["properties"]["a"]["type"], "number");
    assert_eq!(arguments["required"], json!(["C.a", "a"]));
}

#[test]
fn bytes_come_in_forms_and_alone() {
    let schema = |required: &[&str]| {
        json!({
            "type": "object",
            "properties": {
                "picture": {"contentEncoding": "base64", "contentMediaType": "image/png"},
                "size": {"type": "integer"},
                "shape": {"type": "object"},
            },
            "required": required,
        })
    };
    let mut api = ApiInfo::new(json!({}));
    for (name, required) in [
        ("alone", &["picture"][..]),
        ("beside", &["picture", "shape"]),
    ] {
        let function = dasf_protocol::api_info::FunctionInfo::new(
            name,
            schema(required),
            json!({"type": "null"}),
        );
        api.functions.push(function);
    }
    let document = of_topic(&"t".parse().unwrap(), &api);
    let content =
        |name: &str| &document["paths"][format!("/api/t/{name}")]["post"]["requestBody"]["content"];
    let types = |name: &str| {
        content(name)
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(types("beside"), ["application/json", "multipart/form-data"]);
    assert_eq!(
        types("alone"),
        [
            "application/json",
            "multipart/form-data",
            "image/png",
            "application/octet-stream"
        ]
    );
    let form = &content("beside")["multipart/form-data"];
    assert_eq!(form["schema"]["properties"]["picture"]["format"], "binary");
    assert_eq!(
        form["encoding"],
        json!({
            "picture": {"contentType": "image/png"},
            "shape": {"contentType": "application/json"},
        })
    );
    assert_eq!(document["paths"]["/api/t/alone"].get("get"), None);
}

#[test]
fn a_document_of_several_modules_names_their_topics() {
    let (reference, types) = (description("reference"), description("types"));
    let modules = [
        (&reference.0, &reference.1),
        (&types.0, &types.1),
        (&types.0, &types.1),
    ];
    let document = of_topics(modules);
    let paths = &document["paths"];
    assert_eq!(
        paths["/api/reference/add"]["post"]["operationId"],
        "reference_add"
    );
    assert_eq!(
        paths["/api/types/bytes"]["post"]["operationId"],
        "types_bytes"
    );
    for path in [
        "/api",
        "/api/types",
        "/api/jobs/{id}",
        "/api/jobs/{id}/result",
    ] {
        assert!(paths.get(path).is_some(), "{path}");
    }
}

#[test]
fn examples_of_bodies_are_valid() {
    // Some defaults of the unusual module break its own schemas.
    for topic in ["reference", "forms", "types", "awkward"] {
        let (_, api) = description(topic);
        let document = document(topic);
        let mut count = 0;
        for function in &api.functions {
            let path = format!("/api/{topic}/{}", escape(&function.name));
            let body =
                &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
            let Some(Value::Object(mut request)) = body.get("example").cloned() else {
                continue;
            };
            request.insert("func_name".to_owned(), function.name.as_str().into());
            let options = dasf_schema::Options::default();
            let Ok(schema) = dasf_schema::Schema::new(&function.rpc_schema, options) else {
                continue;
            };
            let problems = schema.problems(&request.into(), &function.name);
            assert!(problems.is_empty(), "{problems:?}");
            count += 1;
        }
        assert!(count > 3, "{topic}: {count}");
    }
}

#[test]
fn a_small_description_does_not_make_an_enormous_document() {
    let arguments: Map<String, Value> = (0..1000)
        .map(|name| (format!("a{name}"), json!({"type": "integer"})))
        .collect();
    let mut class = dasf_protocol::api_info::ClassInfo::new("C", json!({"properties": arguments}));
    class.methods = (0..1000)
        .map(|name| {
            let schema = json!({"properties": {"func_name": {}}});
            dasf_protocol::api_info::FunctionInfo::new(format!("m{name}"), schema, json!({}))
        })
        .collect();
    let mut api = ApiInfo::new(json!({}));
    api.classes.push(class);
    let document = of_topic(&"t".parse().unwrap(), &api).to_string();
    assert!(document.len() < 20 << 20, "{}", document.len());
}
