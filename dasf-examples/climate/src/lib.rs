//! The module `climate`: statistics of measured climate series.
//!
//! A caller names a series, and gets a result instead of the whole series. The file `series.rs` reads
//! the data, and the file `statistics.rs` computes.

pub mod series;
pub mod statistics;

/// Statistics of measured climate series: carbon dioxide in the air and sea surface temperature.
#[dasf::module(topic = "climate", main = false)]
pub mod climate {
    use chrono::NaiveDate;
    use dasf::ProgressReport;
    use dasf::netcdf::{DataArray, NetcdfError};
    use dasf::present::{
        Column, Feature, GeoArea, GeoJson, GeoLocation, Geometry, SeriesError as ShapeError,
    };
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    pub use crate::series::{Point, SeriesName};
    pub use crate::statistics::{SampleSize, Trend};

    use crate::series::{Place, Series, SeriesError};
    use crate::statistics::{self, StatisticsError};

    /// The reasons why a call has no result.
    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    #[non_exhaustive]
    pub enum ClimateError {
        /// The series cannot be read.
        #[error(transparent)]
        Series(#[from] SeriesError),
        /// The data do not allow the computation.
        #[error(transparent)]
        Statistics(#[from] StatisticsError),
        /// The series has no value in the requested years.
        #[error("{series} has no value {}", years(*.from, *.to))]
        NoValue {
            /// The series.
            series: SeriesName,
            /// The first requested year.
            from: Option<i32>,
            /// The last requested year.
            to: Option<i32>,
        },
        /// Some months of a year have no value, so its mean would be the mean of some seasons only.
        #[error("{year} has {months} of 12 months")]
        IncompleteYear {
            /// The year.
            year: i32,
            /// The number of its months that have a value.
            months: usize,
        },
        /// The values are no series.
        #[error(transparent)]
        Shape(#[from] ShapeError),
        /// The array cannot be written as NetCDF.
        #[error(transparent)]
        Netcdf(#[from] NetcdfError),
    }

    fn years(from: Option<i32>, to: Option<i32>) -> String {
        match (from, to) {
            (None, None) => "at all".to_owned(),
            (Some(from), None) => format!("from {from}"),
            (None, Some(to)) => format!("until {to}"),
            (Some(from), Some(to)) => format!("from {from} to {to}"),
        }
    }

    /// The description of a series.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct SeriesInfo {
        /// The name of the series, as an argument of the functions
        pub name: SeriesName,
        /// The measured quantity and the place
        pub title: String,
        /// The unit of the values
        pub unit: String,
        /// The source to cite
        pub source: String,
        /// The first month
        pub first: Point,
        /// The last month
        pub last: Point,
        /// The number of months with a value
        pub count: usize,
        /// The number of months without a value
        pub gaps: usize,
    }

    /// The departures of a series from the mean annual cycle of a base period.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct Anomalies {
        /// The unit of all values
        pub unit: String,
        /// The mean of each calendar month over the base period, January first
        pub normals: Vec<f64>,
        /// The departure of each month from the normal of its calendar month
        pub points: Vec<Point>,
    }

    /// The months with the lowest and the highest value.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct Extremes {
        /// The month with the lowest value
        pub lowest: Point,
        /// The month with the highest value
        pub highest: Point,
    }

    /// The mean annual cycle.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct SeasonalCycle {
        /// The unit of all values
        pub unit: String,
        /// The departure of each calendar month from the annual mean, January first
        pub departures: Vec<f64>,
        /// The highest departure minus the lowest
        pub range: f64,
    }

    /// List all series.
    ///
    /// # Returns
    /// The name, the source and the length of each series
    ///
    /// # Errors
    /// If the data of a series cannot be read.
    #[dasf::function]
    pub fn list_series() -> Result<Vec<SeriesInfo>, ClimateError> {
        SeriesName::ALL.into_iter().map(info).collect()
    }

    fn info(name: SeriesName) -> Result<SeriesInfo, ClimateError> {
        let series = name.load()?;
        let points = with_values(&series, None, None)?;
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Err(no_value(&series, None, None));
        };
        let count = values(points).iter().flatten().count();
        Ok(SeriesInfo {
            name,
            title: series.title.to_owned(),
            unit: series.unit.to_owned(),
            source: series.source.to_owned(),
            first: *first,
            last: *last,
            count,
            gaps: points.len() - count,
        })
    }

    /// The monthly values of a series, as an array of xarray.
    ///
    /// # Arguments
    /// * `series` - The series
    /// * `from` - The first year; null for the beginning of the series
    /// * `to` - The last year; null for the end of the series
    ///
    /// # Returns
    /// The array with the coordinate `time`, the first day of each month; gaps are NaN
    ///
    /// # Errors
    /// If the series has no value in these years.
    #[dasf::function]
    pub fn monthly(
        series: SeriesName,
        #[dasf(default)] from: Option<i32>,
        #[dasf(default)] to: Option<i32>,
    ) -> Result<DataArray, ClimateError> {
        let series = series.load()?;
        let points = with_values(&series, from, to)?;
        let first_day = |point: &Point| NaiveDate::from_ymd_opt(point.year, point.month.into(), 1);
        let times: Vec<Option<NaiveDate>> = points.iter().map(first_day).collect();
        let values: Vec<f64> = points
            .iter()
            .map(|point| point.value.unwrap_or(f64::NAN))
            .collect();
        let array = DataArray::new(["time"], values)?
            .with_coordinate("time", times)?
            .with_name(series.name.as_str())
            .with_attribute("long_name", series.title)
            .with_attribute("units", series.unit)
            .with_attribute("source", series.source);
        Ok(array)
    }

    /// The monthly values of a series and their moving mean, which a page shows as a plot.
    ///
    /// # Arguments
    /// * `series` - The series
    /// * `from` - The first year; null for the beginning of the series
    /// * `to` - The last year; null for the end of the series
    /// * `window` - The number of months in a mean
    ///
    /// # Returns
    /// The columns `measured` and `mean`; gaps stay gaps
    ///
    /// # Errors
    /// If the series has no value in these years.
    #[dasf::function]
    pub fn curve(
        series: SeriesName,
        #[dasf(default)] from: Option<i32>,
        #[dasf(default)] to: Option<i32>,
        #[dasf(default = 12, ge = 1)] window: u32,
        mut reporter: ProgressReport,
    ) -> Result<dasf::Series, ClimateError> {
        reporter.set_steps(2);
        let reading = reporter.step("reading the data");
        let series = series.load()?;
        let points = with_values(&series, from, to)?;
        drop(reading);
        let _computing = reporter.step("computing the mean");
        let measured = values(points);
        let means = statistics::moving_mean(&measured, window, window)?;
        let first_day = |point: &Point| NaiveDate::from_ymd_opt(point.year, point.month.into(), 1);
        let days = points
            .iter()
            .map(|point| first_day(point).unwrap_or_default());
        let curve = dasf::Series::new(days)?
            .with_name(series.title)
            .with_column(Column::new("measured", measured).with_unit(series.unit))?
            .with_column(Column::new("mean", means).with_unit(series.unit))?;
        Ok(curve)
    }

    /// The places where the series were measured, inside an area that the caller draws on a map.
    ///
    /// # Arguments
    /// * `area` - The area, with longitudes from -180 to 180
    ///
    /// # Returns
    /// A point for each series that was measured in the area, or at its middle for a region
    #[dasf::function]
    pub fn places(area: &GeoArea) -> GeoJson {
        let inside = SeriesName::ALL.into_iter().filter(|series| {
            let Place { lon, lat, .. } = series.place();
            area.contains(GeoLocation { lon, lat })
        });
        let features = inside.map(|series| {
            let Place { lon, lat, name } = series.place();
            Feature::new(series.as_str(), Geometry::point(lon, lat)).with_property("place", name)
        });
        GeoJson::new("Where the series were measured", features)
    }

    /// The departures of a series from its mean annual cycle in a base period.
    ///
    /// The normal of a calendar month is its mean over the base period. At least four fifths of the
    /// years must have a value for the month.
    ///
    /// # Arguments
    /// * `series` - The series
    /// * `base_from` - The first year of the base period
    /// * `base_to` - The last year of the base period
    ///
    /// # Returns
    /// The normals of the base period, and the departure of every month of the series; gaps stay
    /// gaps
    ///
    /// # Errors
    /// If a calendar month has values in fewer than four fifths of the base period, or if the base
    /// period ends before it starts.
    #[dasf::function]
    pub fn anomalies(
        series: SeriesName,
        #[dasf(default = 1961)] base_from: i32,
        #[dasf(default = 1990)] base_to: i32,
    ) -> Result<Anomalies, ClimateError> {
        let series = series.load()?;
        let normals = statistics::climatology(&series.points, base_from..=base_to)?;
        Ok(Anomalies {
            unit: series.unit.to_owned(),
            normals: normals.to_vec(),
            points: statistics::anomalies(&series.points, &normals)?,
        })
    }

    /// The linear trend of a series per year, with a confidence interval.
    ///
    /// The function first subtracts the mean annual cycle of the requested years, so that the seasons
    /// do not count as noise. Then it fits the line by ordinary least squares.
    ///
    /// # Arguments
    /// * `series` - The series
    /// * `from` - The first year; null for the beginning of the series
    /// * `to` - The last year; null for the end of the series
    /// * `level` - The confidence level of the interval
    /// * `sample_size` - The number of independent values: `effective` corrects for autocorrelation,
    ///   `counted` does not and makes the interval too narrow
    ///
    /// # Returns
    /// The slope in the unit of the series per year, and its interval
    ///
    /// # Errors
    /// If the requested years have no values, if a calendar month has fewer than two, or if
    /// `effective` leaves fewer than three independent values.
    #[dasf::function]
    pub fn trend(
        series: SeriesName,
        #[dasf(default)] from: Option<i32>,
        #[dasf(default)] to: Option<i32>,
        #[dasf(default = 0.95, gt = 0.0, lt = 1.0)] level: f64,
        #[dasf(default = SampleSize::Effective)] sample_size: SampleSize,
    ) -> Result<Trend, ClimateError> {
        let series = series.load()?;
        let points = with_values(&series, from, to)?;
        let points = statistics::anomalies(points, &statistics::seasonal_cycle(points)?)?;
        let times: Vec<f64> = points.iter().map(Point::time).collect();
        let trend = statistics::linear_trend(&times, &values(&points), level, sample_size)?;
        Ok(trend)
    }

    /// The linear trend of the caller's own data, with a confidence interval.
    ///
    /// The function fits the line by ordinary least squares to the unchanged values. It does not
    /// subtract an annual cycle.
    ///
    /// # Arguments
    /// * `times` - The time of each value, increasing and equally spaced, in any unit
    /// * `values` - One value for each time; null for a gap
    /// * `level` - The confidence level of the interval
    /// * `sample_size` - The number of independent values: `effective` corrects for autocorrelation,
    ///   `counted` is right for values that are independent of each other
    ///
    /// # Returns
    /// The slope in units of the values per unit of time, and its interval
    ///
    /// # Errors
    /// If the numbers of times and values differ, if the times do not increase, or if there are
    /// fewer than three values, or fewer than three independent values with `effective`.
    #[dasf::function]
    pub fn trend_of(
        #[dasf(min_items = 3)] times: &[f64],
        #[dasf(min_items = 3)] values: &[Option<f64>],
        #[dasf(default = 0.95, gt = 0.0, lt = 1.0)] level: f64,
        #[dasf(default = SampleSize::Effective)] sample_size: SampleSize,
    ) -> Result<Trend, ClimateError> {
        let trend = statistics::linear_trend(times, values, level, sample_size)?;
        Ok(trend)
    }

    /// The centred moving mean of a series.
    ///
    /// In an even window, the first and the last month count by half. So the default of 12 months
    /// removes the annual cycle.
    ///
    /// # Arguments
    /// * `series` - The series
    /// * `window` - The number of months in a mean
    /// * `min_count` - The number of months that must have a value, at most `window`; null for all
    ///   months of the window
    ///
    /// # Returns
    /// The mean around each month, in the unit of the series; null if too few months have a value
    ///
    /// # Errors
    /// If `min_count` is above `window`.
    #[dasf::function]
    pub fn moving_mean(
        series: SeriesName,
        #[dasf(default = 12, ge = 1)] window: u32,
        #[dasf(default, ge = 1)] min_count: Option<u32>,
    ) -> Result<Vec<Point>, ClimateError> {
        let points = series.load()?.points;
        let min_count = min_count.unwrap_or(window);
        let means = statistics::moving_mean(&values(&points), window, min_count)?;
        Ok(points
            .into_iter()
            .zip(means)
            .map(|(point, value)| Point { value, ..point })
            .collect())
    }

    /// One series, or some of its years, for several calls.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Station {
        unit: &'static str,
        points: Vec<Point>,
    }

    #[dasf::class]
    impl Station {
        /// Read a series.
        ///
        /// # Arguments
        /// * `series` - The series
        /// * `from` - The first year; null for the beginning of the series
        /// * `to` - The last year; null for the end of the series
        ///
        /// # Errors
        /// If the series has no value in these years.
        pub fn new(
            series: SeriesName,
            #[dasf(default)] from: Option<i32>,
            #[dasf(default)] to: Option<i32>,
        ) -> Result<Self, ClimateError> {
            let series = series.load()?;
            Ok(Self {
                unit: series.unit,
                points: with_values(&series, from, to)?.to_vec(),
            })
        }

        /// The mean of all months with a value.
        ///
        /// # Returns
        /// The mean in the unit of the series
        pub fn mean(&self) -> f64 {
            mean(&self.points)
        }

        /// The mean of one year. Each month of the year must have a value.
        ///
        /// # Arguments
        /// * `year` - The year
        ///
        /// # Returns
        /// The mean of its twelve months in the unit of the series
        ///
        /// # Errors
        /// If a month of the year has no value.
        pub fn annual_mean(&self, year: i32) -> Result<f64, ClimateError> {
            let months: Vec<Point> = self
                .points
                .iter()
                .filter(|point| point.year == year && point.value.is_some())
                .copied()
                .collect();
            if months.len() == 12 {
                Ok(mean(&months))
            } else {
                Err(ClimateError::IncompleteYear {
                    year,
                    months: months.len(),
                })
            }
        }

        /// The lowest and the highest month.
        ///
        /// # Returns
        /// Both months with their values; null if no month has a value. The first of equal months
        /// counts
        pub fn extremes(&self) -> Option<Extremes> {
            let mut months = self.points.iter().filter(|point| point.value.is_some());
            let first = *months.next()?;
            let start = Extremes {
                lowest: first,
                highest: first,
            };
            Some(months.fold(start, |mut extremes, month| {
                if month.value < extremes.lowest.value {
                    extremes.lowest = *month;
                }
                if month.value > extremes.highest.value {
                    extremes.highest = *month;
                }
                extremes
            }))
        }

        /// The mean annual cycle, without the trend.
        ///
        /// # Returns
        /// The departure of each calendar month from the annual mean
        ///
        /// # Errors
        /// If a calendar month has fewer than two values.
        pub fn seasonal_cycle(&self) -> Result<SeasonalCycle, ClimateError> {
            let departures = statistics::seasonal_cycle(&self.points)?;
            let highest = departures.into_iter().fold(f64::NEG_INFINITY, f64::max);
            let lowest = departures.into_iter().fold(f64::INFINITY, f64::min);
            Ok(SeasonalCycle {
                unit: self.unit.to_owned(),
                departures: departures.to_vec(),
                range: highest - lowest,
            })
        }
    }

    /// The points of some years. At least one of the points has a value.
    fn with_values(
        series: &Series,
        from: Option<i32>,
        to: Option<i32>,
    ) -> Result<&[Point], ClimateError> {
        let points = series.between(from, to);
        if points.iter().any(|point| point.value.is_some()) {
            Ok(points)
        } else {
            Err(no_value(series, from, to))
        }
    }

    fn no_value(series: &Series, from: Option<i32>, to: Option<i32>) -> ClimateError {
        ClimateError::NoValue {
            series: series.name,
            from,
            to,
        }
    }

    pub(crate) fn values(points: &[Point]) -> Vec<Option<f64>> {
        points.iter().map(|point| point.value).collect()
    }

    pub(crate) fn mean(points: &[Point]) -> f64 {
        let values: Vec<f64> = points.iter().filter_map(|point| point.value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    }
}

pub use self::climate::*;

#[cfg(test)]
mod tests;
