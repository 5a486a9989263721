//! The JSON form.

use std::fmt;

use serde::de::{self, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Column, Index, IndexValues, Series, SeriesError, Timestamp};
#[cfg(feature = "schemars")]
use crate::present::response_type;
use crate::present::{named_schema, only};

only!(SeriesType = "series");

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            response_type: SeriesType,
            name: Option<&'a str>,
            index: &'a Index,
            columns: &'a [Column],
        }
        Written {
            response_type: SeriesType::Only,
            name: self.name(),
            index: &self.index,
            columns: &self.columns,
        }
        .serialize(serializer)
    }
}

impl Serialize for Index {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { name, unit, values } = self;
        match values {
            IndexValues::Times(values) => Part { name, unit, values }.serialize(serializer),
            IndexValues::Numbers(values) => Part { name, unit, values }.serialize(serializer),
        }
    }
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { name, unit, values } = self;
        // JSON has null in place of NaN.
        Part { name, unit, values }.serialize(serializer)
    }
}

/// The form of the index and of each column.
#[derive(Serialize)]
struct Part<'a, T> {
    name: &'a str,
    unit: &'a Option<String>,
    values: &'a [T],
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Read {
            #[serde(default, rename = "response_type")]
            _response_type: SeriesType,
            #[serde(default)]
            name: Option<String>,
            index: ReadIndex,
            columns: Vec<ReadColumn>,
        }
        #[derive(Deserialize)]
        struct ReadIndex {
            name: Option<String>,
            #[serde(default)]
            unit: Option<String>,
            values: IndexValues,
        }
        #[derive(Deserialize)]
        struct ReadColumn {
            name: String,
            #[serde(default)]
            unit: Option<String>,
            values: Observations,
        }
        let read = Read::deserialize(deserializer)?;
        let usual_name = || read.index.values.usual_name().to_owned();
        let index = Index {
            name: read.index.name.unwrap_or_else(usual_name),
            unit: read.index.unit,
            values: read.index.values,
        };
        let columns = read.columns.into_iter().map(|column| Column {
            name: column.name,
            unit: column.unit,
            values: column.values.0,
        });
        Self::from_parts(read.name, index, columns.collect())
            .map_err(|error: SeriesError| D::Error::custom(error))
    }
}

/// A value of an index in JSON.
enum Position {
    Time(Timestamp),
    Number(f64),
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PositionVisitor;
        impl Visitor<'_> for PositionVisitor {
            type Value = Position;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a date and time such as 2026-11-22T10:00:00Z")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Position, E> {
                text.parse().map(Position::Time).map_err(E::custom)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Position, E> {
                Ok(Position::Number(number))
            }

            #[allow(clippy::cast_precision_loss)] // as every program that has doubles
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Position, E> {
                Ok(Position::Number(number as f64))
            }

            #[allow(clippy::cast_precision_loss)] // as every program that has doubles
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Position, E> {
                Ok(Position::Number(number as f64))
            }
        }
        deserializer.deserialize_any(PositionVisitor)
    }
}

impl<'de> Deserialize<'de> for IndexValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValuesVisitor;
        impl<'de> Visitor<'de> for ValuesVisitor {
            type Value = IndexValues;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of times or of numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<IndexValues, A::Error> {
                let (mut times, mut numbers) = (Vec::new(), Vec::new());
                while let Some(position) = list.next_element()? {
                    match position {
                        Position::Time(time) => times.push(time),
                        Position::Number(number) => numbers.push(number),
                    }
                    if !times.is_empty() && !numbers.is_empty() {
                        return Err(A::Error::custom("an index has times or numbers, not both"));
                    }
                }
                if times.is_empty() {
                    Ok(IndexValues::Numbers(numbers))
                } else {
                    Ok(IndexValues::Times(times))
                }
            }
        }
        deserializer.deserialize_seq(ValuesVisitor)
    }
}

/// The values of a column. A list of `Option<f64>` needs twice the memory.
struct Observations(Vec<f64>);

impl<'de> Deserialize<'de> for Observations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValuesVisitor;
        impl<'de> Visitor<'de> for ValuesVisitor {
            type Value = Observations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of numbers and nulls")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Observations, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element::<Option<f64>>()? {
                    values.push(value.unwrap_or(f64::NAN));
                }
                Ok(Observations(values))
            }
        }
        deserializer.deserialize_seq(ValuesVisitor)
    }
}

#[cfg(feature = "schemars")]
fn unit() -> serde_json::Value {
    serde_json::json!({
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "default": null,
        "description": "The unit of the values.",
    })
}

named_schema!(Index as "SeriesIndex", |_generator| schemars::json_schema!({
    "description": "The index of a series.",
    "properties": {
        "name": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null},
        "unit": unit(),
        "values": {
            "anyOf": [
                {"items": {"format": "date-time", "type": "string"}, "type": "array"},
                {"items": {"type": "number"}, "type": "array"},
            ],
            "description": "Points in time, or numbers.",
        },
    },
    "required": ["values"],
    "type": "object",
}));

named_schema!(Column as "SeriesColumn", |_generator| schemars::json_schema!({
    "description": "A column of a series.",
    "properties": {
        "name": {"type": "string"},
        "unit": unit(),
        "values": {
            "description": "A number for each value of the index; null for a gap.",
            "items": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "type": "array",
        },
    },
    "required": ["name", "values"],
    "type": "object",
}));

named_schema!(Series as "Series", |generator| schemars::json_schema!({
    "description": "Observations along an index of times or numbers, with gaps.",
    "properties": {
        "response_type": response_type("series"),
        "name": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": null},
        "index": generator.subschema_for::<Index>(),
        "columns": {
            "description": "The columns; each has as many values as the index.",
            "items": generator.subschema_for::<Column>(),
            "type": "array",
        },
    },
    "required": ["index", "columns"],
    "type": "object",
}));

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(value: &serde_json::Value) -> Result<Series, String> {
        serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn little_is_required() {
        let json = json!({"index": {"values": [1, 2.5]}, "columns": [], "more": 1});
        assert_eq!(read(&json), Ok(Series::new([1.0, 2.5]).unwrap()));
        let json = json!({"index": {"values": ["1970-01-01T00:00:00Z"]}, "columns": []});
        let index = read(&json).unwrap().index;
        assert_eq!(index.name(), "time");
        assert_eq!(index.times(), Some(&[Timestamp::from_unix(0, 0)][..]));
        // From a value in memory.
        assert_eq!(serde_json::from_value::<Series>(json).unwrap().index, index);
    }

    #[test]
    fn other_values_are_refused() {
        let index = json!({"values": [1, 2]});
        let column = |values| json!([{"name": "a", "values": values}]);
        for (value, problem) in [
            (json!({"columns": []}), "missing field `index`"),
            (json!({"index": index}), "missing field `columns`"),
            (
                json!({"response_type": "geojson"}),
                "unknown variant `geojson`, expected `series`",
            ),
            (
                json!({"index": index, "columns": column(json!([1]))}),
                "column \"a\" has 1 values, but the index has 2",
            ),
            (
                json!({"index": index, "columns": column(json!([1, "2"]))}),
                "invalid type: string \"2\"",
            ),
            (
                json!({"index": index, "columns": [
                    {"name": "a", "values": [1, 2]}, {"name": "a", "values": [1, 2]}]}),
                "two columns with the name \"a\"",
            ),
            (
                json!({"index": {"values": [1, "1970-01-01T00:00:00Z"]}}),
                "times or numbers, not both",
            ),
            (
                json!({"index": {"values": ["1970-01-01"]}}),
                "\"1970-01-01\" is not a date and time",
            ),
            (json!({"index": {"values": [null]}}), "invalid type: null"),
        ] {
            let error = read(&value).unwrap_err();
            assert!(error.contains(problem), "{value}: {error}");
        }
    }

    #[test]
    fn the_schema_accepts_what_is_written() {
        let schema = schemars::SchemaGenerator::default().into_root_schema_for::<Series>();
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        let times = [Timestamp::from_unix(0, 5)];
        let series = Series::new(times).unwrap();
        let series = series.with_column(("a", [f64::NAN])).unwrap();
        assert!(validator.is_valid(&serde_json::to_value(&series).unwrap()));
        assert!(!validator.is_valid(&json!({"index": {"values": [null]}, "columns": []})));
        assert_eq!(
            schema.as_value()["properties"]["response_type"]["const"],
            "series"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            stamps in prop::collection::vec(any::<(u32, u32)>(), 0..20),
            gap in any::<prop::sample::Index>(),
            name in any::<Option<String>>(),
            are_times in any::<bool>(),
        ) {
            let values = stamps.iter().enumerate().map(|(row, (value, _))| {
                (row != gap.index(stamps.len().max(1))).then_some(*value)
            });
            let series = if are_times {
                let times = stamps.iter().map(|&(seconds, part)| Timestamp::from_unix(seconds.into(), part));
                Series::new(times)
            } else {
                Series::new(stamps.iter().map(|&(number, _)| number))
            };
            let mut series = series.unwrap().with_column(("a", values)).unwrap();
            series.name = name;
            let json = serde_json::to_string(&series).unwrap();
            let read: Series = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
            prop_assert_eq!(read, series);
        }
    }
}
