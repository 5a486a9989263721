use serde_json::{Value, json};

use super::*;
use crate::description::{
    Constraints, Declaration, Definition, Format, NetCdf, Openness, Schema, Type, TypeId, Variant,
    Width,
};

/// Returns the type of the only argument `value` of a function `f`, and the named types.
fn read_type(schema: &Value, definitions: &Value) -> (Schema, Vec<Declaration>) {
    let description = read(&json!({
        "functions": [{
            "name": "f",
            "rpc_schema": {"properties": {"value": schema}, "$defs": definitions},
            "return_schema": {"title": "FuncF"},
        }],
        "classes": [],
        "rpc_schema": {},
    }));
    let mut description = description.unwrap();
    let argument = description.functions.remove(0).arguments.remove(0);
    (argument.schema, description.types)
}

fn type_of(schema: &Value) -> Type {
    read_type(schema, &json!({})).0.ty
}

fn list(item: Type) -> Type {
    Type::List(Box::new(Schema::of(item)))
}

fn union<const N: usize>(variants: [(&str, Type); N]) -> Type {
    let variants = variants.map(|(name, ty)| Variant {
        name: name.to_owned(),
        schema: Schema::of(ty),
    });
    Type::Union(variants.into())
}

fn literal<const N: usize>(values: [&str; N]) -> Type {
    Type::Literal(values.map(Value::from).into())
}

const ANYTHING: Type = Type::Any(Openness::Declared);

fn inexpressible(reason: &str) -> Type {
    Type::Any(Openness::Inexpressible(reason.to_owned()))
}

#[test]
fn the_documentation_of_a_function_tells_who_may_call_it() {
    let documentation = |schema: Value| {
        let description = read(&json!({
            "functions": [{"name": "f", "rpc_schema": schema, "return_schema": {}}],
            "classes": [],
            "rpc_schema": {},
        }));
        description.unwrap().functions.remove(0).documentation
    };
    assert_eq!(
        documentation(json!({"description": "Reset.", "x_dasf_allow_groups": ["operators"]})),
        "Reset.\n\nOnly users in the group operators may call it."
    );
    assert_eq!(
        documentation(json!({"x_dasf_allow_groups": ["a", "b", 1]})),
        "Only users in one of the groups a, b may call it."
    );
    for other in [json!([]), json!("a"), json!(null)] {
        assert_eq!(documentation(json!({"x_dasf_allow_groups": other})), "");
    }
}

#[test]
fn the_reference_module_is_described() {
    let api_info = include_str!("../../tests/schemas/reference.api.json");
    let description = read(&serde_json::from_str(api_info).unwrap()).unwrap();
    assert_eq!(description.topic, "test-topic");
    let names: Vec<&str> = description
        .functions
        .iter()
        .map(|function| function.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "add", "hello", "sqrt", "slow", "area", "fail", "echo", "when", "none"
        ]
    );
    let slow = &description.functions[3];
    assert_eq!(slow.reporter.as_deref(), Some("reporter"));
    let [n] = slow.arguments.as_slice() else {
        panic!("{:?}", slow.arguments)
    };
    assert_eq!(n.presence, Presence::Default(json!(3)));
    let [point] = description.types.as_slice() else {
        panic!("{:?}", description.types)
    };
    assert_eq!(point.name, "Point");
    assert_eq!(point.documentation, "A point.");
    let area = &description.functions[4];
    assert_eq!(area.arguments[0].schema.ty, list(Type::Named(TypeId(0))));
    assert_eq!(
        area.result.ty,
        Type::Map(Box::new(Schema::of(Type::Number)))
    );
    let [greeter] = description.classes.as_slice() else {
        panic!("{:?}", description.classes)
    };
    assert_eq!(greeter.arguments[0].schema.documentation, "Which greeting");
    assert_eq!(greeter.methods[1].name, "twice");
}

#[test]
fn a_document_that_is_not_an_api_description_is_refused() {
    for (document, message) in [
        (json!([]), "api_info: expected an object, found a list"),
        (
            json!({"rpc_schema": {}}),
            "api_info.functions: expected a list, found nothing",
        ),
        (
            json!({"rpc_schema": {}, "functions": [{"name": 1}], "classes": []}),
            "api_info.functions[0].name: expected a string, found a number",
        ),
        (
            json!({"rpc_schema": {}, "functions": [], "classes": [{"name": "A", "rpc_schema": true}]}),
            "api_info.classes[0].rpc_schema: expected an object, found a boolean",
        ),
    ] {
        let error = read(&document).unwrap_err().to_string();
        assert_eq!(error.split(';').next(), Some(message));
    }
}

#[test]
fn unknown_arguments_are_accepted_if_the_schema_allows_them() {
    for (keyword, value, is_open) in [
        ("title", json!("F"), false),
        ("additionalProperties", json!(false), false),
        ("additionalProperties", json!(true), true),
        ("additionalProperties", json!({"type": "number"}), true),
        ("unevaluatedProperties", json!({}), true),
        ("patternProperties", json!({"^x": {}}), true),
        ("allOf", json!([{}]), true),
    ] {
        let schema = json!({"properties": {"a": {}}, keyword: value});
        let method = json!({"name": "m", "rpc_schema": schema});
        let description = read(&json!({
            "functions": [method],
            "classes": [{"name": "C", "rpc_schema": schema, "methods": [method]}],
            "rpc_schema": {},
        }));
        let description = description.unwrap();
        let class = &description.classes[0];
        let found = [
            description.functions[0].is_open,
            class.is_open,
            class.methods[0].is_open,
        ];
        assert_eq!(found, [is_open; 3], "{schema}");
    }
}

#[test]
fn plain_types() {
    for (schema, ty) in [
        (json!({"type": "null"}), Type::Null),
        (json!({"type": "boolean"}), Type::Boolean),
        (json!({"type": "integer"}), Type::Integer(None)),
        (
            json!({"type": "integer", "format": "uint8"}),
            Type::Integer(Some(Width::U8)),
        ),
        (json!({"type": "number", "format": "double"}), Type::Number),
        (json!({"type": "string"}), Type::Text(Format::Plain)),
        (
            json!({"type": "string", "format": "date-time"}),
            Type::Text(Format::DateTime),
        ),
        (
            json!({"type": "string", "format": "uri"}),
            Type::Text(Format::Other("uri".to_owned())),
        ),
        (
            json!({"type": "string", "contentEncoding": "base64"}),
            Type::Text(Format::Base64),
        ),
        (
            json!({
                "type": "string", "title": "DataArray", "format": "base64",
                "contentMediaType": "application/x-netcdf",
            }),
            Type::Text(Format::NetCdf(NetCdf::DataArray)),
        ),
        (json!({}), ANYTHING),
        (json!(true), ANYTHING),
        (json!({"title": "Anything", "default": null}), ANYTHING),
        (json!(false), inexpressible("the schema accepts no value")),
        (json!({"not": {}}), inexpressible("the schema uses `not`")),
        (
            json!({"type": "blob"}),
            inexpressible("`blob` is not a type of JSON"),
        ),
        (
            json!({"$ref": "#/$defs/A"}),
            inexpressible("the reference `#/$defs/A` has no target in the document"),
        ),
    ] {
        assert_eq!(type_of(&schema), ty, "{schema}");
    }
}

#[test]
fn lists_and_maps() {
    let number = || Box::new(Schema::of(Type::Number));
    for (schema, ty) in [
        (
            json!({"type": "array", "items": {"type": "number"}}),
            Type::List(number()),
        ),
        (
            json!({"items": {"type": "number"}, "uniqueItems": true}),
            Type::Set(number()),
        ),
        (json!({"type": "array"}), list(ANYTHING)),
        (
            json!({
                "type": "array", "minItems": 2, "maxItems": 2,
                "prefixItems": [{"type": "number"}, {"type": "null"}],
            }),
            Type::Tuple(vec![*number(), Schema::of(Type::Null)]),
        ),
        (
            json!({"items": [{"type": "number"}], "minItems": 1, "additionalItems": false}),
            Type::Tuple(vec![*number()]),
        ),
        (
            json!({"type": "array", "prefixItems": [{"type": "number"}]}),
            inexpressible("only the first values of the list have their own types"),
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "number"}}),
            Type::Map(number()),
        ),
        (
            json!({"type": "object", "patternProperties": {"^x": {"type": "number"}}}),
            Type::Map(number()),
        ),
        (
            json!({"type": "object"}),
            Type::Map(Box::new(Schema::of(ANYTHING))),
        ),
        (
            json!({"additionalProperties": true}),
            Type::Map(Box::new(Schema::of(ANYTHING))),
        ),
    ] {
        assert_eq!(type_of(&schema), ty, "{schema}");
    }
}

#[test]
fn unions_and_literals() {
    let nullable = |ty: Type| Type::Nullable(Box::new(Schema::of(ty)));
    let (text, integer) = (json!({"type": "string"}), json!({"type": "integer"}));
    for (schema, ty) in [
        (
            json!({"anyOf": [integer, {"type": "null"}]}),
            nullable(Type::Integer(None)),
        ),
        (
            json!({"type": ["integer", "null"]}),
            nullable(Type::Integer(None)),
        ),
        (
            json!({"oneOf": [integer, {"anyOf": [text, integer]}]}),
            union([("", Type::Integer(None)), ("", Type::Text(Format::Plain))]),
        ),
        (json!({"anyOf": [integer, integer]}), Type::Integer(None)),
        (json!({"anyOf": [integer, {}]}), ANYTHING),
        (
            json!({"anyOf": []}),
            inexpressible("the schema accepts no value"),
        ),
        (json!({"const": "a"}), literal(["a"])),
        (json!({"enum": ["a", "b", "a"]}), literal(["a", "b"])),
        (json!({"enum": ["a", null]}), nullable(literal(["a"]))),
        (json!({"enum": [null]}), Type::Null),
        (json!({"enum": [1.5, 2]}), Type::Number),
        (
            json!({"enum": []}),
            inexpressible("the schema accepts no value"),
        ),
        (
            json!({"enum": [[]]}),
            inexpressible("some of the fixed values are lists or objects"),
        ),
        // The schema that schemars writes for unit variants with documentation.
        (
            json!({"oneOf": [{"const": "a"}, {"const": "b", "description": "B"}]}),
            literal(["a", "b"]),
        ),
    ] {
        assert_eq!(type_of(&schema), ty, "{schema}");
    }
}

#[test]
fn the_values_of_an_enum_keep_their_order_and_their_documentation() {
    let scale = json!({
        "description": "The scale of a magnitude.",
        "oneOf": [
            {"type": "string", "const": "local", "description": "The scale\nof Richter.\n\nOld."},
            {"type": "string", "const": "moment"},
            {"type": "string", "const": "body", "description": " "},
        ],
    });
    let (_, types) = read_type(&json!({"$ref": "#/$defs/Scale"}), &json!({"Scale": scale}));
    assert_eq!(
        types[0].definition,
        Definition::Alias(Schema::of(literal(["local", "moment", "body"])))
    );
    let documented = [(json!("local"), "The scale of Richter.".to_owned())];
    assert_eq!(types[0].documented_values, documented);
    assert_eq!(
        types[0].whole_documentation(),
        "The scale of a magnitude.\n\n- `\"local\"`: The scale of Richter."
    );
}

#[test]
fn keywords_beside_a_union_apply_to_each_member() {
    let (schema, types) = read_type(
        &json!({
            "type": "object",
            "properties": {"id": {"type": "integer"}},
            "required": ["id"],
            "oneOf": [
                {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]},
                {"type": "object", "properties": {"side": {"type": "number"}}, "required": ["side"]},
            ],
        }),
        &json!({}),
    );
    assert_eq!(
        schema.ty,
        union([
            ("f value", Type::Named(TypeId(0))),
            ("f value2", Type::Named(TypeId(1)))
        ])
    );
    let Definition::Object { fields, .. } = &types[1].definition else {
        panic!("{types:?}")
    };
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["id", "side"]);
}

#[test]
fn a_reference_becomes_a_type_of_its_name() {
    let point = json!({
        "type": "object", "title": "Point", "description": "A point.",
        "properties": {"x": {"type": "number"}, "next": {"$ref": "#/$defs/Point"}},
        "required": ["x"],
        "additionalProperties": {"type": "null"},
    });
    let (schema, types) = read_type(
        &json!({"allOf": [{"$ref": "#/$defs/Point"}], "description": "Where", "default": null}),
        &json!({"Point": point, "Unused": {}}),
    );
    assert_eq!(schema.ty, Type::Named(TypeId(0)));
    assert_eq!(schema.documentation, "Where");
    assert_eq!(types.len(), 1);
    assert_eq!(
        (types[0].name.as_str(), types[0].documentation.as_str()),
        ("Point", "A point.")
    );
    let Definition::Object { fields, rest, .. } = &types[0].definition else {
        panic!("{types:?}")
    };
    assert!(fields[0].is_required());
    assert_eq!(fields[1].presence, Presence::Optional);
    assert_eq!(fields[1].schema.ty, Type::Named(TypeId(0)));
    assert_eq!(rest.as_ref().unwrap().ty, Type::Null);
}

#[test]
fn one_name_for_two_schemas_becomes_two_types() {
    let function = |name: &str, definition: Value| {
        json!({
            "name": name,
            "rpc_schema": {
                "properties": {"value": {"$ref": "#/$defs/A"}},
                "$defs": {"A": {"properties": {"b": {"$ref": "#/$defs/B"}}}, "B": definition},
            },
            "return_schema": {},
        })
    };
    let description = read(&json!({
        "functions": [
            function("f", json!({"type": "null"})),
            function("g", json!({"type": "null"})),
            function("h", json!({"type": "boolean"})),
        ],
        "classes": [],
        "rpc_schema": {},
    }));
    let description = description.unwrap();
    let argument = |index: usize| &description.functions[index].arguments[0].schema.ty;
    assert_eq!(argument(0), argument(1));
    assert_ne!(argument(0), argument(2));
    let names: Vec<&str> = description
        .types
        .iter()
        .map(|ty| ty.name.as_str())
        .collect();
    assert_eq!(names, ["A", "A2", "B", "B2"]);
}

#[test]
fn objects_without_a_name_get_the_name_of_their_place() {
    let object = json!({"properties": {"x": {"properties": {"y": {}}}}});
    let (_, types) = read_type(&json!({"type": "array", "items": object}), &json!({}));
    let names: Vec<&str> = types.iter().map(|ty| ty.name.as_str()).collect();
    assert_eq!(names, ["f value item x", "f value item"]);
}

#[test]
fn circles_without_content_are_ended() {
    let reason = "the type refers only to itself";
    let circle = json!({
        "A": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]},
        "B": {"$ref": "#/$defs/A"},
        "Json": {"anyOf": [{"type": "integer"}, {"items": {"$ref": "#/$defs/Json"}}]},
    });
    let (_, types) = read_type(&json!({"$ref": "#/$defs/A"}), &circle);
    assert_eq!(
        types[0].definition,
        Definition::Alias(Schema::of(inexpressible(reason)))
    );
    let (_, types) = read_type(&json!({"$ref": "#/$defs/Json"}), &circle);
    assert_eq!(
        types[0].definition,
        Definition::Alias(Schema::of(union([
            ("", Type::Integer(None)),
            ("", list(Type::Named(TypeId(0)))),
        ])))
    );
}

#[test]
fn constraints_are_kept() {
    let (schema, _) = read_type(
        &json!({"type": "number", "exclusiveMinimum": 0, "maximum": 2.5, "minLength": "no"}),
        &json!({}),
    );
    assert_eq!(
        *schema.constraints,
        Constraints {
            exclusive_minimum: Some(0.into()),
            maximum: serde_json::Number::from_f64(2.5),
            ..Constraints::default()
        }
    );
    assert_eq!(
        schema.constraints.phrases(),
        ["greater than 0", "at most 2.5"]
    );
}

#[test]
fn deep_schemas_end() {
    let mut schema = json!({"type": "null"});
    for _ in 0..300 {
        schema = json!({"items": schema});
    }
    let mut ty = type_of(&schema);
    let mut depth = 0;
    while let Type::List(item) = ty {
        ty = item.ty;
        depth += 1;
    }
    assert_eq!(depth, 32);
    assert_eq!(ty, inexpressible("the schema is nested too deeply"));
}

#[test]
fn results_of_our_own_modules_have_their_names() {
    let description = read(&json!({
        "functions": [
            {
                "name": "f",
                "rpc_schema": {
                    "properties": {"value": {"$ref": "#/$defs/P"}},
                    "$defs": {"P": {"title": "P", "properties": {"x": {"default": 0}, "y": {}}, "required": ["y"]}},
                },
                "return_schema": {
                    "title": "FuncF", "default": null, "x_dasf_type": "P",
                    "properties": {"x": {}, "y": {}}, "required": ["x"],
                },
            },
            {
                "name": "g",
                "rpc_schema": {},
                "return_schema": {"title": "FuncG", "default": null, "x_dasf_type": "null"},
            },
        ],
        "classes": [],
        "rpc_schema": {},
    }));
    let description = description.unwrap();
    let [point] = description.types.as_slice() else {
        panic!("{:?}", description.types)
    };
    let Definition::Object { fields, .. } = &point.definition else {
        panic!("{point:?}")
    };
    // Required in one schema, and not in the other.
    assert_eq!(fields[0].presence, Presence::Default(json!(0)));
    assert_eq!(fields[1].presence, Presence::Optional);
    let [f, g] = description.functions.try_into().unwrap();
    assert_eq!(f.result.ty, f.arguments[0].schema.ty);
    assert_eq!(g.result.ty, Type::Null);
}

/// The title of a result is the name of the function in modules in Rust. Modules in Python that
/// describe their arrays have the type in the title.
#[test]
fn results_in_netcdf_have_their_types() {
    for (title, hint, expected) in [
        ("FuncF", Some("DataArray"), NetCdf::DataArray),
        ("FuncF", Some("Dataset"), NetCdf::Dataset),
        ("FuncF", None, NetCdf::Dataset),
        ("DataArray", None, NetCdf::DataArray),
    ] {
        let mut result = json!({
            "title": title, "type": "string", "contentMediaType": "application/x-netcdf",
        });
        if let Some(hint) = hint {
            result["x_dasf_type"] = hint.into();
        }
        let description = read(&json!({
            "functions": [{"name": "f", "rpc_schema": {}, "return_schema": result}],
            "classes": [],
            "rpc_schema": {},
        }));
        let description = description.unwrap();
        let found = &description.functions[0].result.ty;
        assert_eq!(
            *found,
            Type::Text(Format::NetCdf(expected)),
            "{title}, {hint:?}"
        );
        assert_eq!(description.types, []);
    }
}

#[test]
fn optional_values_in_netcdf_have_their_types() {
    let file = json!({"type": "string", "contentMediaType": "application/x-netcdf"});
    let optional = json!({"title": "DataArray", "anyOf": [file, {"type": "null"}]});
    let mut result = optional.clone();
    result["title"] = "FuncF".into();
    result["x_dasf_type"] = "DataArray".into();
    let description = read(&json!({
        "functions": [{
            "name": "f",
            "rpc_schema": {"properties": {"value": optional}},
            "return_schema": result,
        }],
        "classes": [],
        "rpc_schema": {},
    }));
    let function = &description.unwrap().functions[0];
    let array = Schema::of(Type::Text(Format::NetCdf(NetCdf::DataArray)));
    for found in [&function.arguments[0].schema, &function.result] {
        assert_eq!(found.ty, Type::Nullable(Box::new(array.clone())));
    }
}

#[test]
fn results_of_our_own_modules_that_are_not_objects_have_their_names() {
    let color = json!({"type": "string", "enum": ["red", "green"]});
    let mut result = color.clone();
    result["x_dasf_type"] = "Color".into();
    let description = read(&json!({
        "functions": [{
            "name": "f",
            "rpc_schema": {
                "properties": {"value": {"$ref": "#/$defs/Color"}},
                "$defs": {"Color": color},
            },
            "return_schema": result,
        }],
        "classes": [],
        "rpc_schema": {},
    }));
    let description = description.unwrap();
    let function = &description.functions[0];
    assert_eq!(function.result.ty, function.arguments[0].schema.ty);
    assert_eq!(description.types.len(), 1);
    assert_eq!(
        description.types[0].definition,
        Definition::Alias(Schema::of(literal(["red", "green"])))
    );
}

#[test]
fn schemas_that_branch_at_every_step_end() {
    let definitions = json!({
        "B": {"properties": {"left": {"$ref": "#/$defs/B"}, "right": {"$ref": "#/$defs/B"}}},
        "A": {
            "allOf": [{"$ref": "#/$defs/B"}],
            "properties": {"left": {"$ref": "#/$defs/A"}, "right": {"$ref": "#/$defs/A"}},
        },
    });
    let (_, types) = read_type(&json!({"$ref": "#/$defs/A"}), &definitions);
    assert!(types.len() < 20_000, "{}", types.len());
}

/// Returns the type and the names of an object's further properties.
fn rest_of(schema: &Value) -> Option<(Type, String)> {
    let (_, types) = read_type(schema, &json!({}));
    let Definition::Object {
        rest,
        rest_patterns,
        ..
    } = &types[0].definition
    else {
        panic!("{types:?}")
    };
    Some((rest.as_ref()?.ty.clone(), rest_patterns.join(" ")))
}

#[test]
fn further_properties_are_read() {
    let (integer, text) = (json!({"type": "integer"}), json!({"type": "string"}));
    let both = || union([("", Type::Text(Format::Plain)), ("", Type::Integer(None))]);
    let text_type = || Type::Text(Format::Plain);
    for (keywords, rest) in [
        (json!({}), None),
        (json!({"additionalProperties": false}), None),
        (json!({"unevaluatedProperties": false}), None),
        (json!({"additionalProperties": true}), Some((ANYTHING, ""))),
        (
            json!({"unevaluatedProperties": integer}),
            Some((Type::Integer(None), "")),
        ),
        (
            json!({"additionalProperties": integer}),
            Some((Type::Integer(None), "")),
        ),
        (
            json!({"patternProperties": {"^x": text}}),
            Some((text_type(), "^x")),
        ),
        (
            json!({"patternProperties": {"^x": text, "^y": integer, "^z": text, "^a": false}}),
            Some((both(), "^x ^y ^z")),
        ),
        (
            json!({"patternProperties": {"^x": text, "^y": false}, "additionalProperties": false}),
            Some((text_type(), "")),
        ),
        (
            json!({"patternProperties": {"^x": text}, "additionalProperties": integer}),
            Some((both(), "")),
        ),
        (
            json!({"patternProperties": {"^x": text}, "unevaluatedProperties": integer}),
            Some((both(), "")),
        ),
        (
            json!({"patternProperties": {"^x": text}, "additionalProperties": true}),
            Some((ANYTHING, "")),
        ),
        (
            json!({"allOf": [
                {"patternProperties": {"^x": text}},
                {"patternProperties": {"^x": text, "^y": integer}},
            ]}),
            Some((both(), "^x ^y")),
        ),
    ] {
        let mut schema = keywords.clone();
        schema["properties"] = json!({"a": {}});
        let rest = rest.map(|(ty, names)| (ty, names.to_owned()));
        assert_eq!(rest_of(&schema), rest, "{keywords}");
    }
    for (schema, ty) in [
        (
            json!({"patternProperties": {"^x": text, "^y": integer}, "additionalProperties": false}),
            both(),
        ),
        (
            json!({"patternProperties": {"^x": text}, "additionalProperties": integer}),
            both(),
        ),
    ] {
        let map = Type::Map(Box::new(Schema::of(ty)));
        assert_eq!(type_of(&schema), map, "{schema}");
    }
}

#[test]
fn known_strings_beside_any_other_string_are_open() {
    let other = |keywords: Value| {
        let mut other = keywords;
        other["type"] = "string".into();
        type_of(&json!({"anyOf": [{"enum": ["a", "b"]}, other]}))
    };
    let known = [json!("a"), json!("b")];
    for keywords in [
        json!({}),
        json!({"title": "Other", "description": "Any other."}),
        json!({"not": {"enum": ["a", "b"]}}),
        json!({"not": {"enum": ["a"]}}),
    ] {
        let ty = other(keywords);
        let (values, _) = ty.open_texts().unwrap();
        assert_eq!(values, known);
    }
    for keywords in [
        json!({"not": {"enum": ["c"]}}),
        json!({"maxLength": 3}),
        json!({"format": "date"}),
    ] {
        assert_eq!(other(keywords).open_texts(), None);
    }
    let numbers = type_of(&json!({"anyOf": [{"enum": [1]}, {"type": "string"}]}));
    assert_eq!(numbers.open_texts(), None);
}

#[test]
fn a_required_property_with_one_value_is_a_tag() {
    let (_, types) = read_type(
        &json!({
            "properties": {
                "a": {"const": "x"},
                "b": {"const": 1, "default": 1},
                "c": {"$ref": "#/$defs/Only", "default": "x"},
                "d": {"const": "x", "default": "y"},
                "e": {"const": "x"},
                "f": {"enum": ["x", "y"], "default": "x"},
                "g": {"type": "string"},
            },
            "required": ["a", "g"],
        }),
        &json!({"Only": {"enum": ["x"]}}),
    );
    let object = types.iter().find_map(|ty| match &ty.definition {
        Definition::Object { fields, .. } => Some(fields),
        Definition::Alias(_) => None,
    });
    let tags = object.unwrap().iter().filter(|field| field.is_tag(&types));
    let tags: Vec<&str> = tags.map(|field| field.name.as_str()).collect();
    assert_eq!(tags, ["a", "b", "c"]);
}

#[test]
fn a_default_may_break_its_own_limits() {
    let limits = json!({
        "number": {"type": "number", "maximum": 0.1},
        "text": {"type": "string", "maxLength": 2},
        "list": {"type": "array", "maxItems": 2, "items": {"exclusiveMinimum": 0, "type": "number"}},
        "maybe": {"anyOf": [{"type": "number", "minimum": 1}, {"type": "null"}]},
        "map": {"additionalProperties": {"type": "integer", "multipleOf": 2}},
    });
    for (name, value, is_broken) in [
        ("number", json!(0.1), false),
        ("number", json!(0.100_000_001_490_116_12), true),
        ("number", json!("text"), false),
        ("text", json!("äö"), false),
        ("text", json!("abc"), true),
        ("list", json!([1, 0.5]), false),
        ("list", json!([0]), true),
        ("list", json!([1, 1, 1]), true),
        ("maybe", json!(null), false),
        ("maybe", json!(0.5), true),
        ("map", json!({"a": 2}), false),
        ("map", json!({"a": 3}), true),
    ] {
        let (schema, _) = read_type(&limits[name], &json!({}));
        assert_eq!(schema.is_broken_by(&value), is_broken, "{name} {value}");
    }
}
