//! Values that serde alone reads wrongly or refuses, and types that cannot be read.

use std::collections::BTreeMap;

use dasf::{Context, ModuleError};
use dasf_test_support::serve;
use serde_json::Value;

/// Types that serde reads by way of JSON, as arguments and as results.
#[dasf::module(topic = "reading", main = false)]
pub(crate) mod by_the_schema {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::Value;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(crate) enum Number {
        Int(i64),
        Float(f64),
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Numbers {
        pub(crate) n: i64,
        pub(crate) x: f64,
        pub(crate) any: Value,
        pub(crate) number: Number,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    pub(crate) enum Series {
        Yearly { values: BTreeMap<u32, f64> },
        Levels { steps: Vec<u8> },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Station {
        pub(crate) name: String,
        #[serde(flatten)]
        pub(crate) series: Series,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Counted {
        pub(crate) name: String,
        #[serde(flatten)]
        pub(crate) counts: BTreeMap<i32, u64>,
    }

    /// A name that a reference has in another form.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Größe {
        pub(crate) breite: f32,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(rename = "Grid<{T}>")]
    pub(crate) struct Grid<T> {
        pub(crate) cells: Vec<T>,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(rename = "a/b~c")]
    pub(crate) struct Odd {
        pub(crate) grids: Vec<Grid<Größe>>,
    }

    #[dasf::function]
    pub(crate) fn numbers(numbers: Numbers) -> Numbers {
        numbers
    }

    #[dasf::function]
    pub(crate) fn stations(stations: Vec<Station>) -> BTreeMap<String, Station> {
        let named = |station: Station| (station.name.clone(), station);
        stations.into_iter().map(named).collect()
    }

    #[dasf::function]
    pub(crate) fn counted(counted: Counted) -> Counted {
        counted
    }

    #[dasf::function]
    pub(crate) fn odd(odd: &Odd, sizes: &[Größe]) -> Odd {
        let mut odd = odd.clone();
        odd.grids.push(Grid {
            cells: sizes.to_vec(),
        });
        odd
    }

    #[dasf::function]
    pub(crate) fn raw(value: Box<serde_json::value::RawValue>) -> Box<serde_json::value::RawValue> {
        value
    }

    #[dasf::function]
    pub(crate) fn deep(levels: usize) -> Value {
        (1..levels).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]))
    }
}

async fn answer(request: &str) -> Result<String, String> {
    let module = by_the_schema::module().unwrap();
    let outcome = module.call_text(request, Context::local(), None).await;
    outcome
        .map(|output| output.as_json().to_owned())
        .map_err(|failure| failure.to_string())
}

#[tokio::test]
async fn only_arguments_of_integer_types_become_integers() {
    for n in ["2", "2.0"] {
        let request = format!(
            r#"{{"func_name": "numbers", "numbers": {{"n": {n}, "x": -0.0, "any": 2.0, "number": 2.0}}}}"#
        );
        assert_eq!(
            answer(&request).await.unwrap(),
            r#"{"n":2,"x":-0.0,"any":2.0,"number":2.0}"#
        );
    }
    let request = r#"{"func_name": "numbers", "numbers": {"n": 9007199254740993.0, "x": 1, "any": [1], "number": 1}}"#;
    assert_eq!(
        answer(request).await.unwrap(),
        r#"{"n":9007199254740993,"x":1.0,"any":[1],"number":1}"#
    );
}

#[tokio::test]
async fn a_raw_value_keeps_its_spelling() {
    let request =
        r#"{"func_name": "raw", "value": [265252859812191058636308480000000, 1.10, "ä"]}"#;
    assert_eq!(
        answer(request).await.unwrap(),
        r#"[265252859812191058636308480000000, 1.10, "\u00e4"]"#
    );
}

#[tokio::test]
async fn a_number_beyond_32_bits_is_refused() {
    let request = r#"{"func_name": "odd", "odd": {"grids": []}, "sizes": [{"breite": 1e39}]}"#;
    assert_eq!(
        answer(request).await.unwrap_err(),
        "validating: odd: sizes[0].breite: 1e+39 is greater than or equal to the \
         maximum of 3.4028235677973366e+38"
    );
}

#[tokio::test]
async fn a_result_that_nests_too_deeply_is_a_failure() {
    let json = answer(r#"{"func_name": "deep", "levels": 127}"#)
        .await
        .unwrap();
    assert!(serde_json::from_str::<Value>(&json).is_ok());
    assert_eq!(
        answer(r#"{"func_name": "deep", "levels": 128}"#)
            .await
            .unwrap_err(),
        "processing: the result cannot be written as JSON: it has more than 127 nested levels, \
         so nobody could read it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn maps_with_integer_keys_are_read_at_any_place() {
    use by_the_schema::{Client, Counted, Grid, Größe, Odd, Series, Station};

    let client = Client::builder();
    let (_broker, host, client) = serve("reading", by_the_schema::module().unwrap(), client).await;
    let stations = [
        Station {
            name: "Elbe".to_owned(),
            series: Series::Yearly {
                values: BTreeMap::from([(2001, 1.0), (2002, 2.5)]),
            },
        },
        Station {
            name: "Oder".to_owned(),
            series: Series::Levels { steps: vec![1, 2] },
        },
    ];
    let named = client.stations(stations.to_vec()).await.unwrap();
    assert_eq!(named.into_values().collect::<Vec<_>>(), stations);
    let counted = Counted {
        name: "Elbe".to_owned(),
        counts: BTreeMap::from([(-1, 3), (7, u64::MAX)]),
    };
    assert_eq!(client.counted(counted.clone()).await.unwrap(), counted);
    let odd = Odd { grids: Vec::new() };
    let sizes = [Größe { breite: f32::MAX }];
    let odd = client.odd(&odd, &sizes).await.unwrap();
    assert_eq!(
        odd.grids,
        [Grid {
            cells: sizes.to_vec()
        }]
    );
    host.shutdown().await;

    // The variant comes after its content, and floats without a fraction stand for integers.
    let request = r#"{"func_name": "stations", "stations": [{"steps": [1.0], "name": "Rhein", "kind": "levels"}]}"#;
    assert_eq!(
        answer(request).await.unwrap(),
        r#"{"Rhein":{"name":"Rhein","kind":"levels","steps":[1]}}"#
    );
}

#[tokio::test]
async fn a_mistake_inside_a_variant_has_its_path() {
    for (station, problem) in [
        (
            r#"{"name": "Elbe", "kind": "levels", "steps": [1, 300]}"#,
            "stations[0].steps[1]: 300 is greater than the maximum of 255",
        ),
        (
            r#"{"name": "Elbe", "kind": "yearly", "values": {"2001": "high"}}"#,
            r#"stations[0].values[2001]: "high" is not of type "number""#,
        ),
        (
            r#"{"name": "Elbe", "kind": "yearly"}"#,
            "stations[0].values: is required",
        ),
        (
            r#"{"name": "Elbe", "kind": "daily"}"#,
            r#"stations[0].kind: "daily" is not one of "yearly" or "levels""#,
        ),
        (
            r#"{"name": "Elbe", "steps": []}"#,
            "stations[0].kind: is required",
        ),
    ] {
        let request = format!(r#"{{"func_name": "stations", "stations": [{station}]}}"#);
        assert_eq!(
            answer(&request).await.unwrap_err(),
            format!("validating: stations: {problem}")
        );
    }
}

#[test]
fn schemas_refer_to_types_of_all_names() {
    let info = by_the_schema::module().unwrap().api_info("reading");
    let odd = info.functions.iter().find(|it| it.name == "odd").unwrap();
    for schema in [&odd.rpc_schema, &odd.return_schema] {
        let definitions = schema["$defs"].as_object().unwrap();
        assert!(definitions.contains_key("Größe"), "{schema}");
        assert!(
            definitions.keys().any(|name| name.starts_with("Grid<")),
            "{schema}"
        );
    }
    assert!(odd.rpc_schema["$defs"]["a/b~c"].is_object());
    assert_eq!(odd.return_schema["x_dasf_type"], "a/b~c");
}

/// A module with one function, whose argument and result have this type.
macro_rules! module_of {
    ($module:ident { $($item:item)* } $ty:ty) => {
        #[dasf::module(main = false)]
        pub(crate) mod $module {
            #[allow(unused_imports)] // not every module needs all imports
            use std::collections::BTreeMap;

            #[allow(unused_imports)] // as above
            use schemars::JsonSchema;
            #[allow(unused_imports)] // as above
            use serde::{Deserialize, Serialize};

            $($item)*

            #[dasf::function]
            pub(crate) fn f(a: $ty) -> $ty {
                a
            }
        }
    };
}

module_of!(pairs_for_keys {} BTreeMap<(i32, i32), f64>);
module_of!(lists_for_keys {} Option<Vec<BTreeMap<Vec<u8>, f64>>>);

module_of!(wide_in_a_tag {
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    pub(crate) enum Tagged {
        Small { n: u64 },
        Wide { n: u128 },
    }
} Tagged);

module_of!(wide_untagged {
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(crate) enum Untagged {
        Text(String),
        Wide(Vec<i128>),
    }
} Option<Untagged>);

module_of!(wide_flattened {
    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Outer {
        name: String,
        #[serde(flatten)]
        inner: Inner,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Inner {
        n: Option<u128>,
    }
} Vec<Outer>);

module_of!(truth_values_for_keys_in_a_tag {
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    pub(crate) enum Tagged {
        Nothing,
        Some { by: BTreeMap<bool, f64> },
    }
} Tagged);

module_of!(truth_values_for_keys_untagged {
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(crate) enum Untagged {
        Number(f64),
        Some(BTreeMap<bool, f64>),
    }
} Untagged);

module_of!(integers_for_keys_untagged {
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(crate) enum Untagged {
        Point { x: i64 },
        Years(BTreeMap<u32, i64>),
    }
} Untagged);

module_of!(integers_for_keys_beside_a_tag {
    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Outer {
        #[serde(flatten)]
        kind: Kind,
        #[serde(flatten)]
        counts: BTreeMap<u32, i64>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    pub(crate) enum Kind {
        Mean { window: u8 },
        Sum,
    }
} Outer);

module_of!(closed_and_flattened {
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Closed {
        name: String,
        #[serde(flatten)]
        kind: Kind,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    pub(crate) enum Kind {
        Mean { window: u8 },
        Sum,
    }
} Closed);

/// Types outside of the module, whose attributes the macro does not see.
mod elsewhere {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Place {
        #[serde(default, alias = "lat", alias = "breite")]
        #[schemars(range(max = 90))]
        pub(crate) latitude: f64,
        #[schemars(skip)]
        #[serde(default)]
        pub(crate) hidden: i64,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Hidden {
        #[schemars(skip)]
        #[serde(default)]
        pub(crate) hidden: i64,
    }
}

module_of!(an_alias {} Vec<Option<crate::reading::elsewhere::Place>>);
module_of!(a_hidden_field {} crate::reading::elsewhere::Hidden);

#[test]
fn a_field_with_a_name_that_the_schema_does_not_have_is_refused() {
    let error = an_alias::module().err().unwrap().to_string();
    assert!(
        error.contains("its field `latitude` has the alias `breite`"),
        "{error}"
    );
    assert!(a_hidden_field::module().is_ok());
}

#[test]
fn a_type_without_readable_values_is_refused() {
    let error = |module: Result<dasf::Module, ModuleError>| module.err().unwrap().to_string();
    let wide =
        "it has an integer of 128 bits in a tagged or untagged enum, or in a flattened field";
    let keys = "it has a map whose keys cannot be read from strings, the only keys in JSON";
    for (error, ty, reason) in [
        (error(pairs_for_keys::module()), "(i32, i32)", keys),
        (error(lists_for_keys::module()), "Vec<u8>", keys),
        (
            error(wide_in_a_tag::module()),
            "wide_in_a_tag::Tagged",
            wide,
        ),
        (
            error(wide_untagged::module()),
            "wide_untagged::Untagged",
            wide,
        ),
        (
            error(wide_flattened::module()),
            "wide_flattened::Outer",
            wide,
        ),
        (
            error(truth_values_for_keys_in_a_tag::module()),
            "Tagged",
            keys,
        ),
        (
            error(truth_values_for_keys_untagged::module()),
            "Untagged",
            keys,
        ),
        (
            error(integers_for_keys_untagged::module()),
            "Untagged",
            keys,
        ),
        (
            error(integers_for_keys_beside_a_tag::module()),
            "Outer",
            keys,
        ),
        (
            error(closed_and_flattened::module()),
            "closed_and_flattened::Closed",
            "serde's deny_unknown_fields rejects the fields that are flattened into the same struct",
        ),
    ] {
        assert!(
            error.starts_with("the argument a of f cannot be served: some values of `")
                && error.contains(ty)
                && error.contains(reason),
            "{error}"
        );
    }
}
