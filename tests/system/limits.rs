//! Constraints at the ends of number types, and numbers of 32 bits.

use dasf::{Context, FailureKind, Module};
use dasf_test_support::serve;
use serde_json::{Value, json};

/// Functions with limits at the ends of their types.
#[dasf::module(main = false, topic = "extremes")]
#[allow(clippy::too_many_arguments)]
pub(crate) mod extremes {
    /// Numbers of a type whose name does not show the width.
    pub(crate) type Octet = u8;
    pub(crate) type Letter = char;
    pub(crate) type Three = [u8; 3];

    #[dasf::function(returns(le = 18446744073709551615, gt = 9223372036854775808))]
    fn unsigned(
        #[dasf(le = 18446744073709551615, default = 18446744073709551615)] a: u64,
        #[dasf(ge = 18446744073709551614, example = 18446744073709551615)] b: u128,
        #[dasf(le = 0xFFFF_FFFF_FFFF_FFFF)] c: usize,
    ) -> u64 {
        let _ = (b, c);
        a
    }

    #[dasf::function]
    fn signed(
        #[dasf(ge = -170141183460469231731687303715884105728)] a: i128,
        #[dasf(gt = -9223372036854775808, le = 9223372036854775807)] b: i64,
        #[dasf(le = 170141183460469231731687303715884105728, multiple_of = 2)] c: u128,
    ) -> i64 {
        let _ = (a, c);
        b
    }

    #[dasf::function(returns(lt = 0.5))]
    fn floats(
        #[dasf(le = 9223372036854775808)] a: f64,
        #[dasf(gt = -1.7976931348623157e308, le = 1.7976931348623157e308)] b: f64,
        #[dasf(ge = 5e-324)] c: f64,
        #[dasf(le = 3.4028235e38)] d: f32,
    ) -> f64 {
        let _ = (b, c, d);
        a
    }

    #[dasf::function]
    fn aliases(
        #[dasf(le = 300, ge = -1)] wide: Octet,
        #[dasf(le = 9)] narrow: Octet,
        #[dasf(le = 300)] optional: Option<Octet>,
        #[dasf(max_length = 18446744073709551615)] letter: Letter,
        #[dasf(min_items = 1, max_items = 9)] three: Three,
    ) -> u8 {
        let _ = (narrow, optional, letter, three);
        wide
    }
}

async fn answer(module: &Module, request: Value) -> Result<String, String> {
    let outcome = module.call_value(request, Context::local(), None).await;
    outcome
        .map(|output| output.as_json().to_owned())
        .map_err(|failure| failure.message().to_owned())
}

#[tokio::test]
async fn limits_at_the_ends_of_a_type_are_published_and_kept_exactly() {
    let module = extremes::module().unwrap();
    let schema = module.schema("t");
    let written = |function: &str, argument: &str, keyword: &str| {
        schema["$defs"][function]["properties"][argument][keyword].to_string()
    };
    for (function, argument, keyword, expected) in [
        ("FuncUnsigned", "a", "maximum", "18446744073709551615"),
        ("FuncUnsigned", "a", "default", "18446744073709551615"),
        ("FuncUnsigned", "b", "minimum", "18446744073709551614"),
        ("FuncUnsigned", "b", "examples", "[18446744073709551615]"),
        ("FuncUnsigned", "c", "maximum", "18446744073709551615"),
        (
            "FuncSigned",
            "b",
            "exclusiveMinimum",
            "-9223372036854775808",
        ),
        ("FuncSigned", "b", "maximum", "9223372036854775807"),
        ("FuncFloats", "a", "maximum", "9223372036854775808"),
        ("FuncFloats", "b", "maximum", "1.7976931348623157e+308"),
        ("FuncFloats", "c", "minimum", "5e-324"),
        ("FuncFloats", "d", "maximum", "3.4028235e+38"),
    ] {
        assert_eq!(
            written(function, argument, keyword),
            expected,
            "{argument}.{keyword}"
        );
    }
    let info = module.api_info("t").functions;
    let result = |name: &str| {
        &info
            .iter()
            .find(|it| it.name == name)
            .unwrap()
            .return_schema
    };
    assert_eq!(result("unsigned")["maximum"], u64::MAX);
    assert_eq!(result("unsigned")["exclusiveMinimum"], 1_u64 << 63);

    let unsigned = |a: u64| json!({"func_name": "unsigned", "a": a, "b": u64::MAX, "c": 0});
    let answered = answer(&module, unsigned(u64::MAX)).await;
    assert_eq!(answered.unwrap(), "18446744073709551615");
    let broken = answer(&module, unsigned(1 << 63)).await.unwrap_err();
    assert!(
        broken.contains("the result does not match its schema"),
        "{broken}"
    );
    let low = json!({"func_name": "unsigned", "b": u64::MAX - 2, "c": 0});
    let low = answer(&module, low).await.unwrap_err();
    assert!(
        low.contains("b: 18446744073709551613 is less than the minimum"),
        "{low}"
    );

    let signed = |b: i64| json!({"func_name": "signed", "a": i64::MIN, "b": b, "c": 4});
    assert!(answer(&module, signed(i64::MIN + 1)).await.is_ok());
    let low = answer(&module, signed(i64::MIN)).await.unwrap_err();
    assert!(
        low.contains("b: -9223372036854775808 is less than or equal"),
        "{low}"
    );

    // Constraints of results may be floats.
    let floats = |a: f64| json!({"func_name": "floats", "a": a, "b": 0, "c": 1, "d": 0});
    assert!(answer(&module, floats(0.25)).await.is_ok());
    let broken = answer(&module, floats(0.75)).await.unwrap_err();
    assert!(
        broken.contains("0.75 is greater than or equal to"),
        "{broken}"
    );
}

#[tokio::test]
async fn a_constraint_makes_no_type_wider() {
    let module = extremes::module().unwrap();
    let schema = &module.schema("t")["$defs"]["FuncAliases"]["properties"];
    for (argument, keyword, expected) in [
        ("wide", "minimum", 0),
        ("wide", "maximum", 255),
        ("narrow", "maximum", 9),
        ("letter", "minLength", 1),
        ("letter", "maxLength", 1),
        ("three", "minItems", 3),
        ("three", "maxItems", 3),
    ] {
        assert_eq!(schema[argument][keyword], expected, "{argument}.{keyword}");
    }
    assert_eq!(schema["optional"]["anyOf"][0]["maximum"], 255);
    let request = json!({"func_name": "aliases", "wide": 300, "narrow": 10, "optional": 256,
        "letter": "ab", "three": [1, 2, 3, 4]});
    let failure = module
        .call_value(request, Context::local(), None)
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Validation);
    for part in [
        "wide: 300 is greater than the maximum of 255",
        "narrow: 10 is greater than the maximum of 9",
        "optional: 256 is greater than the maximum of 255",
        "letter: \"ab\" is longer than 1 character",
        "three: [1,2,3,4] has more than 3 items",
    ] {
        assert!(failure.message().contains(part), "{part} in {failure}");
    }
}

/// Numbers of 32 bits with limits and defaults.
#[dasf::module(main = false, topic = "narrow")]
#[allow(clippy::needless_pass_by_value)]
pub(crate) mod narrow {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    const MOST: f32 = 0.7;

    fn tenth() -> f32 {
        0.1
    }

    fn many() -> Vec<Option<f32>> {
        vec![Some(0.1), None, Some(0.3)]
    }

    fn named() -> BTreeMap<String, (f32, f64)> {
        BTreeMap::from([("a".to_owned(), (0.1, 0.1_f32.into()))])
    }

    /// All fields can be left out.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Opt {
        #[serde(default = "tenth")]
        #[schemars(range(max = 0.1))]
        pub(crate) rate: f32,
        #[serde(default = "tenth")]
        #[schemars(range(max = MOST))]
        pub(crate) limited: f32,
        #[serde(default = "many")]
        pub(crate) many: Vec<Option<f32>>,
        #[serde(default = "named")]
        pub(crate) named: BTreeMap<String, (f32, f64)>,
    }

    impl Default for Opt {
        fn default() -> Self {
            Self {
                rate: tenth(),
                limited: tenth(),
                many: many(),
                named: named(),
            }
        }
    }

    /// A struct with others inside.
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(default)]
    pub(crate) struct Outer {
        pub(crate) opt: Opt,
        pub(crate) maybe: Option<Opt>,
    }

    #[dasf::function(returns(le = 0.1))]
    fn rate(
        #[dasf(default = 0.1, le = 0.1, example = 0.01)] rate: f32,
        #[dasf(default = Some(0.2))] maybe: Option<f32>,
        #[dasf(default)] outer: Outer,
    ) -> f32 {
        let _ = (maybe, outer);
        rate
    }

    #[dasf::function]
    fn whole(outer: Outer) -> Outer {
        outer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_32_bits_are_published_and_sent_as_people_write_them() {
    let module = narrow::module().unwrap();
    let info = serde_json::to_string(&module.api_info("t")).unwrap();
    assert!(info.contains("0.1"), "{info}");
    for wide in [0.1_f32, 0.2, 0.3, 0.7, 0.01].map(f64::from) {
        // The 64-bit number is in a tuple.
        let places: Vec<_> = info.match_indices(&wide.to_string()).collect();
        let is_in_tuple = places.iter().all(|(at, _)| info[..*at].ends_with("[0.1,"));
        assert!(is_in_tuple, "{wide} in {info}");
    }
    let schema = module.schema("t");
    assert_eq!(schema["$defs"]["Opt"]["properties"]["rate"]["default"], 0.1);
    assert_eq!(
        schema["$defs"]["Opt"]["properties"]["limited"]["maximum"],
        0.7
    );
    let many = &schema["$defs"]["Opt"]["properties"]["many"]["default"];
    assert_eq!(*many, json!([0.1, null, 0.3]));
    let opt = &schema["$defs"]["Outer"]["properties"]["opt"]["default"];
    assert_eq!(opt["rate"], 0.1);
    assert_eq!(opt["named"], json!({"a": [0.1, f64::from(0.1_f32)]}));

    let client = narrow::Client::builder();
    let (_broker, host, client) = serve("narrow", module, client).await;
    assert_eq!(client.rate().await.unwrap(), 0.1);
    assert_eq!(client.rate().rate(0.1).maybe(0.1).await.unwrap(), 0.1);
    let outer = narrow::Outer::default();
    assert_eq!(client.whole(outer.clone()).await.unwrap(), outer);
    host.shutdown().await;
}
