//! The module `river`: water levels, with gaps, typed errors and a long computation.

mod gauge;

/// Water levels of the invented river Wend.
#[dasf::module(topic = "river", main = false)]
pub mod river {
    use chrono::{Datelike, NaiveDate};
    use dasf::{Context, ProgressReport};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use crate::gauge::{FIRST_DAY, GAUGES, Gauge, LAST_DAY};

    /// The number of simulated years between two looks at the clock.
    const BATCH: u32 = 1_000;

    /// The reasons why a call has no result.
    ///
    /// `IntoError` sends the variant and its fields to the caller, beside the text.
    #[derive(Debug, Clone, PartialEq, thiserror::Error, dasf::IntoError)]
    pub enum RiverError {
        /// No station has this name.
        #[error("there is no station {name}")]
        UnknownStation {
            /// The name in the request.
            name: String,
        },
        /// The station has no value on these days.
        #[error("{station} has no value from {from} to {to}")]
        NoValue {
            /// The name of the station.
            station: String,
            /// The first day.
            from: NaiveDate,
            /// The last day.
            to: NaiveDate,
        },
        /// The simulation was not finished when the caller stopped waiting.
        #[error("stopped after {years} simulated years")]
        Stopped {
            /// The number of years until then.
            years: u32,
        },
    }

    /// A place where the water level is measured once a day.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct Station {
        /// The name of the place
        pub name: String,
        /// The first day with measurements
        pub first: NaiveDate,
        /// The last day with measurements
        pub last: NaiveDate,
    }

    /// The water level on one day.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub struct Level {
        /// The day
        pub date: NaiveDate,
        /// The level in metres; null if the gauge was out of order
        pub level: Option<f64>,
    }

    /// A way to make one value of many.
    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Statistic {
        /// The lowest value
        Lowest,
        /// The arithmetic mean
        Mean,
        /// The highest value
        Highest,
    }

    /// List all stations, from the source to the sea.
    #[dasf::function]
    pub fn stations() -> Vec<Station> {
        let station = |gauge: Gauge| Station {
            name: gauge.name.to_owned(),
            first: FIRST_DAY,
            last: LAST_DAY,
        };
        GAUGES.map(station).into()
    }

    /// The water levels of some days.
    ///
    /// # Arguments
    /// * `station` - The name of the station
    /// * `from` - The first day
    /// * `days` - The number of days
    ///
    /// # Returns
    /// One level for each day
    #[dasf::function]
    pub fn levels(
        station: &str,
        from: NaiveDate,
        #[dasf(default = 7, ge = 1, le = 366)] days: u32,
    ) -> Result<Vec<Level>, RiverError> {
        let gauge = find(station)?;
        let dates = from.iter_days().take(days as usize);
        let levels: Vec<Level> = dates.map(|date| level_on(gauge, date)).collect();
        if levels.iter().all(|level| level.level.is_none()) {
            return Err(RiverError::NoValue {
                station: station.to_owned(),
                from,
                to: levels.last().map_or(from, |day| day.date),
            });
        }
        Ok(levels)
    }

    /// One value for each month of a year.
    ///
    /// # Arguments
    /// * `station` - The name of the station
    /// * `year` - The year
    /// * `statistic` - The way to make one value of the days of a month
    ///
    /// # Returns
    /// The values in metres, January first; null for a month without measurements
    #[dasf::function]
    pub fn monthly(
        station: &str,
        #[dasf(ge = 1, le = 9999)] year: i32,
        #[dasf(default = Statistic::Mean)] statistic: Statistic,
    ) -> Result<Vec<Option<f64>>, RiverError> {
        let levels = levels_of_year(find(station)?, year);
        let value = |month| {
            let days = levels.iter().filter(|day| day.date.month() == month);
            statistic.of(days.filter_map(|day| day.level).collect())
        };
        Ok((1..=12).map(value).collect())
    }

    /// The chance that the river reaches a level within a year, from simulated years.
    ///
    /// # Arguments
    /// * `station` - The name of the station
    /// * `level` - The level in metres
    /// * `years` - The number of years to simulate; more years take longer and give a better result
    ///
    /// # Returns
    /// The chance, from 0 to 1
    #[dasf::function]
    pub fn flood_chance(
        station: &str,
        level: f64,
        #[dasf(default = 4_000, ge = 1)] years: u32,
        #[dasf(default = ProgressReport::new("simulating"))] mut report: ProgressReport,
        context: &Context,
    ) -> Result<f64, RiverError> {
        let gauge = find(station)?;
        let mut random = fastrand::Rng::with_seed(0);
        let mut floods = 0_u32;
        report.set_steps(years.div_ceil(BATCH) as usize);
        for first in (0..years).step_by(BATCH as usize) {
            // Nobody waits for the result any more.
            if context.is_cancelled() {
                return Err(RiverError::Stopped { years: first });
            }
            let last = years.min(first.saturating_add(BATCH));
            let _step = report.step(format!("years {} to {last}", first + 1));
            for _ in first..last {
                floods += u32::from(gauge.highest_level(&mut random) >= level);
            }
        }
        Ok(f64::from(floods) / f64::from(years))
    }

    /// The measurements of one year at one station.
    pub struct Year {
        levels: Vec<Level>,
    }

    #[dasf::class]
    impl Year {
        /// Read a year.
        ///
        /// # Arguments
        /// * `station` - The name of the station
        /// * `year` - The year
        pub fn new(
            station: &str,
            #[dasf(ge = 1, le = 9999)] year: i32,
        ) -> Result<Self, RiverError> {
            let levels = levels_of_year(find(station)?, year);
            Ok(Self { levels })
        }

        /// The number of days at or above a level.
        ///
        /// # Arguments
        /// * `level` - The level in metres
        pub fn days_above(&self, level: f64) -> usize {
            let levels = self.levels.iter().filter_map(|day| day.level);
            levels.filter(|&value| value >= level).count()
        }

        /// The days without a measurement.
        pub fn gaps(&self) -> Vec<NaiveDate> {
            let gaps = self.levels.iter().filter(|day| day.level.is_none());
            gaps.map(|day| day.date).collect()
        }
    }

    impl Statistic {
        /// One value of many, or `None` if there are no values.
        fn of(self, values: Vec<f64>) -> Option<f64> {
            let count = values.len() as f64;
            let values = values.into_iter();
            match self {
                Self::Lowest => values.reduce(f64::min),
                Self::Highest => values.reduce(f64::max),
                Self::Mean => values.reduce(|a, b| a + b).map(|sum| sum / count),
            }
        }
    }

    fn find(station: &str) -> Result<Gauge, RiverError> {
        let mut gauges = GAUGES.into_iter();
        let unknown = || RiverError::UnknownStation {
            name: station.to_owned(),
        };
        gauges
            .find(|gauge| gauge.name == station)
            .ok_or_else(unknown)
    }

    fn level_on(gauge: Gauge, date: NaiveDate) -> Level {
        // Millimetres are the resolution of the gauges.
        let level = gauge
            .level(date)
            .map(|level| (level * 1000.0).round() / 1000.0);
        Level { date, level }
    }

    fn levels_of_year(gauge: Gauge, year: i32) -> Vec<Level> {
        let first = NaiveDate::from_ymd_opt(year, 1, 1).into_iter();
        let days = first.flat_map(|first| first.iter_days());
        let days = days.take_while(|date| date.year() == year);
        days.map(|date| level_on(gauge, date)).collect()
    }
}

pub use self::river::*;
