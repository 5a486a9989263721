//! The rows of results: records, and the points of series.

use std::collections::HashMap;

use dasf_types::present::{IndexValues, Series};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::module::validate::Fields;

/// The names of the columns of a result, and its rows. A row has a cell for each column.
#[derive(Debug, Default, PartialEq)]
pub(in crate::cli) struct Rows {
    pub(in crate::cli) names: Vec<String>,
    pub(in crate::cli) cells: Vec<Vec<String>>,
}

/// Returns the rows of a result; `None` if it is neither a list of objects, nor records, nor a series.
pub(in crate::cli) fn rows(json: &str) -> Option<Rows> {
    #[derive(Deserialize)]
    struct Shown {
        response_type: String,
    }
    #[derive(Deserialize)]
    struct Table {
        records: Vec<Fields>,
    }
    match json.trim_start().as_bytes().first()? {
        b'[' => Some(of_records(&serde_json::from_str::<Vec<Fields>>(json).ok()?)),
        b'{' => {
            let kind: Shown = serde_json::from_str(json).ok()?;
            match kind.response_type.as_str() {
                "series" => Some(of_series(&serde_json::from_str(json).ok()?)),
                "datasource" => Some(of_records(
                    &serde_json::from_str::<Table>(json).ok()?.records,
                )),
                _ => None,
            }
        }
        _ => None,
    }
}

fn of_records(records: &[Fields]) -> Rows {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::new();
    for (name, _) in records.iter().flat_map(|record| &record.0) {
        places.entry(name).or_insert_with(|| {
            names.push(name.clone());
            names.len() - 1
        });
    }
    let cells = records.iter().map(|record| {
        let mut row = vec![String::new(); names.len()];
        for (name, value) in &record.0 {
            if let Some(cell) = places
                .get(name.as_str())
                .and_then(|place| row.get_mut(*place))
            {
                *cell = text(value);
            }
        }
        row
    });
    let cells = cells.collect();
    Rows { names, cells }
}

fn of_series(series: &Series) -> Rows {
    let index: Vec<String> = match series.index().values() {
        IndexValues::Times(times) => times.iter().map(written).collect(),
        IndexValues::Numbers(numbers) => numbers.iter().map(written).collect(),
    };
    let columns = series.columns();
    let names = columns.iter().map(|column| column.name().to_owned());
    let cells = index.into_iter().enumerate().map(|(number, index)| {
        let values = columns
            .iter()
            .map(|column| column.values().get(number).map(written));
        let values = values.map(Option::unwrap_or_default);
        [index].into_iter().chain(values).collect()
    });
    Rows {
        names: [series.index().name().to_owned()]
            .into_iter()
            .chain(names)
            .collect(),
        cells: cells.collect(),
    }
}

/// Returns a value as a cell. A gap is empty.
fn written(value: &impl Serialize) -> String {
    to_raw_value(value).map_or_else(|_| String::new(), |value| text(&value))
}

/// Returns a value of JSON as a cell: a text without quotes, and nothing for null.
fn text(value: &RawValue) -> String {
    match value.get() {
        "null" => String::new(),
        json => serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_series_have_rows() {
        let records = r#"[{"a": 1.50, "b": "x, y"}, {"c": [1, 2], "a": null}]"#;
        let found = rows(records).unwrap();
        assert_eq!(found.names, ["a", "b", "c"]);
        assert_eq!(found.cells, [["1.50", "x, y", ""], ["", "", "[1, 2]"]]);
        let series = Series::new([0.5, 1.5])
            .unwrap()
            .with_index_name("depth")
            .with_column(dasf_types::present::Column::new("salt", [1.25, f64::NAN]))
            .unwrap();
        let found = rows(&serde_json::to_string(&series).unwrap()).unwrap();
        assert_eq!(found.names, ["depth", "salt"]);
        assert_eq!(found.cells, [["0.5", "1.25"], ["1.5", ""]]);
        for json in ["5", "\"a\"", "{}", "[1]", "null", ""] {
            assert_eq!(rows(json), None, "{json}");
        }
    }
}
