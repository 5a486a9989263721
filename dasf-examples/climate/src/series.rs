//! Two measured climate series, compiled into the program.
//!
//! The file `data/README.md` names the origin, the terms and the citation of the data. Both series
//! are monthly. A month without a measurement is in the series, without a value.
//!
//! ```
//! use climate::series::{self, SeriesName};
//!
//! # fn main() -> Result<(), series::SeriesError> {
//! let co2 = series::by_name("co2")?;
//! assert_eq!(co2.name, SeriesName::Co2);
//! assert_eq!(co2.unit, "ppm");
//! assert_eq!(co2.points.len(), 526); // March 1958 to December 2001
//! assert_eq!(co2.points.iter().filter(|point| point.value.is_none()).count(), 5);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The reasons why a series cannot be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// No series has this name.
    #[error("there is no series {name}; the series are {}", names())]
    Unknown {
        /// The requested name.
        name: String,
    },
    /// A line of the data file is malformed.
    #[error("{file}, line {line}: expected {expected}, found `{text}`")]
    Malformed {
        /// The data file.
        file: &'static str,
        /// The line, counted from 1.
        line: usize,
        /// The expected content.
        expected: &'static str,
        /// The text of the line.
        text: String,
    },
}

fn names() -> String {
    SeriesName::ALL.map(SeriesName::as_str).join(", ")
}

/// Where a series was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The name.
    pub name: &'static str,
    /// The longitude in degrees, positive to the east.
    pub lon: f64,
    /// The latitude in degrees, positive to the north.
    pub lat: f64,
}

/// The names of all series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeriesName {
    /// Carbon dioxide in the air at Mauna Loa, Hawaii, 1958 to 2001, in ppm
    Co2,
    /// Sea surface temperature of the eastern tropical Pacific (region Niño 1+2), 1950 to 2010, in
    /// °C
    Nino12,
}

impl SeriesName {
    /// Every series.
    pub const ALL: [Self; 2] = [Self::Co2, Self::Nino12];

    /// The name, as in [`by_name`] and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Co2 => "co2",
            Self::Nino12 => "nino12",
        }
    }

    /// The place of the measurements, or the middle of their region.
    pub fn place(self) -> Place {
        match self {
            Self::Co2 => Place {
                name: "Mauna Loa",
                lon: -155.58,
                lat: 19.54,
            },
            Self::Nino12 => Place {
                name: "Niño 1+2",
                lon: -85.0,
                lat: -5.0,
            },
        }
    }

    /// Reads the series from the data in the program.
    ///
    /// # Errors
    ///
    /// [`SeriesError::Malformed`] if a line of the data file cannot be read.
    pub fn load(self) -> Result<Series, SeriesError> {
        Ok(match self {
            Self::Co2 => Series {
                name: self,
                title: "Atmospheric carbon dioxide at Mauna Loa, Hawaii, monthly means",
                unit: "ppm",
                source: "Keeling, C.D. and T.P. Whorf (2004), Atmospheric CO2 concentrations derived from flask air \
                         samples at sites in the SIO network, in: Trends: A Compendium of Data on Global Change, \
                         Carbon Dioxide Information Analysis Center, Oak Ridge National Laboratory",
                points: weekly_to_monthly("co2.csv", include_str!("../data/co2.csv"))?,
            },
            Self::Nino12 => Series {
                name: self,
                title: "Sea surface temperature of the region Niño 1+2 (0-10° S, 80-90° W), monthly means",
                unit: "°C",
                source: "NOAA National Weather Service, ERSST.V3B, Niño 1+2",
                points: year_rows("elnino.csv", include_str!("../data/elnino.csv"))?,
            },
        })
    }
}

impl fmt::Display for SeriesName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SeriesName {
    type Err = SeriesError;

    fn from_str(name: &str) -> Result<Self, SeriesError> {
        Self::ALL
            .into_iter()
            .find(|series| series.as_str() == name)
            .ok_or_else(|| SeriesError::Unknown {
                name: name.to_owned(),
            })
    }
}

/// Reads the series of this name: `co2` or `nino12`.
///
/// # Errors
///
/// [`SeriesError::Unknown`] if no series has this name, [`SeriesError::Malformed`] if a line of its
/// data file cannot be read.
pub fn by_name(name: &str) -> Result<Series, SeriesError> {
    name.parse::<SeriesName>()?.load()
}

/// The value of one month.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// The year
    pub year: i32,
    /// The month of the year
    #[schemars(range(min = 1, max = 12))]
    pub month: u8,
    /// The value in the unit of the series; null for a gap
    pub value: Option<f64>,
}

impl Point {
    /// The middle of the month as a decimal year, twelve equal months to the year.
    ///
    /// ```
    /// use climate::series::Point;
    ///
    /// let point = Point { year: 1990, month: 7, value: None };
    /// assert!((point.time() - (1990.0 + 6.5 / 12.0)).abs() < 1e-9);
    /// ```
    pub fn time(&self) -> f64 {
        f64::from(self.year) + (f64::from(self.month) - 0.5) / 12.0
    }
}

/// A monthly series.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The name of the series.
    pub name: SeriesName,
    /// The measured quantity and the place.
    pub title: &'static str,
    /// The unit of the values.
    pub unit: &'static str,
    /// The source to cite.
    pub source: &'static str,
    /// Every month from the first to the last, in order.
    pub points: Vec<Point>,
}

impl Series {
    /// The months of the years `from` to `to`, both included. `None` leaves an end open.
    ///
    /// ```
    /// use climate::series::by_name;
    ///
    /// # fn main() -> Result<(), climate::series::SeriesError> {
    /// let series = by_name("nino12")?;
    /// assert_eq!(series.between(Some(1961), Some(1990)).len(), 360);
    /// assert_eq!(series.between(None, Some(1950)).len(), 12);
    /// assert_eq!(series.between(Some(1990), Some(1961)).len(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn between(&self, from: Option<i32>, to: Option<i32>) -> &[Point] {
        let start = self
            .points
            .partition_point(|point| from.is_some_and(|from| point.year < from));
        let rest = &self.points[start..];
        let end = rest.partition_point(|point| to.is_none_or(|to| point.year <= to));
        &rest[..end]
    }
}

/// The lines of a file after its heading, with their numbers.
fn body(
    file: &'static str,
    text: &'static str,
    heading: &'static str,
) -> Result<impl Iterator<Item = (usize, &'static str)>, SeriesError> {
    let mut lines = (1..).zip(text.lines());
    match lines.next() {
        Some((_, first)) if first == heading => Ok(lines),
        first => Err(SeriesError::Malformed {
            file,
            line: 1,
            expected: heading,
            text: first.map_or_else(String::new, |(_, first)| first.to_owned()),
        }),
    }
}

/// Reads a field. An empty field is a gap. Any other field must be a finite number.
fn value(field: &str) -> Option<Option<f64>> {
    if field.is_empty() {
        return Some(None);
    }
    let number: f64 = field.parse().ok()?;
    number.is_finite().then_some(Some(number))
}

/// Monthly means of weekly values (`YYYYMMDD,value`).
///
/// A week belongs to the month of its date. The mean of a month counts the weeks with a value, even
/// if there is only one. A month without any value is a gap.
fn weekly_to_monthly(file: &'static str, text: &'static str) -> Result<Vec<Point>, SeriesError> {
    let mut months: BTreeMap<(i32, u8), (f64, u32)> = BTreeMap::new();
    for (line, text) in body(file, text, "date,co2")? {
        let week = || {
            let (date, field) = text.split_once(',')?;
            if date.len() != 8 {
                return None;
            }
            let year: i32 = date.get(..4)?.parse().ok()?;
            let month: u8 = date.get(4..6)?.parse().ok()?;
            (1..=12).contains(&month).then_some(())?;
            Some((year, month, value(field)?))
        };
        let (year, month, value) = week().ok_or_else(|| SeriesError::Malformed {
            file,
            line,
            expected: "YYYYMMDD,value",
            text: text.to_owned(),
        })?;
        let (sum, count) = months.entry((year, month)).or_default();
        if let Some(value) = value {
            *sum += value;
            *count += 1;
        }
    }
    let (Some((&first, _)), Some((&last, _))) = (months.first_key_value(), months.last_key_value())
    else {
        return Ok(Vec::new());
    };
    let points = (first.0..=last.0)
        .flat_map(|year| (1..=12).map(move |month| (year, month)))
        .filter(|month| (first..=last).contains(month))
        .map(|(year, month)| Point {
            year,
            month,
            value: months
                .get(&(year, month))
                .filter(|(_, count)| *count > 0)
                .map(|(sum, count)| sum / f64::from(*count)),
        });
    Ok(points.collect())
}

/// The months of rows that hold a year and its twelve values.
fn year_rows(file: &'static str, text: &'static str) -> Result<Vec<Point>, SeriesError> {
    const HEADING: &str =
        r#""YEAR","JAN","FEB","MAR","APR","MAY","JUN","JUL","AUG","SEP","OCT","NOV","DEC""#;
    let mut points: Vec<Point> = Vec::new();
    for (line, text) in body(file, text, HEADING)? {
        let row = || {
            let (year, fields) = text.split_once(',')?;
            let year: i32 = year.parse().ok()?;
            let follows = points.last().is_none_or(|last| last.year + 1 == year);
            let values: Vec<Option<f64>> = fields.split(',').map(value).collect::<Option<_>>()?;
            (follows && values.len() == 12).then_some((year, values))
        };
        let (year, values) = row().ok_or_else(|| SeriesError::Malformed {
            file,
            line,
            expected: "the next year and twelve values",
            text: text.to_owned(),
        })?;
        points.extend(
            (1..)
                .zip(values)
                .map(|(month, value)| Point { year, month, value }),
        );
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(series: &Series, year: i32, month: u8) -> Point {
        *series
            .points
            .iter()
            .find(|point| (point.year, point.month) == (year, month))
            .unwrap()
    }

    #[test]
    fn names_go_there_and_back() {
        for name in SeriesName::ALL {
            assert_eq!(by_name(name.as_str()).unwrap().name, name);
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
        }
        assert_eq!(
            by_name("snow").unwrap_err().to_string(),
            "there is no series snow; the series are co2, nino12"
        );
    }

    // Counted in the files with awk, independently of this program.
    #[test]
    fn the_series_are_complete() {
        let co2 = SeriesName::Co2.load().unwrap();
        let gaps: Vec<(i32, u8)> = co2
            .points
            .iter()
            .filter(|point| point.value.is_none())
            .map(|point| (point.year, point.month))
            .collect();
        assert_eq!(
            gaps,
            [(1958, 6), (1958, 10), (1964, 2), (1964, 3), (1964, 4)]
        );
        assert_eq!(co2.points.len(), 526);

        let nino = SeriesName::Nino12.load().unwrap();
        assert_eq!(nino.points.len(), 61 * 12);
        assert!(nino.points.iter().all(|point| point.value.is_some()));
        assert_eq!(month(&nino, 1950, 1).value, Some(23.11));
        assert_eq!(month(&nino, 2010, 12).value, Some(22.07));
    }

    #[test]
    fn months_follow_each_other() {
        for name in SeriesName::ALL {
            let series = name.load().unwrap();
            for pair in series.points.windows(2) {
                let step = pair[1].time() - pair[0].time();
                assert!((step - 1.0 / 12.0).abs() < 1e-9, "{name}: {pair:?}");
            }
        }
    }

    #[test]
    fn a_month_is_the_mean_of_its_measured_weeks() {
        let co2 = SeriesName::Co2.load().unwrap();
        // The weeks of May 1958: 316.9, none, 317.5, 317.9, none.
        let may = month(&co2, 1958, 5).value.unwrap();
        assert!((may - (316.9 + 317.5 + 317.9) / 3.0).abs() < 1e-9);
        // March 1958 has one week only.
        assert_eq!(month(&co2, 1958, 3).value, Some(316.1));
    }

    #[test]
    fn a_spoiled_line_is_named() {
        let heading = "date,co2";
        for (text, line) in [
            ("date,co2\n19580329,316.1\n19581329,316.1\n", 3),
            ("date,co2\n19580329,many\n", 2),
            ("date,co2\n19580329,NaN\n", 2),
            ("date,co2\n1958,3\n", 2),
            ("day,co2\n", 1),
            ("", 1),
        ] {
            let error = weekly_to_monthly("co2.csv", text).unwrap_err();
            assert!(
                matches!(&error, SeriesError::Malformed { line: found, .. } if *found == line),
                "{error}"
            );
        }
        assert_eq!(weekly_to_monthly("co2.csv", heading), Ok(Vec::new()));
    }
}
