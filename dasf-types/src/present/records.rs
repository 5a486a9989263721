//! Records: the rows of a table.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::error::PresentError;
#[cfg(feature = "schemars")]
use super::response_type;
use super::series::{IndexValues, Series, Timestamp};
use super::{named_schema, only};

only!(DataSourceType = "datasource");

/// Records with a name, which a page shows as a table or as bars.
///
/// ```
/// use dasf_types::present::DataSource;
///
/// #[derive(serde::Serialize)]
/// struct Gauge {
///     river: &'static str,
///     level: Option<f64>,
/// }
///
/// let gauges = [
///     Gauge { river: "Elbe", level: Some(4.5) },
///     Gauge { river: "Oste", level: None },
/// ];
/// let table = DataSource::from_rows("gauges", gauges)?;
/// assert_eq!(
///     serde_json::to_string(&table)?,
///     r#"{"response_type":"datasource","records":[{"river":"Elbe","level":4.5},{"river":"Oste"}],"name":"gauges"}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSource {
    #[serde(default)]
    response_type: DataSourceType,
    /// The records in their order.
    pub records: Vec<Record>,
    /// The name of the table.
    pub name: String,
}

impl DataSource {
    /// Makes a table of records.
    pub fn new(name: impl Into<String>, records: impl IntoIterator<Item = Record>) -> Self {
        Self {
            response_type: DataSourceType::Only,
            records: records.into_iter().collect(),
            name: name.into(),
        }
    }

    /// Makes a table of structs or maps. Each field becomes a cell. Booleans become 1 and 0, because
    /// the Python package reads them so. What is `None` or not a number has no cell.
    ///
    /// # Errors
    /// Fails if a row is not a struct or a map, or if a field is a list or an object.
    pub fn from_rows<T: Serialize>(
        name: impl Into<String>,
        rows: impl IntoIterator<Item = T>,
    ) -> Result<Self, PresentError> {
        let rows = rows.into_iter().enumerate();
        let records = rows.map(|(row, value)| Record::from_row(row, &value));
        Ok(Self::new(name, records.collect::<Result<Vec<_>, _>>()?))
    }

    /// Returns the names of all cells, in the order in which they first occur.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut names: IndexMap<&str, ()> = IndexMap::new();
        for (name, _) in self.records.iter().flat_map(Record::iter) {
            names.entry(name).or_default();
        }
        names.into_keys().collect()
    }
}

impl From<&Series> for DataSource {
    /// Makes a record of each point of the index. Gaps have no cell. The index comes first; if a
    /// column has its name, the value of the column takes its place.
    fn from(series: &Series) -> Self {
        let index = series.index();
        let records = (0..series.len()).map(|row| {
            let position = match index.values() {
                IndexValues::Times(times) => times.get(row).copied().map(Field::from),
                IndexValues::Numbers(numbers) => numbers.get(row).copied().map(Field::from),
            };
            let columns = series.columns().iter().filter_map(|column| {
                let value = column.values().get(row).copied()?;
                (!value.is_nan()).then(|| (column.name().to_owned(), Field::Number(value)))
            });
            position
                .map(|position| (index.name().to_owned(), position))
                .into_iter()
                .chain(columns)
                .collect()
        });
        Self::new(series.name().unwrap_or("series"), records)
    }
}

named_schema!(DataSource as "DataSource", |generator| schemars::json_schema!({
    "description": "Records: the rows of a table.",
    "properties": {
        "response_type": response_type("datasource"),
        "records": {
            "description": "The records in their order.",
            "items": generator.subschema_for::<Record>(),
            "type": "array",
        },
        "name": {"description": "The name of the table.", "type": "string"},
    },
    "required": ["records", "name"],
    "type": "object",
}));

/// A row of a [`DataSource`]: cells with names, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    fields: IndexMap<String, Field>,
}

impl Record {
    /// Makes a record without cells.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a cell.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Field>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Returns the cell of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.fields.get(name)
    }

    /// Returns all cells with their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Field)> {
        let fields = self.fields.iter();
        fields.map(|(name, field)| (name.as_str(), field))
    }

    fn from_row(row: usize, value: &impl Serialize) -> Result<Self, PresentError> {
        let value = serde_json::to_value(value).map_err(|error| PresentError::Unwritable {
            row,
            problem: error.to_string(),
        })?;
        let Value::Object(fields) = value else {
            let found = kind(&value);
            return Err(PresentError::NotAnObject { row, found });
        };
        let mut record = Self::new();
        for (name, value) in fields {
            let field = match value {
                Value::Null => continue,
                Value::Bool(value) => Field::Integer(value.into()),
                Value::String(text) => Field::Text(text),
                Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                    (Some(integer), _) => Field::Integer(integer),
                    (None, Some(number)) => Field::Number(number),
                    (None, None) => continue,
                },
                value => {
                    let found = kind(&value);
                    return Err(PresentError::NotFlat { row, name, found });
                }
            };
            record.fields.insert(name, field);
        }
        Ok(record)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl<N: Into<String>, F: Into<Field>> FromIterator<(N, F)> for Record {
    fn from_iter<I: IntoIterator<Item = (N, F)>>(fields: I) -> Self {
        let fields = fields.into_iter();
        Self {
            fields: fields
                .map(|(name, field)| (name.into(), field.into()))
                .collect(),
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The Python package refuses null.
        serializer.collect_map(self.fields.iter().filter(|(_, field)| !field.is_gap()))
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor)
    }
}

struct RecordVisitor;

impl<'de> Visitor<'de> for RecordVisitor {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record: texts and numbers with names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut record = Record::new();
        while let Some((name, field)) = map.next_entry::<String, Option<Field>>()? {
            if let Some(field) = field {
                record.fields.insert(name, field);
            }
        }
        Ok(record)
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Record {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Record".into()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        "dasf_types::present::Record".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "additionalProperties": {
                "anyOf": [
                    {"type": "string"},
                    {"format": "date-time", "type": "string"},
                    {"format": "date", "type": "string"},
                    {"type": "number"},
                    {"type": "integer"},
                ],
            },
            "type": "object",
        })
    }
}

/// A cell of a [`Record`].
///
/// Times and dates are texts: those of RFC 3339 are recognised as times.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Field {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A number. A number that is not finite is a gap: the record is written without it.
    Number(f64),
}

impl Field {
    fn is_gap(&self) -> bool {
        matches!(self, Self::Number(number) if !number.is_finite())
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Integer(integer) => integer.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Field {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<f32> for Field {
    /// Keeps the digits that a person would write: 0.1, not 0.10000000149011612.
    fn from(number: f32) -> Self {
        let digits: Result<f64, _> = number.to_string().parse();
        Self::Number(digits.unwrap_or_else(|_| number.into()))
    }
}

impl From<Timestamp> for Field {
    fn from(time: Timestamp) -> Self {
        Self::Text(time.to_string())
    }
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl From<$type> for Field {
            fn from(integer: $type) -> Self {
                Self::Integer(integer.into())
            }
        }
    )*};
}
integers!(i8 i16 i32 i64 u8 u16 u32 bool);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl Visitor<'_> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Field, E> {
        Ok(text.into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Field, E> {
        Ok(text.into())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Field, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Field, E> {
        Ok(integer.into())
    }

    #[allow(clippy::cast_precision_loss)] // as in JSON of JavaScript and in the Python package
    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Field, E> {
        Ok(i64::try_from(integer).map_or(Field::Number(integer as f64), Field::Integer))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Field, E> {
        Ok(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const PYTHON: &str = r#"{"response_type":"datasource","records":[{"date":"2020-01-02T00:00:00","value":1.5,"count":3},{"date":"2020-01-03T00:00:00","count":-4}],"name":"levels"}"#;

    #[test]
    fn the_bytes_are_those_of_the_python_package() {
        let record = |date: &str| Record::new().with("date", date);
        let table = DataSource::new(
            "levels",
            [
                record("2020-01-02T00:00:00")
                    .with("value", 1.5)
                    .with("count", 3),
                record("2020-01-03T00:00:00").with("count", -4),
            ],
        );
        assert_eq!(serde_json::to_string(&table).unwrap(), PYTHON);
        assert_eq!(serde_json::from_str::<DataSource>(PYTHON).unwrap(), table);
        assert_eq!(table.columns(), ["date", "value", "count"]);
    }

    #[test]
    fn gaps_have_no_cell() {
        let json =
            r#"{"name": "t", "records": [{"a": null, "b": true, "c": 18446744073709551615}]}"#;
        let table: DataSource = serde_json::from_str(json).unwrap();
        let record = Record::new()
            .with("b", 1)
            .with("c", 18_446_744_073_709_551_615.0);
        assert_eq!(table, DataSource::new("t", [record]));

        let gaps = Record::new()
            .with("a", f64::NAN)
            .with("b", f64::NEG_INFINITY)
            .with("c", 0.5);
        assert_eq!(serde_json::to_string(&gaps).unwrap(), r#"{"c":0.5}"#);
    }

    #[test]
    fn structs_and_maps_are_rows() {
        #[derive(Serialize)]
        struct Row {
            flag: bool,
            name: Option<&'static str>,
            single: f32,
            large: u64,
        }
        let row = Row {
            flag: true,
            name: None,
            single: f32::NAN,
            large: 1 << 63,
        };
        let table = DataSource::from_rows("t", [row]).unwrap();
        let expected = Record::new()
            .with("flag", 1)
            .with("large", 9_223_372_036_854_775_808.0);
        assert_eq!(table.records, [expected]);
        let rows = [BTreeMap::from([("a", 1)]), BTreeMap::new()];
        let table = DataSource::from_rows("t", &rows).unwrap();
        assert_eq!(table.records, [Record::new().with("a", 1), Record::new()]);
    }

    #[test]
    fn rows_that_are_not_flat_are_refused() {
        let error = DataSource::from_rows("t", [1]).unwrap_err();
        let found = "a number";
        assert_eq!(error, PresentError::NotAnObject { row: 0, found });
        let rows = [BTreeMap::new(), BTreeMap::from([("a", vec![1])])];
        let error = DataSource::from_rows("t", rows).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"a\" in row 1 is a list; a cell of a table is a text or a number"
        );
        let error = DataSource::from_rows("t", [BTreeMap::from([((1, 2), 3)])]).unwrap_err();
        assert!(
            matches!(error, PresentError::Unwritable { row: 0, .. }),
            "{error}"
        );
        for json in [
            r#"{"name": "t", "records": [{"a": []}]}"#,
            r#"{"name": "t", "records": [1]}"#,
        ] {
            serde_json::from_str::<DataSource>(json).unwrap_err();
        }
    }

    #[test]
    fn a_series_becomes_records() {
        let times = [Timestamp::from_unix(0, 0), Timestamp::from_unix(86_400, 0)];
        let series = Series::new(times)
            .unwrap()
            .with_name("levels")
            .with_column(("level", [None, Some(1.5)]))
            .unwrap();
        let record = |time: &str| Record::new().with("time", time);
        let expected = [
            record("1970-01-01T00:00:00Z"),
            record("1970-01-02T00:00:00Z").with("level", 1.5),
        ];
        assert_eq!(
            DataSource::from(&series),
            DataSource::new("levels", expected)
        );
    }

    #[test]
    fn a_float_of_32_bits_keeps_its_digits() {
        assert_eq!(Field::from(0.1_f32), Field::Number(0.1));
    }
}
