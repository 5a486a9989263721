//! Results as what they are: a plot of a series, a table of records, and summaries of maps and NetCDF.
//!
//! Everything here comes from a module. All texts become printable, and nothing depends on the number of
//! values in a result but the time to read it.

mod map;
mod netcdf;
mod plot;
pub(in crate::cli) mod rows;
mod table;

use std::fmt::Write;

pub(in crate::cli) use netcdf::is_netcdf;

use dasf_protocol::text::printable;
use dasf_types::present::Series;
use dasf_types::present::{GeoJson, Multiple, Response};
use serde::Deserialize;
use textwrap::core::display_width;

use crate::module::validate::Fields;

/// The most characters of a text of the module in a line.
const LONGEST_TEXT: usize = 200;
/// The most parts of a result: results, columns, attributes.
const MOST_PARTS: usize = 40;

/// Returns a result as text for people, with lines of this width, without the last line break. `None` if
/// this is a plain value, which is best shown as JSON.
pub(super) fn show(json: &str, width: usize) -> Option<String> {
    let mut text = match json.trim_start().as_bytes().first()? {
        b'{' => object(json, width)?,
        b'"' => netcdf::summary(json)?,
        b'[' => {
            let rows: Vec<Fields> = serde_json::from_str(json).ok()?;
            table::table(&rows, width)?
        }
        _ => return None,
    };
    text.truncate(text.trim_end_matches('\n').len());
    Some(text)
}

/// Shows an object that has a `response_type`.
fn object(json: &str, width: usize) -> Option<String> {
    #[derive(Deserialize)]
    struct Shown {
        response_type: String,
    }
    #[derive(Deserialize)]
    struct Table {
        name: String,
        records: Vec<Fields>,
    }
    let kind: Shown = serde_json::from_str(json).ok()?;
    Some(match kind.response_type.as_str() {
        "series" => plot::plot(&serde_json::from_str::<Series>(json).ok()?, width),
        "geojson" => map::summary(&serde_json::from_str::<GeoJson>(json).ok()?),
        "datasource" => {
            let table: Table = serde_json::from_str(json).ok()?;
            let rows = table::table(&table.records, width);
            let rows = rows.unwrap_or_else(|| "no records\n".to_owned());
            format!("{}\n{rows}", line(&table.name))
        }
        "categorical_button" => response(&serde_json::from_str(json).ok()?, width)?,
        "multiple" => several(&serde_json::from_str(json).ok()?, width),
        _ => return None,
    })
}

fn several(results: &Multiple, width: usize) -> String {
    let shown = results.data.iter().take(MOST_PARTS);
    let mut texts: Vec<String> = shown.filter_map(|it| response(it, width)).collect();
    let rest = results.data.len().saturating_sub(MOST_PARTS);
    if rest > 0 {
        texts.push(format!("and {rest} more results\n"));
    }
    texts.join("\n")
}

fn response(response: &Response, width: usize) -> Option<String> {
    Some(match response {
        Response::GeoJson(map) => map::summary(map),
        Response::BinaryFile(file) => format!(
            "{}: file {}, {}, {} bytes\n",
            line(&file.category),
            line(&file.filename),
            line(&file.mimetype),
            file.data.len()
        ),
        Response::ExternalLink(link) => {
            // A link that is cut leads elsewhere.
            let href = printable(link.href());
            match &link.text {
                Some(text) => format!("{}: {}: {href}\n", line(&link.category), line(text)),
                None => format!("{}: {href}\n", line(&link.category)),
            }
        }
        other => {
            let json = serde_json::to_string(other).ok()?;
            object(&json, width)?
        }
    })
}

/// Returns a text of the module as one line, which may be cut.
fn line(text: &str) -> String {
    cut(text, LONGEST_TEXT)
}

/// Returns a text of the module as one line of at most this width.
fn cut(text: &str, width: usize) -> String {
    // A character may have no width, so the number of characters has a limit, too.
    let start: String = text.chars().take(4 * width).collect();
    let text_is_longer = start.len() < text.len();
    let text = printable(&start);
    if !text_is_longer && display_width(&text) <= width {
        return text;
    }
    let mut cut = String::new();
    let mut room = width.saturating_sub(1);
    for symbol in text.chars() {
        let needs = display_width(symbol.encode_utf8(&mut [0; 4]));
        if needs > room {
            break;
        }
        room -= needs;
        cut.push(symbol);
    }
    cut.push('…');
    cut
}

/// Returns a number with about six digits.
fn short(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    if !(1e-4..1e15).contains(&size) {
        let text = format!("{number:.5e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        return format!("{digits}e{exponent}");
    }
    #[allow(clippy::cast_possible_truncation)] // it is between -4 and 15
    let whole = size.log10().floor() as i32;
    let decimals = usize::try_from(5 - whole).unwrap_or(0);
    let text = format!("{number:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The number of values and gaps of a list of numbers, and their range.
#[derive(Debug, Clone, Copy)]
struct Statistics {
    values: usize,
    gaps: usize,
    least: f64,
    greatest: f64,
    sum: f64,
}

impl Statistics {
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let start = Self {
            values: 0,
            gaps: 0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            sum: 0.0,
        };
        numbers.fold(start, |mut it, number| {
            if number.is_nan() {
                it.gaps += 1;
            } else {
                it.values += 1;
                it.least = it.least.min(number);
                it.greatest = it.greatest.max(number);
                it.sum += number;
            }
            it
        })
    }

    /// Returns the mean of the values; NaN if there are none.
    #[allow(clippy::cast_precision_loss)] // a list in memory has fewer values than a float counts exactly
    fn mean(&self) -> f64 {
        self.sum / self.values as f64
    }

    /// Returns `312 to 427, mean 358, 7 gaps`.
    fn text(&self) -> String {
        if self.values == 0 {
            return format!("no values, {}", gaps(self.gaps));
        }
        let mut text = format!(
            "{} to {}, mean {}",
            short(self.least),
            short(self.greatest),
            short(self.mean())
        );
        if self.gaps > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {}", gaps(self.gaps));
        }
        text
    }
}

fn gaps(count: usize) -> String {
    match count {
        1 => "1 gap".to_owned(),
        count => format!("{count} gaps"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(value: &serde_json::Value) -> String {
        show(&value.to_string(), 40).unwrap()
    }

    #[test]
    fn plain_values_stay_json() {
        for value in [
            json!(1),
            json!(null),
            json!("text"),
            json!([]),
            json!([1]),
            json!([{"a": [1]}]),
            json!([{}]),
            json!({"a": 1}),
            json!({"response_type": "chart"}),
            json!({"response_type": "series"}),
            json!({"response_type": 1}),
        ] {
            assert_eq!(show(&value.to_string(), 40), None, "{value}");
        }
        assert_eq!(show("", 40), None);
    }

    #[test]
    fn files_and_links_are_lines() {
        let link = json!({"href": "https://a.de/x", "text": "Read\u{1b}[2J\nit", "category": "C"});
        let file = json!({"data": "AAAA", "filename": "a.bin", "mimetype": "x/y"});
        let table = json!({"response_type": "datasource", "name": "t", "records": [{"a": 1}]});
        let all = json!({"response_type": "multiple", "data": [link, file, table]});
        assert_eq!(
            shown(&all),
            "C: Read [2J; it: https://a.de/x\n\nDownloads: file a.bin, x/y, 3 bytes\n\nt\na\n─\n1"
        );
        let mut file = file;
        file["response_type"] = "categorical_button".into();
        assert_eq!(shown(&file), "Downloads: file a.bin, x/y, 3 bytes");
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (427.123_456, "427.123"),
            (123_456_789.0, "123456789"),
            (0.001_234_567_8, "0.00123457"),
            (1e-5, "1e-5"),
            (-1.234_567_8e20, "-1.23457e20"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("世界世界", 4), "世…");
        let accents = "\u{301}".repeat(1_000_000);
        assert!(cut(&accents, 10).len() < 200);
    }
}
