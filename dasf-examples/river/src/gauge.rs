//! Three gauges on the invented river Wend.
//!
//! Nobody measured this river. A formula computes each level from the gauge and the date, so the
//! example needs no data file, and every run returns the same values.

use std::f64::consts::TAU;

use chrono::{Datelike, NaiveDate};
use fastrand::Rng;

/// The first day with measurements.
pub const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2015, 1, 1).unwrap();
/// The last day with measurements.
pub const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2024, 12, 31).unwrap();

/// All gauges, from the source to the sea.
pub const GAUGES: [Gauge; 3] = [
    Gauge::new("Highbridge", 0.8, 0.6),
    Gauge::new("Millford", 1.6, 1.0),
    Gauge::new("Eastmouth", 2.9, 1.4),
];

/// The share of the rain water that is still in the river one day later.
const REMAINING: f64 = 0.8;
/// The number of past days whose rain counts. After them, almost all water is gone.
const PAST_DAYS: i32 = 30;

/// A place where the water level is measured once a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// The name of the place.
    pub name: &'static str,
    /// The mean level without rain, in metres.
    base: f64,
    /// The rise of the level after a day of heavy rain, in metres.
    rise: f64,
}

impl Gauge {
    const fn new(name: &'static str, base: f64, rise: f64) -> Self {
        Self { name, base, rise }
    }

    /// The level on a day in metres, or `None` if the gauge was out of order.
    pub fn level(&self, date: NaiveDate) -> Option<f64> {
        let is_measured = (FIRST_DAY..=LAST_DAY).contains(&date);
        (is_measured && !self.is_out_of_order(date)).then(|| {
            let day = date.num_days_from_ce();
            let water = (day - PAST_DAYS..=day)
                .fold(0.0, |water, day| water * REMAINING + rain(&mut random(day)));
            self.level_with(water, date.ordinal())
        })
    }

    /// The highest level of a year with random rain, in metres.
    pub fn highest_level(&self, random: &mut Rng) -> f64 {
        let mut water = 0.0;
        let levels = (1..=365).map(|day| {
            water = water * REMAINING + rain(random);
            self.level_with(water, day)
        });
        levels.fold(f64::NEG_INFINITY, f64::max)
    }

    /// The level with this rain water in the river. The snow melts around the 90th day of the year.
    fn level_with(&self, water: f64, day_of_year: u32) -> f64 {
        let season = (TAU * (f64::from(day_of_year) - 90.0) / 365.0).cos();
        self.base * (1.0 + 0.2 * season) + self.rise * water
    }

    /// Each gauge fails for a few days every month.
    fn is_out_of_order(&self, date: NaiveDate) -> bool {
        let month = date.year() * 12 + date.month0().cast_signed();
        let mut random = random(month * 10 + self.name.len() as i32);
        let first = random.u32(1..=28);
        let length = random.u32(1..=3);
        (first..first + length).contains(&date.day())
    }
}

/// The rain of a day: little on most days, and 1 at most.
fn rain(random: &mut Rng) -> f64 {
    random.f64().powi(12)
}

/// Random numbers that are the same in every run.
fn random(seed: i32) -> Rng {
    Rng::with_seed(u64::from(seed.cast_unsigned()))
}
