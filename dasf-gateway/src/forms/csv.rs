//! Tables as CSV (RFC 4180), from the JSON of records, lists, columns and series.
//!
//! Numbers stay as they are in JSON, with all their digits. A null is an empty field.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The media type of a table with the names of its columns in the first line.
pub(super) const WITH_HEADER: &str = "text/csv; charset=utf-8; header=present";
/// The media type of a table without names.
pub(super) const WITHOUT_HEADER: &str = "text/csv; charset=utf-8; header=absent";

/// The column of a list of single values.
const VALUE: &str = "value";
/// How many fields a table may have in addition to one for each byte of its JSON. Records in which each has
/// other names would be a table of almost nothing but empty fields.
const MAX_EMPTY_FIELDS: usize = 1 << 20;

/// Writes a result as CSV, and returns its media type; `None` if it is no table.
pub(super) fn write(json: &str) -> Option<(&'static str, String)> {
    if let Some(items) = list(json) {
        return of_list(json, &items);
    }
    let object: Fields<'_> = serde_json::from_str(json).ok()?;
    if let Some(records) = object.get("records").and_then(|raw| list(raw.get())) {
        return of_list(json, &records);
    }
    if let (Some(index), Some(columns)) = (object.get("index"), object.get("columns")) {
        return of_series(index, columns);
    }
    if object.0.iter().all(|(_, value)| is_scalar(value)) && !object.0.is_empty() {
        return of_records(json, &[object]);
    }
    let names: Vec<&str> = object.0.iter().map(|(name, _)| name.as_str()).collect();
    let columns = object.0.iter().map(|(_, values)| list(values.get()));
    of_columns(&names, &columns.collect::<Option<Vec<_>>>()?)
}

fn of_list(json: &str, items: &[&RawValue]) -> Option<(&'static str, String)> {
    let first = items.first().map_or("", |item| item.get());
    if first.starts_with('{') {
        let records = items
            .iter()
            .map(|item| serde_json::from_str(item.get()).ok());
        return of_records(json, &records.collect::<Option<Vec<Fields<'_>>>>()?);
    }
    if first.starts_with('[') {
        let rows = items.iter().map(|item| list(item.get()));
        let rows: Vec<Vec<&RawValue>> = rows.collect::<Option<_>>()?;
        if !rows.iter().flatten().all(|value| is_scalar(value)) {
            return None;
        }
        let mut text = String::new();
        for row in &rows {
            line(&mut text, row.iter().map(|value| field(value)));
        }
        return Some((WITHOUT_HEADER, text));
    }
    of_columns(&[VALUE], &[items.to_vec()])
}

fn of_records(json: &str, records: &[Fields<'_>]) -> Option<(&'static str, String)> {
    let mut columns: Vec<&str> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (name, _) in records.iter().flat_map(|record| &record.0) {
        places.entry(name).or_insert_with(|| {
            columns.push(name);
            columns.len() - 1
        });
    }
    if records.len().saturating_mul(columns.len()) > json.len() + MAX_EMPTY_FIELDS {
        return None;
    }
    let mut text = String::with_capacity(json.len());
    line(&mut text, columns.iter().map(|name| (*name).to_owned()));
    for record in records {
        let mut fields = vec![String::new(); columns.len()];
        for (name, value) in &record.0 {
            if let Some(place) = places.get(name.as_str()) {
                fields[*place] = field(value);
            }
        }
        line(&mut text, fields.into_iter());
    }
    Some((WITH_HEADER, text))
}

/// Writes columns of equal lengths.
fn of_columns(names: &[&str], columns: &[Vec<&RawValue>]) -> Option<(&'static str, String)> {
    let length = columns.first().map_or(0, Vec::len);
    let is_column = |column: &Vec<&RawValue>| {
        column.len() == length && column.iter().all(|value| is_scalar(value))
    };
    if columns.is_empty() || !columns.iter().all(is_column) {
        return None;
    }
    let mut text = String::new();
    line(&mut text, names.iter().map(|name| (*name).to_owned()));
    for row in 0..length {
        line(&mut text, columns.iter().map(|column| field(column[row])));
    }
    Some((WITH_HEADER, text))
}

/// Writes a series: an index and columns, each with a name and values.
fn of_series(index: &RawValue, columns: &RawValue) -> Option<(&'static str, String)> {
    #[derive(serde::Deserialize)]
    struct Column<'a> {
        name: Option<String>,
        #[serde(borrow)]
        values: Vec<&'a RawValue>,
    }
    let index: Column<'_> = serde_json::from_str(index.get()).ok()?;
    let columns: Vec<Column<'_>> = serde_json::from_str(columns.get()).ok()?;
    let all = || std::iter::once(&index).chain(&columns);
    let names = all().enumerate().map(|(place, column)| match place {
        0 => column.name.as_deref().unwrap_or("index"),
        _ => column.name.as_deref().unwrap_or(VALUE),
    });
    let values = all().map(|column| column.values.clone());
    of_columns(&names.collect::<Vec<_>>(), &values.collect::<Vec<_>>())
}

fn list(json: &str) -> Option<Vec<&RawValue>> {
    json.trim_start()
        .starts_with('[')
        .then(|| serde_json::from_str(json).ok())?
}

fn is_scalar(value: &RawValue) -> bool {
    !value.get().starts_with(['[', '{'])
}

/// Returns a value as the text of a field.
fn field(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        text if text.starts_with('"') => {
            serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())
        }
        json => json.to_owned(),
    }
}

/// Writes a line of fields.
fn line(text: &mut String, fields: impl Iterator<Item = String>) {
    let mut is_alone = true;
    for (place, field) in fields.enumerate() {
        if place > 0 {
            text.push(',');
        }
        is_alone = place == 0 && field.is_empty();
        if field.contains([',', '"', '\r', '\n']) || field.starts_with(' ') || field.ends_with(' ')
        {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&field);
        }
    }
    // A line of one empty field would look like no line.
    if is_alone {
        text.push_str("\"\"");
    }
    text.push_str("\r\n");
}

/// The members of an object in their order, whose values are still JSON.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        let mut members = self.0.iter();
        members.find_map(|(known, value)| (known == name).then_some(*value))
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Fields(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn tables_become_lines() {
        for (json, expected) in [
            (
                r#"[{"a": 1, "b": "x"}, {"b": null, "c": true}]"#,
                "a,b,c\r\n1,x,\r\n,,true\r\n",
            ),
            (
                r#"[{"a": [1, {"b": 2}]}]"#,
                "a\r\n\"[1, {\"\"b\"\": 2}]\"\r\n",
            ),
            ("[[1, 2.50], [3, null]]", "1,2.50\r\n3,\r\n"),
            (r#"[1, null, "a,b"]"#, "value\r\n1\r\n\"\"\r\n\"a,b\"\r\n"),
            ("[]", "value\r\n"),
            (r#"{"t": [1, 2], "u": ["a", "b"]}"#, "t,u\r\n1,a\r\n2,b\r\n"),
            (r#"{"mean": 1.5, "name": "x"}"#, "mean,name\r\n1.5,x\r\n"),
            (
                r#"{"response_type": "datasource", "name": "n", "records": [{"a": 1}]}"#,
                "a\r\n1\r\n",
            ),
            (
                r#"{"response_type": "series", "name": null,
                    "index": {"name": "time", "unit": null, "values": ["2026-01-01T00:00:00Z", "b"]},
                    "columns": [{"name": "level", "unit": "m", "values": [1.25, null]}]}"#,
                "time,level\r\n2026-01-01T00:00:00Z,1.25\r\nb,\r\n",
            ),
            (
                "[170141183460469231731687303715884105727]",
                "value\r\n170141183460469231731687303715884105727\r\n",
            ),
        ] {
            assert_eq!(write(json).unwrap().1, expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_table_stays() {
        for json in [
            "1",
            "null",
            r#""a""#,
            "{}",
            "[[[1]]]",
            r#"[{"a": 1}, 2]"#,
            "[1, [2]]",
            r#"{"a": [1], "b": [1, 2]}"#,
            r#"{"a": 1, "b": [1, 2]}"#,
            r#"{"a": {"b": 1}}"#,
            r#"{"index": {"values": [1]}, "columns": [{"values": []}]}"#,
        ] {
            assert_eq!(write(json), None, "{json}");
        }
    }

    #[test]
    fn a_table_of_empty_fields_is_refused() {
        let records: Vec<Value> = (0..5000).map(|name| json!({name.to_string(): 0})).collect();
        assert_eq!(write(&Value::from(records).to_string()), None);
    }

    /// Reads CSV by the rules of RFC 4180.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
        let (mut letters, mut is_quoted) = (text.chars().peekable(), false);
        while let Some(letter) = letters.next() {
            match letter {
                '"' if is_quoted && letters.peek() == Some(&'"') => {
                    field.push('"');
                    letters.next();
                }
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => row.push(std::mem::take(&mut field)),
                '\r' if !is_quoted => {}
                '\n' if !is_quoted => {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                letter => field.push(letter),
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn every_text_comes_back(rows in prop::collection::vec(prop::collection::vec(".*", 3), 1..5)) {
            let json = serde_json::to_string(&rows).unwrap();
            prop_assert_eq!(read(&write(&json).unwrap().1), rows);
        }

        #[test]
        fn every_name_comes_back(names in prop::collection::btree_set(".*", 1..5)) {
            let record: serde_json::Map<String, Value> =
                names.iter().map(|name| (name.clone(), json!(1))).collect();
            let json = Value::from(vec![record]).to_string();
            let rows = read(&write(&json).unwrap().1);
            prop_assert_eq!(&rows[0], &names.into_iter().collect::<Vec<_>>());
        }
    }
}
