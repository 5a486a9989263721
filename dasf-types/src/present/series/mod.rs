//! Series of observations, with gaps.

mod json;
mod timestamp;

use std::collections::HashSet;

pub use self::timestamp::{Timestamp, TimestampError};

/// Observations along an index of times or numbers, in one or several columns, with gaps.
///
/// The index of a time series has the points in time at which something was measured. The index of a
/// profile or a spectrum has depths or wavelengths. It need not be sorted or regular. A gap is NaN in
/// Rust and null in JSON:
///
/// ```
/// use dasf_types::present::{Series, Timestamp};
///
/// let times = [Timestamp::from_unix(0, 0), Timestamp::from_unix(3600, 0)];
/// let series = Series::new(times)?
///     .with_name("Elbe at Cuxhaven")
///     .with_column(("level", [Some(1.25), None]))?;
/// let json = serde_json::to_string(&series)?;
/// assert_eq!(
///     json,
///     concat!(
///         r#"{"response_type":"series","name":"Elbe at Cuxhaven","#,
///         r#""index":{"name":"time","unit":null,"#,
///         r#""values":["1970-01-01T00:00:00Z","1970-01-01T01:00:00Z"]},"#,
///         r#""columns":[{"name":"level","unit":null,"values":[1.25,null]}]}"#,
///     )
/// );
/// let read: Series = serde_json::from_str(&json)?;
/// assert!(read.column("level").is_some_and(|level| level.values()[1].is_nan()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Reading accepts a JSON form without `response_type`, `name`, `unit` and the name of the index.
/// It refuses columns whose length differs from that of the index, and two columns of one name. The
/// widget of DASF for ArcGIS does not know series. For it, return `DataSource::from(&series)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    name: Option<String>,
    index: Index,
    columns: Vec<Column>,
}

/// The reason why values are not a [`Series`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// A column and the index have different lengths.
    #[error("column {column:?} has {found} values, but the index has {expected}")]
    Length {
        /// The name of the column.
        column: String,
        /// The number of its values.
        found: usize,
        /// The length of the index.
        expected: usize,
    },
    /// Two columns have the same name.
    #[error("there are two columns with the name {column:?}")]
    Duplicate {
        /// The name.
        column: String,
    },
    /// The index has a value that is not a number.
    #[error("value {position} of the index is not a finite number; only columns have gaps")]
    Index {
        /// The place of the value, from 0.
        position: usize,
    },
}

impl Series {
    /// Makes a series without columns. An index of times has the name `time`, and one of numbers
    /// `index`.
    ///
    /// # Errors
    /// Fails if the index has a number that is not finite.
    pub fn new<S: Stamp>(index: impl IntoIterator<Item = S>) -> Result<Self, SeriesError> {
        let values = S::collect(&mut index.into_iter());
        let name = values.usual_name().to_owned();
        let index = Index {
            name,
            unit: None,
            values,
        };
        index.check()?;
        Ok(Self {
            name: None,
            index,
            columns: Vec::new(),
        })
    }

    /// Makes a series of one column from pairs of stamp and value.
    ///
    /// ```
    /// use dasf_types::present::Series;
    ///
    /// let profile = Series::from_points("temperature", [(0.0, Some(15.5)), (10.0, None)])?;
    /// assert_eq!(profile.len(), 2);
    /// # Ok::<(), dasf_types::present::SeriesError>(())
    /// ```
    ///
    /// # Errors
    /// Fails if the index has a number that is not finite.
    pub fn from_points<S: Stamp, O: Observation>(
        column: impl Into<String>,
        points: impl IntoIterator<Item = (S, O)>,
    ) -> Result<Self, SeriesError> {
        let (index, values): (Vec<S>, Vec<f64>) = points
            .into_iter()
            .map(|(stamp, value)| (stamp, value.value()))
            .unzip();
        Self::new(index)?.with_column((column, values))
    }

    /// Sets the name of the series, which a page shows as the title of the plot.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the name of the index.
    #[must_use]
    pub fn with_index_name(mut self, name: impl Into<String>) -> Self {
        self.index.name = name.into();
        self
    }

    /// Sets the unit of an index of numbers.
    #[must_use]
    pub fn with_index_unit(mut self, unit: impl Into<String>) -> Self {
        self.index.unit = Some(unit.into());
        self
    }

    /// Adds a column, for example a pair of its name and its values.
    ///
    /// # Errors
    /// Fails if it has another length than the index, or the name of another column.
    pub fn with_column(mut self, column: impl Into<Column>) -> Result<Self, SeriesError> {
        let column = column.into();
        self.check(&column)?;
        if self.column(&column.name).is_some() {
            return Err(SeriesError::Duplicate {
                column: column.name,
            });
        }
        self.columns.push(column);
        Ok(self)
    }

    fn check(&self, column: &Column) -> Result<(), SeriesError> {
        let (found, expected) = (column.values.len(), self.len());
        if found == expected {
            return Ok(());
        }
        Err(SeriesError::Length {
            column: column.name.clone(),
            found,
            expected,
        })
    }

    /// Makes a series of parts from outside.
    fn from_parts(
        name: Option<String>,
        index: Index,
        columns: Vec<Column>,
    ) -> Result<Self, SeriesError> {
        index.check()?;
        let series = Self {
            name,
            index,
            columns,
        };
        let mut names = HashSet::new();
        for column in &series.columns {
            series.check(column)?;
            if !names.insert(&column.name) {
                let column = column.name.clone();
                return Err(SeriesError::Duplicate { column });
            }
        }
        Ok(series)
    }

    /// Returns the name of the series.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the index.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Returns all columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the length of the index and of each column.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.index.values {
            IndexValues::Times(times) => times.len(),
            IndexValues::Numbers(numbers) => numbers.len(),
        }
    }

    /// Returns whether the index is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The index of a [`Series`].
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    name: String,
    unit: Option<String>,
    values: IndexValues,
}

impl Index {
    fn check(&self) -> Result<(), SeriesError> {
        let IndexValues::Numbers(numbers) = &self.values else {
            return Ok(());
        };
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(position) => Err(SeriesError::Index { position }),
            None => Ok(()),
        }
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the unit of its numbers.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// Returns its values.
    #[must_use]
    pub fn values(&self) -> &IndexValues {
        &self.values
    }

    /// Returns its times; `None` for an index of numbers.
    #[must_use]
    pub fn times(&self) -> Option<&[Timestamp]> {
        match &self.values {
            IndexValues::Times(times) => Some(times),
            IndexValues::Numbers(_) => None,
        }
    }

    /// Returns its numbers; `None` for an index of times.
    #[must_use]
    pub fn numbers(&self) -> Option<&[f64]> {
        match &self.values {
            IndexValues::Numbers(numbers) => Some(numbers),
            IndexValues::Times(_) => None,
        }
    }
}

/// The values of an [`Index`].
///
/// An empty index is one of numbers, because JSON does not tell the type of the values that an empty
/// list does not have.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexValues {
    /// Points in time.
    Times(Vec<Timestamp>),
    /// Finite numbers.
    Numbers(Vec<f64>),
}

impl IndexValues {
    fn usual_name(&self) -> &'static str {
        match self {
            Self::Times(_) => "time",
            Self::Numbers(_) => "index",
        }
    }

    fn of_times(times: Vec<Timestamp>) -> Self {
        if times.is_empty() {
            Self::Numbers(Vec::new())
        } else {
            Self::Times(times)
        }
    }
}

/// A column of a [`Series`]. In a comparison, two gaps are equal.
#[derive(Debug, Clone)]
pub struct Column {
    name: String,
    unit: Option<String>,
    values: Vec<f64>,
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        let same = |(left, right): (&f64, &f64)| left == right || left.is_nan() && right.is_nan();
        self.name == other.name
            && self.unit == other.unit
            && self.values.len() == other.values.len()
            && self.values.iter().zip(&other.values).all(same)
    }
}

impl Column {
    /// Makes a column.
    pub fn new<O: Observation>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = O>,
    ) -> Self {
        Self {
            name: name.into(),
            unit: None,
            values: values.into_iter().map(O::value).collect(),
        }
    }

    /// Sets the unit of the values.
    #[must_use]
    pub fn with_unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the unit of its values.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// Returns its values. A gap is NaN.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

impl<N: Into<String>, O: Observation, V: IntoIterator<Item = O>> From<(N, V)> for Column {
    fn from((name, values): (N, V)) -> Self {
        Self::new(name, values)
    }
}

/// A number, or a gap, in a [`Column`]. NaN and infinity are gaps.
pub trait Observation {
    /// Returns the number, or NaN for a gap.
    fn value(self) -> f64;
}

impl Observation for f64 {
    fn value(self) -> f64 {
        if self.is_finite() { self } else { f64::NAN }
    }
}

impl Observation for &f64 {
    fn value(self) -> f64 {
        (*self).value()
    }
}

impl<O: Observation> Observation for Option<O> {
    fn value(self) -> f64 {
        self.map_or(f64::NAN, O::value)
    }
}

/// A value in the index of a [`Series`].
pub trait Stamp: Sized {
    /// Collects the values of an index.
    fn collect(stamps: &mut dyn Iterator<Item = Self>) -> IndexValues;
}

impl Stamp for f64 {
    fn collect(stamps: &mut dyn Iterator<Item = Self>) -> IndexValues {
        IndexValues::Numbers(stamps.collect())
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Observation for $type {
            fn value(self) -> f64 {
                f64::from(self).value()
            }
        }

        impl Stamp for $type {
            fn collect(stamps: &mut dyn Iterator<Item = Self>) -> IndexValues {
                IndexValues::Numbers(stamps.map(f64::from).collect())
            }
        }
    )*};
}
numbers!(f32 i8 i16 i32 u8 u16 u32);

macro_rules! times {
    ($($(#[$attribute:meta])* [$($parameter:tt)*] $type:ty;)*) => {$(
        $(#[$attribute])*
        impl<$($parameter)*> Stamp for $type {
            fn collect(stamps: &mut dyn Iterator<Item = Self>) -> IndexValues {
                IndexValues::of_times(stamps.map(Timestamp::from).collect())
            }
        }
    )*};
}
times! {
    [] Timestamp;
    [] std::time::SystemTime;
    #[cfg(feature = "chrono")] [Z: chrono::TimeZone] chrono::DateTime<Z>;
    #[cfg(feature = "chrono")] [] chrono::NaiveDateTime;
    #[cfg(feature = "chrono")] [] chrono::NaiveDate;
    #[cfg(feature = "time")] [] ::time::OffsetDateTime;
    #[cfg(feature = "time")] [] ::time::PrimitiveDateTime;
    #[cfg(feature = "time")] [] ::time::Date;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_kinds_are_taken() {
        let series = Series::new([1_u8, 2])
            .unwrap()
            .with_column(("a", vec![1.5_f32, f32::INFINITY]))
            .unwrap()
            .with_column(("b", [Some(1_i32), None]))
            .unwrap()
            .with_column(Column::new("c", [&0.5, &0.25]).with_unit("m"))
            .unwrap();
        assert_eq!(series.index().numbers(), Some(&[1.0, 2.0][..]));
        assert_eq!(series.index().name(), "index");
        assert_eq!(series.columns()[0].values()[0], 1.5);
        assert!(series.columns()[0].values()[1].is_nan());
        assert!(series.columns()[1].values()[1].is_nan());
        let c = series.column("c").unwrap();
        assert_eq!((c.unit(), c.values()), (Some("m"), &[0.5, 0.25][..]));
        assert_eq!(series.column("d"), None);
    }

    #[test]
    fn times_of_all_kinds_are_taken() {
        let day: ::chrono::NaiveDate = "1970-01-02".parse().unwrap();
        let expected = [Timestamp::from_unix(86_400, 0)];
        for series in [
            Series::new([day]),
            Series::new([day.and_time(::chrono::NaiveTime::MIN)]),
            Series::new(vec![day.and_time(::chrono::NaiveTime::MIN).and_utc()]),
            Series::new([::time::macros::date!(1970 - 01 - 02)]),
            Series::new([::time::macros::datetime!(1970-01-02 0:00)]),
            Series::new([::time::macros::datetime!(1970-01-02 0:00 UTC)]),
            Series::new([std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400)]),
        ] {
            let index = series.unwrap().index;
            assert_eq!(index.times(), Some(&expected[..]));
            assert_eq!((index.name(), index.numbers()), ("time", None));
        }
    }

    #[test]
    fn mistakes_are_reported() {
        let series = Series::new([1.0, 2.0]).unwrap();
        let error = series.clone().with_column(("a", [1.0])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "column \"a\" has 1 values, but the index has 2"
        );
        let series = series.with_column(("a", [1.0, 2.0])).unwrap();
        let error = series.with_column(("a", [1.0, 2.0])).unwrap_err();
        let column = "a".to_owned();
        assert_eq!(error, SeriesError::Duplicate { column });
        let error = Series::from_points("a", [(0.0, 1.0), (f64::NAN, 2.0)]).unwrap_err();
        assert_eq!(error, SeriesError::Index { position: 1 });
    }

    #[test]
    fn gaps_are_equal() {
        let column = |values: &[f64]| Column::new("a", values);
        assert_eq!(column(&[1.0, f64::NAN]), column(&[1.0, f64::INFINITY]));
        assert_ne!(column(&[1.0, f64::NAN]), column(&[1.0, 2.0]));
        assert_ne!(column(&[1.0]), column(&[1.0, f64::NAN]));
    }

    #[test]
    fn a_series_may_be_empty() {
        let none: [(Timestamp, f64); 0] = [];
        let series = Series::from_points("a", none).unwrap();
        assert!(series.is_empty());
        assert_eq!(series.columns().len(), 1);
    }
}
