//! Climate series and their statistics, computed where the data are.
//!
//! A caller names a series instead of sending it, and gets the result instead of the series. The
//! computations are in [`statistics`](crate::statistics), the data in [`series`](crate::series).

/// Statistics of measured climate series: carbon dioxide in the air and sea surface temperature.
#[dasf::module(main = false)]
pub mod climate {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    pub use crate::series::{Point, SeriesName};
    pub use crate::statistics::{SampleSize, Trend};

    use crate::series::{Series, SeriesError};
    use crate::statistics::{self, StatisticsError};

    /// Why a question about a series has no answer.
    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    #[non_exhaustive]
    pub enum ClimateError {
        /// The series cannot be read.
        #[error(transparent)]
        Series(#[from] SeriesError),
        /// The data do not bear the computation.
        #[error(transparent)]
        Statistics(#[from] StatisticsError),
        /// The series has no value in the years asked for.
        #[error("{series} has no value {}", years(*.from, *.to))]
        NoValue {
            /// The series.
            series: SeriesName,
            /// The first year asked for.
            from: Option<i32>,
            /// The last year asked for.
            to: Option<i32>,
        },
        /// A year lacks months, so its mean would be that of some seasons only.
        #[error("{year} has {months} of 12 months")]
        IncompleteYear {
            /// The year.
            year: i32,
            /// The number of its months that have a value.
            months: usize,
        },
    }

    fn years(from: Option<i32>, to: Option<i32>) -> String {
        match (from, to) {
            (None, None) => "at all".to_owned(),
            (Some(from), None) => format!("from {from}"),
            (None, Some(to)) => format!("until {to}"),
            (Some(from), Some(to)) => format!("from {from} to {to}"),
        }
    }

    /// What there is to know about a series before asking for its values.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct SeriesInfo {
        /// The name by which the functions of this module know the series
        pub name: SeriesName,
        /// What was measured, and where
        pub title: String,
        /// The unit of the values
        pub unit: String,
        /// Whom to cite
        pub source: String,
        /// The first month
        pub first: Point,
        /// The last month
        pub last: Point,
        /// The number of months that have a value
        pub count: usize,
        /// The number of months that have none
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

    /// The months with the lowest and the highest value; of several, the first.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct Extremes {
        /// The month with the lowest value
        pub lowest: Point,
        /// The month with the highest value
        pub highest: Point,
    }

    /// The mean course of a year.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct SeasonalCycle {
        /// The unit of all values
        pub unit: String,
        /// The departure of each calendar month from the annual mean, January first
        pub departures: Vec<f64>,
        /// The highest departure minus the lowest
        pub range: f64,
    }

    /// List the series that the other functions know.
    ///
    /// # Returns
    /// What each series is, where it is from, and how far it reaches
    ///
    /// # Errors
    /// Where the data of a series cannot be read.
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

    /// The departures of a series from its mean annual cycle in a base period.
    ///
    /// The mean of a calendar month is taken over the base period; at least four fifths of its
    /// years must have the month.
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
    /// Where a calendar month has values in less than four fifths of the base period, or the base
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
    /// The mean annual cycle of the years asked for is taken out first, so that the seasons neither
    /// bend the line nor count as noise. The line is fitted by ordinary least squares.
    ///
    /// # Arguments
    /// * `series` - The series
    /// * `from` - The first year; null for the beginning of the series
    /// * `to` - The last year; null for the end of the series
    /// * `level` - The confidence level of the interval
    /// * `sample_size` - How many independent values the months count as: `effective` corrects for
    ///   their autocorrelation, `counted` does not and makes the interval too narrow
    ///
    /// # Returns
    /// The slope in the unit of the series per year, and its interval
    ///
    /// # Errors
    /// Where the years asked for hold no values, a calendar month less than two of them, or, with
    /// `effective`, less than three independent values.
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
    /// The line is fitted by ordinary least squares to the values as they are; seasons are not
    /// taken out.
    ///
    /// # Arguments
    /// * `times` - When each value was measured: increasing and equally spaced, in any unit
    /// * `values` - The values, as many as times; null where there is none
    /// * `level` - The confidence level of the interval
    /// * `sample_size` - How many independent values the data count as: `effective` corrects for
    ///   their autocorrelation, `counted` does not and suits values that are independent of each
    ///   other
    ///
    /// # Returns
    /// The slope in units of the values per unit of time, and its interval
    ///
    /// # Errors
    /// Where times and values are not as many, times do not increase, or there are less than three
    /// values, with `effective` less than three independent ones.
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
    /// An even window counts the two outermost months by half, so that the default of 12 months
    /// leaves no seasonal cycle.
    ///
    /// # Arguments
    /// * `series` - The series
    /// * `window` - The number of months of a mean
    /// * `min_count` - The number of months that must have a value, at most `window`; null for all
    ///   of them
    ///
    /// # Returns
    /// The mean around each month of the series in its unit, with no value where too few months
    /// have one
    ///
    /// # Errors
    /// Where `min_count` is above `window`.
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

    /// One series, or some years of it, to ask several questions about.
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
        /// Where the series has no value in these years.
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

        /// The mean of all months that have a value.
        ///
        /// # Returns
        /// The mean in the unit of the series
        pub fn mean(&self) -> f64 {
            mean(&self.points)
        }

        /// The mean of one year, which must have all its months.
        ///
        /// # Arguments
        /// * `year` - The year
        ///
        /// # Returns
        /// The mean of its twelve months in the unit of the series
        ///
        /// # Errors
        /// Where a month of the year has no value.
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
        /// Both months with their values, of several alike the first; null where there is no value
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

        /// The mean course of a year, without the trend.
        ///
        /// # Returns
        /// The departure of each calendar month from the annual mean
        ///
        /// # Errors
        /// Where a calendar month has less than two values.
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

    /// The points of some years, which hold at least one value.
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

    fn values(points: &[Point]) -> Vec<Option<f64>> {
        points.iter().map(|point| point.value).collect()
    }

    fn mean(points: &[Point]) -> f64 {
        let values: Vec<f64> = points.iter().filter_map(|point| point.value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn both_series_are_listed() {
            let list = list_series().unwrap();
            let names: Vec<SeriesName> = list.iter().map(|info| info.name).collect();
            assert_eq!(names, SeriesName::ALL);
            assert_eq!((list[0].count, list[0].gaps), (521, 5));
            assert_eq!((list[0].first.year, list[0].last.year), (1958, 2001));
            assert_eq!((list[1].count, list[1].gaps), (732, 0));
        }

        #[test]
        fn the_trend_of_some_years_is_that_of_the_same_data() {
            let level = 0.9;
            let of_series = trend(
                SeriesName::Nino12,
                Some(1960),
                Some(1999),
                level,
                SampleSize::Effective,
            )
            .unwrap();
            assert_eq!(of_series.count, 480);

            let series = SeriesName::Nino12.load().unwrap();
            let points = series.between(Some(1960), Some(1999));
            let cycle = statistics::seasonal_cycle(points).unwrap();
            let points = statistics::anomalies(points, &cycle).unwrap();
            let own = trend_of(
                &points.iter().map(Point::time).collect::<Vec<_>>(),
                &values(&points),
                level,
                SampleSize::Effective,
            )
            .unwrap();
            assert_eq!(own, of_series);
        }

        #[test]
        fn carbon_dioxide_rises() {
            let trend = trend(
                SeriesName::Co2,
                Some(1975),
                Some(2000),
                0.95,
                SampleSize::Effective,
            )
            .unwrap();
            assert!(trend.lower > 1.0 && trend.upper < 2.0, "{trend:?}");
        }

        #[test]
        fn anomalies_of_the_base_period_cancel() {
            let anomalies = anomalies(SeriesName::Nino12, 1961, 1990).unwrap();
            let inside: Vec<Point> = anomalies
                .points
                .into_iter()
                .filter(|point| (1961..=1990).contains(&point.year))
                .collect();
            assert_eq!(inside.len(), 360);
            assert!(mean(&inside).abs() < 1e-9);
            assert_eq!(anomalies.normals.len(), 12);
        }

        #[test]
        fn a_moving_mean_has_every_month() {
            let whole = moving_mean(SeriesName::Co2, 12, None).unwrap();
            let tolerant = moving_mean(SeriesName::Co2, 12, Some(6)).unwrap();
            let present = |points: &[Point]| values(points).iter().flatten().count();
            assert_eq!((whole.len(), tolerant.len()), (526, 526));
            // Around March 1958, the first month, there are five and a half.
            assert_eq!((present(&whole), present(&tolerant)), (491, 525));
            assert_eq!(tolerant[0].value, None);
            assert!(moving_mean(SeriesName::Co2, 12, Some(13)).is_err());
        }

        #[test]
        fn a_station_answers() {
            let station = Station::new(SeriesName::Nino12, None, None).unwrap();
            assert!((station.annual_mean(1983).unwrap() - 25.70333333333333).abs() < 1e-9);
            assert!((station.mean() - 23.09262295081967).abs() < 1e-9);
            let extremes = station.extremes().unwrap();
            assert_eq!(extremes.lowest.value, Some(18.95));
            assert_eq!(extremes.highest.value, Some(29.24));

            let station = Station::new(SeriesName::Co2, Some(1964), None).unwrap();
            assert_eq!(
                station.annual_mean(1964).unwrap_err().to_string(),
                "1964 has 9 of 12 months"
            );
            assert!((station.annual_mean(2000).unwrap() - 369.36083333333335).abs() < 1e-9);
            let cycle = station.seasonal_cycle().unwrap();
            assert_eq!(cycle.departures.len(), 12);
            assert!(cycle.range > 5.0 && cycle.range < 7.0, "{}", cycle.range);
        }

        #[test]
        fn years_without_a_value_are_named() {
            let message = |from, to| {
                Station::new(SeriesName::Co2, from, to)
                    .unwrap_err()
                    .to_string()
            };
            assert_eq!(
                message(Some(2010), Some(2020)),
                "co2 has no value from 2010 to 2020"
            );
            assert_eq!(message(None, Some(1900)), "co2 has no value until 1900");
            assert_eq!(message(Some(2010), None), "co2 has no value from 2010");
        }

        #[test]
        fn a_gap_is_null_and_a_name_is_short_in_json() {
            let points = moving_mean(SeriesName::Co2, 12, None).unwrap();
            assert_eq!(
                serde_json::to_value(points[0]).unwrap(),
                serde_json::json!({"year": 1958, "month": 3, "value": null})
            );
            let names = (SeriesName::Nino12, SampleSize::Effective);
            assert_eq!(
                serde_json::to_value(names).unwrap(),
                serde_json::json!(["nino12", "effective"])
            );
        }
    }
}
