//! Summaries of arrays and datasets.

use dasf_types::netcdf::{Attribute, Attributes, DataArray, Dataset, Values, Variable};

use super::{MOST_PARTS, Statistics, cut, line, short};

/// The beginnings of NetCDF-3 and NetCDF-4 files in base64.
const BEGINNINGS: [&str; 3] = ["\"Q0RGAQ", "\"Q0RGAg", "\"iUhERg0KGg"];
/// The most characters of the values of an attribute.
const LONGEST_ATTRIBUTE: usize = 100;

/// Returns whether a result is a NetCDF file as base64.
pub(in crate::cli) fn is_netcdf(json: &str) -> bool {
    let json = json.trim_start();
    BEGINNINGS
        .iter()
        .any(|beginning| json.starts_with(beginning))
}

/// Returns the summary of a file in base64; `None` if the JSON is another string.
pub(super) fn summary(json: &str) -> Option<String> {
    if !is_netcdf(json) {
        return None;
    }
    if let Ok(array) = serde_json::from_str::<DataArray>(json) {
        return Some(of_array(&array));
    }
    match serde_json::from_str::<Dataset>(json) {
        Ok(dataset) => Some(of_dataset(&dataset)),
        Err(error) => {
            let bytes: dasf_types::Base64 = serde_json::from_str(json).ok()?;
            let reason = line(&error.to_string());
            Some(format!("NetCDF file of {} bytes: {reason}\n", bytes.len()))
        }
    }
}

fn of_array(array: &DataArray) -> String {
    let name = array
        .name()
        .map_or(String::new(), |name| format!(" {}", line(name)));
    let mut text = format!(
        "DataArray{name} ({})\n  {}\n",
        dimensions(array.dims(), array.values().shape()),
        values(array.values())
    );
    add_variables(&mut text, "Coordinates", array.coordinates());
    add_attributes(&mut text, array.attributes());
    text
}

fn of_dataset(dataset: &Dataset) -> String {
    let mut text = "Dataset\n".to_owned();
    add_variables(&mut text, "Coordinates", dataset.coordinates());
    add_variables(&mut text, "Variables", dataset.variables());
    add_attributes(&mut text, dataset.attributes());
    text
}

fn dimensions(names: &[String], lengths: &[usize]) -> String {
    let pairs = names.iter().zip(lengths);
    let pairs: Vec<String> = pairs
        .map(|(name, length)| format!("{}: {length}", line(name)))
        .collect();
    pairs.join(", ")
}

fn add_variables<'a>(
    text: &mut String,
    title: &str,
    variables: impl ExactSizeIterator<Item = (&'a str, &'a Variable)>,
) {
    let rest = variables.len().saturating_sub(MOST_PARTS);
    for (number, (name, variable)) in variables.take(MOST_PARTS).enumerate() {
        if number == 0 {
            *text += &format!("{title}:\n");
        }
        let dimensions = dimensions(variable.dims(), variable.shape());
        let units = variable.attributes().text("units");
        let units = units.map_or(String::new(), |units| format!(" {}", line(units)));
        let values = values(variable.values());
        *text += &format!("  {} ({dimensions}) {values}{units}\n", line(name));
    }
    if rest > 0 {
        *text += &format!("  and {rest} more\n");
    }
}

fn add_attributes(text: &mut String, attributes: &Attributes) {
    if attributes.is_empty() {
        return;
    }
    *text += "Attributes:\n";
    for (name, attribute) in attributes.iter().take(MOST_PARTS) {
        let value = match attribute {
            Attribute::Text(text) => cut(text, LONGEST_ATTRIBUTE),
            numbers => {
                let numbers = numbers.to_f64s().unwrap_or_default();
                let shown: Vec<String> = numbers.iter().copied().take(20).map(short).collect();
                cut(&shown.join(", "), LONGEST_ATTRIBUTE)
            }
        };
        *text += &format!("  {}: {value}\n", line(name));
    }
    if attributes.len() > MOST_PARTS {
        *text += &format!("  and {} more\n", attributes.len() - MOST_PARTS);
    }
}

/// Returns the type of values with their range, or with the first and the last one.
fn values(values: &Values) -> String {
    let kind = values.type_name();
    let range = match values {
        Values::Time(times) => {
            let times = times.iter().flatten();
            times.clone().min().zip(times.max()).map(|(first, last)| {
                let text =
                    |time: &chrono::NaiveDateTime| time.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
                format!("{} to {}", text(first), text(last))
            })
        }
        Values::Text(texts) => {
            let mut shown = texts.iter();
            let first = shown.next().map(|text| format!("{:?}", cut(text, 30)));
            let last = shown.last().map(|text| format!(" to {:?}", cut(text, 30)));
            first.map(|first| first + &last.unwrap_or_default())
        }
        numbers => {
            let numbers = numbers.to_f64().ok();
            numbers
                .filter(|numbers| !numbers.is_empty())
                .map(|numbers| Statistics::of(numbers.iter().copied()).text())
        }
    };
    range.map_or(kind.to_owned(), |range| format!("{kind}, {range}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::show::show;
    use chrono::NaiveDate;

    #[test]
    fn an_array_is_shown_with_its_coordinates_and_attributes() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
        let array = DataArray::new(["time"], [1.5, f64::NAN])
            .unwrap()
            .with_name("level")
            .with_coordinate("time", [day(1), day(2)])
            .unwrap()
            .with_attribute("units", "m\u{7}")
            .with_attribute("range", [0.5, 2.0]);
        let json = serde_json::to_string(&array).unwrap();
        assert_eq!(
            show(&json, 80).unwrap(),
            "DataArray level (time: 2)\n  \
             64-bit floats, 1.5 to 1.5, mean 1.5, 1 gap\n\
             Coordinates:\n  \
             time (time: 2) times, 2026-01-01T00:00:00 to 2026-01-02T00:00:00\n\
             Attributes:\n  units: m \n  range: 0.5, 2"
        );
    }

    #[test]
    fn a_dataset_is_shown_with_its_variables() {
        let names = Variable::new(["x"], ["a", "b"]).unwrap();
        let levels = Variable::new(["x"], [1, 2])
            .unwrap()
            .with_attribute("units", "cm");
        let dataset = Dataset::new()
            .with_variable("name", names)
            .and_then(|it| it.with_variable("level", levels))
            .unwrap();
        let text = show(&serde_json::to_string(&dataset).unwrap(), 80).unwrap();
        assert!(
            text.starts_with("Dataset\nVariables:\n  name (x: 2) "),
            "{text}"
        );
        assert!(text.contains("\"a\" to \"b\"\n"), "{text}");
        assert!(text.ends_with("1 to 2, mean 1.5 cm"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_read_has_its_size() {
        let text = show(r#""iUhERg0KGgo=""#, 80).unwrap();
        assert!(text.starts_with("NetCDF file of 8 bytes: "), "{text}");
        assert!(
            show(r#""Q0RGAQAA""#, 80)
                .unwrap()
                .starts_with("NetCDF file of 6 bytes")
        );
        assert_eq!(show(r#""Q0RGAQ\u0000""#, 80), None);
    }
}
