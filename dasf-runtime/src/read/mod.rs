//! Reads the value of an argument or a result from its JSON.
//!
//! A module reads every value that its published schema accepts. Serde alone reads fewer values: in
//! JSON Schema, `2.0` is an integer, and every map may have integers as keys.

mod entries;
mod guide;
pub(crate) mod keywords;
mod number;
mod reader;
#[cfg(feature = "module")]
mod schema;
#[cfg(not(feature = "module"))]
#[path = "no_schema.rs"]
mod schema;

use dasf_protocol::problem::Problem;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use entries::Entries;
use guide::Guide;
pub(crate) use guide::evaluated_property;
pub(crate) use guide::{is_integer_key, is_tagged};
use reader::{Reader, message};

pub(crate) use schema::SchemaOf;
use schema::of_reader;

/// A value that is still JSON, with its schema.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The value.
    pub json: &'a str,
    /// The document that contains the schema, and everything that the schema refers to.
    pub document: &'a Value,
    /// The schema of the value.
    pub schema: SchemaOfValue<'a>,
}

/// Where the schema of a value is. Most values are read without it, so it is not looked up before.
#[derive(Debug, Clone, Copy)]
pub enum SchemaOfValue<'a> {
    /// The schema itself.
    Given(&'a Value),
    /// The schema of the argument with this name, in the schema of all arguments.
    OfArgument(&'a str),
}

impl<'a> Source<'a> {
    fn schema(&self) -> &'a Value {
        match self.schema {
            SchemaOfValue::Given(schema) => schema,
            SchemaOfValue::OfArgument(name) => &self.document["properties"][name],
        }
    }
}

/// Returns the problem of a type whose values can never be read.
pub(crate) fn unreadable() -> Problem {
    Problem::new("", "values of this type cannot be read")
}

/// Reads a value, which is known to be JSON without spaces around it.
///
/// # Errors
/// Returns a [`Problem`] if the value does not have the type.
pub(crate) fn read<T: DeserializeOwned>(source: Source<'_>) -> Result<T, Problem> {
    // In most cases the type alone is enough. Otherwise follow the schema.
    read_guided(source.json, Ends::Known, Guide::default())
        .or_else(|problem| read_by_schema(source).ok_or(problem))
}

/// Reads a result, with the schema of its type if it is known.
///
/// # Errors
/// Returns a [`Problem`] if the value does not have the type.
pub(crate) fn read_result<T: DeserializeOwned>(
    json: &str,
    schema: Option<SchemaOf>,
) -> Result<T, Problem> {
    read_guided(json, Ends::Unknown, Guide::default()).or_else(|problem| {
        // The schema is made late, because most results do not need it.
        let Some((document, schema)) = schema.map(of_reader) else {
            return Err(problem);
        };
        let source = Source {
            json,
            document: &document,
            schema: SchemaOfValue::Given(&schema),
        };
        read_by_schema(source).ok_or(problem)
    })
}

/// The maximum number of values that are read by a schema. For each, the guide needs about a hundred
/// bytes, which is up to fifty times its text.
const MAX_GUIDED: usize = 4 << 20;

/// Reads a value by following the schema of its type. A value with too many values inside it is left to
/// the type alone.
fn read_by_schema<T: DeserializeOwned>(source: Source<'_>) -> Option<T> {
    // In a string, these characters count too much, which does no harm.
    let starts = |byte: &u8| matches!(byte, b',' | b'[' | b'{');
    if source.json.bytes().filter(starts).count() > MAX_GUIDED {
        return None;
    }
    let value = serde_json::from_str(source.json).ok()?;
    let guide = Guide::new(source.document, source.schema(), &value);
    read_guided(source.json, Ends::Unknown, guide).ok()
}

/// The result of reading an example.
#[derive(Debug, Default)]
pub struct Finding {
    /// The name of the type.
    pub(crate) type_name: &'static str,
    /// The reason why the example could not be read.
    pub(crate) problem: Option<Problem>,
    /// Whether serde read an integer of 128 bits before it knew the type.
    pub(crate) has_cut_wide: bool,
    /// A second name of a field that the schema does not have, with the error of serde if a value
    /// has both names: ``duplicate field `name` ``.
    pub(crate) alias: Option<(&'static str, String)>,
}

/// Reads an example from the schema of a type, to find out whether the type can be read.
pub(crate) fn inspect<T: DeserializeOwned>(source: Source<'_>) -> Finding {
    let value = serde_json::from_str(source.json).unwrap_or_default();
    let guide = Guide::new(source.document, source.schema(), &value);
    let guided = read_guided::<T>(source.json, Ends::Unknown, guide.clone()).map(drop);
    let read = guided
        .or_else(|_| read_guided::<T>(source.json, Ends::Unknown, Guide::default()).map(drop));
    let mut met = guide.probe(None).met.into_iter();
    let alias = met.find_map(|name| {
        guide.probe(Some(name));
        let problem = read_guided::<T>(source.json, Ends::Unknown, guide.clone())
            .map(drop)
            .err()?;
        let message = problem.message();
        let is_alias = message.starts_with("duplicate field");
        is_alias.then(|| (name.1, message.to_owned()))
    });
    Finding {
        type_name: std::any::type_name::<T>(),
        problem: read.err(),
        has_cut_wide: guide.has_cut_wide(),
        alias,
    }
}

/// Whether a text begins and ends with its value, and is known to be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Known,
    Unknown,
}

fn read_guided<T: DeserializeOwned>(
    json: &str,
    ends: Ends,
    guide: Guide<'_>,
) -> Result<T, Problem> {
    let mut text = serde_json::Deserializer::from_str(json);
    let value = (ends == Ends::Known).then_some(json);
    serde_path_to_error::deserialize(Reader::of_value(&mut text, value, guide))
        .map_err(|error| Problem::new(&error.path().to_string(), message(error.inner())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::module::schema_of;

    fn read_as<T: DeserializeOwned + JsonSchema>(json: &str) -> Result<T, Problem> {
        let (document, schema) = of_reader(schema_of::<T>);
        read(Source {
            json,
            document: &document,
            schema: SchemaOfValue::Given(&schema),
        })
    }

    /// Reads a value and writes it again.
    fn through<T: DeserializeOwned + JsonSchema + Serialize>(json: &str) -> String {
        match read_as::<T>(json) {
            Ok(value) => serde_json::to_string(&value).unwrap(),
            Err(problem) => panic!("{json}: {problem:?}"),
        }
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Either {
        Int(i64),
        Float(f64),
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Mixed {
        n: i64,
        x: f64,
        any: Value,
        either: Either,
    }

    #[test]
    fn a_huge_value_is_left_to_its_type() {
        #[derive(Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind")]
        enum Tagged {
            Many { numbers: Vec<u8> },
        }
        let of = |zeros: usize| {
            let zeros = "0,".repeat(zeros);
            format!(r#"{{"kind": "Many", "numbers": [{zeros}2.0]}}"#)
        };
        assert!(read_as::<Tagged>(&of(10)).is_ok());
        // A small request must not need a hundred times its size.
        let problem = read_as::<Tagged>(&of(MAX_GUIDED)).err().unwrap();
        assert!(problem.message().contains("expected u8"), "{problem:?}");
    }

    #[test]
    fn only_what_must_be_an_integer_becomes_one() {
        for n in ["2", "2.0", "20e-1"] {
            let json = format!(r#"{{"n":{n},"x":-0.0,"any":2.0,"either":2.0}}"#);
            assert_eq!(
                through::<Mixed>(&json),
                r#"{"n":2,"x":-0.0,"any":2.0,"either":2.0}"#
            );
        }
        assert_eq!(through::<i64>("9007199254740993.0"), "9007199254740993");
        assert_eq!(through::<Option<u8>>("255.0"), "255");
        assert_eq!(through::<(u8, f32)>("[1.0,1.0]"), "[1,1.0]");
        assert_eq!(
            through::<u128>("340282366920938463463374607431768211455.0"),
            u128::MAX.to_string()
        );
        assert_eq!(through::<i128>("-1e3"), "-1000");
    }

    #[test]
    fn what_is_no_integer_of_the_type_is_refused() {
        for (problem, message) in [
            (
                read_as::<i64>("2.5").unwrap_err(),
                "invalid type: floating point `2.5`, expected i64",
            ),
            (
                read_as::<u8>("256.0").unwrap_err(),
                "invalid value: integer `256`, expected u8",
            ),
            (
                read_as::<i64>("9223372036854775808").unwrap_err(),
                "invalid value: integer `9223372036854775808`, expected i64",
            ),
            (
                read_as::<u128>("-1").unwrap_err(),
                "invalid value: i128, expected u128",
            ),
            (
                read_as::<u64>("\"1\"").unwrap_err(),
                r#"invalid type: string "1", expected u64"#,
            ),
        ] {
            assert_eq!((problem.path(), problem.message()), ("", message));
        }
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "kind")]
    enum Tagged {
        Years { by_year: BTreeMap<u32, f64> },
        Steps { n: u8 },
        Both(Box<Pair>),
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Pair {
        left: Tagged,
        right: Option<Tagged>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "t", content = "c")]
    enum Adjacent {
        Years(BTreeMap<i16, i64>),
        Wide(u128),
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum Untagged {
        Point { x: i64 },
        Years(BTreeMap<u32, i64>),
        Inside { point: Box<Untagged> },
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Flattened {
        name: String,
        #[serde(flatten)]
        size: Size,
        #[serde(flatten)]
        years: BTreeMap<u32, f64>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Both {
        #[serde(flatten)]
        tagged: Tagged,
        #[serde(flatten)]
        counts: BTreeMap<i32, u64>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Size {
        width: u8,
    }

    #[test]
    fn what_serde_keeps_until_it_knows_the_type_is_read_by_the_schema() {
        for json in [
            r#"{"kind":"Years","by_year":{"2001":1.5}}"#,
            r#"{"kind":"Both","left":{"kind":"Years","by_year":{"1":1.0}},"right":{"kind":"Steps","n":1}}"#,
        ] {
            assert_eq!(through::<Tagged>(json), json);
        }
        assert_eq!(
            through::<Tagged>(r#"{"n":3.0,"kind":"Steps"}"#),
            r#"{"kind":"Steps","n":3}"#
        );
        for json in [
            r#"{"t":"Years","c":{"-3":2.0}}"#,
            r#"{"c":{"-3":2},"t":"Years"}"#,
        ] {
            assert_eq!(through::<Adjacent>(json), r#"{"t":"Years","c":{"-3":2}}"#);
        }
        assert_eq!(
            through::<Adjacent>(r#"{"c":26525285981219105863630848,"t":"Wide"}"#),
            r#"{"t":"Wide","c":26525285981219105863630848}"#
        );
        assert_eq!(through::<Untagged>(r#"{"x":2.0}"#), r#"{"x":2}"#);
        let json = r#"{"name":"Elbe","width":3,"2001":1.5}"#;
        assert_eq!(through::<Flattened>(json), json);
        assert_eq!(through::<Flattened>(&json.replace('3', "3.0")), json);
    }

    #[test]
    fn optional_integers_are_followed() {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct Outer {
            #[serde(flatten)]
            inner: Inner,
        }
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct Inner {
            n: Option<i64>,
        }
        assert_eq!(through::<Outer>(r#"{"n":2.0}"#), r#"{"n":2}"#);
        assert_eq!(through::<Outer>(r#"{"n":null}"#), r#"{"n":null}"#);
    }

    #[test]
    fn variants_are_found_by_their_tag_before_all_that_is_inside() {
        #[derive(Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "t", content = "c")]
        enum Tree {
            Some(Vec<Tree>),
            More(Vec<Tree>),
            Leaf(i64),
        }
        let leaf = r#"{"c":3.0,"t":"Leaf"}"#.to_owned();
        let json = (0..30).fold(leaf, |inner, _| format!(r#"{{"c":[{inner}],"t":"More"}}"#));
        assert!(read_as::<Tree>(&json).is_ok());
    }

    #[test]
    fn a_key_is_never_taken_for_the_index_of_a_field() {
        for json in [r#"{"0":5}"#, r#"{"point":{"0":5}}"#] {
            assert!(read_as::<Untagged>(json).is_err(), "{json}");
        }
        let json = r#"{"kind":"Steps","n":1,"0":3}"#;
        assert!(read_as::<Both>(json).is_err());
    }

    #[test]
    fn maps_have_keys_of_all_types() {
        fn keeps<T: DeserializeOwned + JsonSchema + Serialize>(json: &str) {
            assert_eq!(through::<T>(json), json);
        }
        keeps::<BTreeMap<u128, u128>>(r#"{"340282366920938463463374607431768211455":1}"#);
        keeps::<BTreeMap<i64, Either>>(r#"{"-1":1.0}"#);
        keeps::<BTreeMap<bool, i64>>(r#"{"false":1}"#);
        keeps::<BTreeMap<char, i64>>(r#"{"7":1}"#);
        keeps::<BTreeMap<Option<u8>, i64>>(r#"{"7":1}"#);
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_counts() {
        let json = r#"{"name":"Oder","name":"Elbe","width":"x","width":3,"7":1.0,"7":2.0}"#;
        assert_eq!(
            through::<Flattened>(json),
            r#"{"name":"Elbe","width":3,"7":2.0}"#
        );
        assert_eq!(
            through::<Size>(r#"{"width":1,"width":2}"#),
            r#"{"width":2}"#
        );
        assert!(read_as::<Size>(r#"{"width":1,"width":"x"}"#).is_err());
    }

    #[test]
    fn a_problem_deep_inside_has_its_path() {
        let json = json!({"left": {"kind": "Steps", "n": 1}, "right": 5}).to_string();
        let problem = read_as::<Pair>(&json).err().unwrap();
        assert_eq!(problem.path(), "right");
    }

    #[test]
    fn a_choice_that_takes_too_long_is_not_made() {
        #[derive(Deserialize, JsonSchema)]
        #[serde(untagged)]
        #[allow(dead_code)] // only read
        enum Tree {
            Leaf(i8),
            Nodes(Vec<Tree>),
        }
        let json = format!("[{}300.0{}]", "[".repeat(60), "]".repeat(60));
        let wide = format!("[{}]", vec![json; 1000].join(","));
        assert!(read_as::<Tree>(&wide).is_err());
    }
}
