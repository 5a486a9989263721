//! The statistics of time series: anomalies, linear trends with intervals, and moving means.
//!
//! Every function is pure. A gap is `None` and stays a gap. Values must be finite; [`linear_trend`]
//! checks this, because its data may come from a caller.
//!
//! # Why the interval of a trend needs a correction
//!
//! The textbook interval of a regression slope assumes that the residuals are independent of each
//! other. In a climate series they are not: a warm month often follows a warm month. The series
//! contains less information than its number of values suggests. So the textbook interval is too
//! narrow, often by a factor of three and more.
//!
//! Let *n* be the number of values, and *r* the lag-1 autocorrelation of their residuals.
//! [`SampleSize::Effective`] counts *n* (1 − *r*) / (1 + *r*) independent values. This is right for
//! residuals that behave like a first-order autoregressive process. If their memory is longer, the
//! interval is still too narrow. A slow change that the line misses, such as a rise that gets
//! steeper, counts as autocorrelation and makes the interval much wider.
//!
//! # Sources
//!
//! * Santer, B. D. et al. (2000), Statistical significance of trends and trend differences in
//!   layer-average atmospheric temperature time series, *J. Geophys. Res.* 105 (D6), 7337–7356,
//!   doi:10.1029/1999JD901105.
//! * Bretherton, C. S. et al. (1999), The effective number of spatial degrees of freedom of a
//!   time-varying field, *J. Climate* 12, 1990–2009.
//! * World Meteorological Organization (2017), *WMO Guidelines on the Calculation of Climate
//!   Normals*, WMO-No. 1203.
//! * von Storch, H. and F. W. Zwiers (1999), *Statistical Analysis in Climate Research*, Cambridge
//!   University Press.
//! * Abramowitz, M. and I. A. Stegun (1964), *Handbook of Mathematical Functions*, National Bureau
//!   of Standards.
//! * Kendall, M. and A. Stuart (1966), *The Advanced Theory of Statistics*, vol. 3, Griffin.

use std::f64::consts::SQRT_2;
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;
use statrs::function::erf::{erf_inv, erfc_inv};

use crate::series::Point;

/// The reasons why a computation has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// The numbers of times and values differ.
    #[error("{times} times for {values} values")]
    LengthMismatch {
        /// The number of times.
        times: usize,
        /// The number of values.
        values: usize,
    },
    /// A time or a value is infinite or not a number.
    #[error("{what} {index} is not finite")]
    NotFinite {
        /// `time` or `value`.
        what: &'static str,
        /// Its position, counted from 0.
        index: usize,
    },
    /// A time is not after the time before it.
    #[error("time {index} is not after the one before it")]
    NotIncreasing {
        /// The position of this time, counted from 0.
        index: usize,
    },
    /// Not enough values for a line and its uncertainty.
    #[error("{count} values are too few: a trend needs {needed}")]
    TooFewValues {
        /// The number of values without the gaps.
        count: usize,
        /// The number that is needed.
        needed: usize,
    },
    /// The residuals depend on each other so much that too few independent values are left for an
    /// uncertainty.
    #[error("{count} values count as only {effective:.1} independent ones: a trend needs {needed}")]
    TooFewIndependent {
        /// The number of values without the gaps.
        count: usize,
        /// The number of independent values with the same information.
        effective: f64,
        /// The number that is needed.
        needed: usize,
    },
    /// The correction needs the autocorrelation of the residuals, but the data do not determine it.
    #[error(
        "the autocorrelation of the residuals is unknown: no two neighbouring values differ from the line"
    )]
    NoAutocorrelation,
    /// The confidence level is not a probability between 0 and 1.
    #[error("the confidence level must be above 0 and below 1, not {level}")]
    Level {
        /// The requested level.
        level: f64,
    },
    /// A calendar month has values in too few years.
    #[error("calendar month {month} has values in {years} years: at least {needed} are needed")]
    TooFewYears {
        /// The calendar month, from 1 to 12.
        month: u8,
        /// The number of years that have a value.
        years: u64,
        /// The number that is needed.
        needed: u64,
    },
    /// The base period ends before it starts.
    #[error("the base period from {from} to {to} has no year")]
    EmptyBase {
        /// The first year.
        from: i32,
        /// The last year.
        to: i32,
    },
    /// A number that is not a calendar month.
    #[error("there is no calendar month {month}")]
    NotAMonth {
        /// The number. It is not from 1 to 12.
        month: u8,
    },
    /// The minimum count of a moving mean is 0, or above the window.
    #[error("the minimum count must be from 1 to the window of {window}, not {min_count}")]
    MinCount {
        /// The requested minimum count.
        min_count: u32,
        /// The window.
        window: u32,
    },
    /// The numbers leave the range in which the result can be computed.
    #[error("the numbers are too large, too small or too close to each other to compute with")]
    Overflow,
}

/// The number of independent values in a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SampleSize {
    /// All values: right only if the residuals are independent of each other
    Counted,
    /// Fewer values, by the lag-1 autocorrelation of the residuals (Santer et al. 2000)
    Effective,
}

/// A straight line through a series, with the uncertainty of its slope.
///
/// At the time `t` the line has the value `mean_value + slope * (t - mean_time)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// The slope, in units of the values per unit of time
    pub slope: f64,
    /// The standard error of the slope
    pub standard_error: f64,
    /// The lower end of the confidence interval of the slope
    pub lower: f64,
    /// The upper end of the confidence interval of the slope
    pub upper: f64,
    /// The confidence level of the interval
    pub level: f64,
    /// The mean time of the values, without the gaps
    pub mean_time: f64,
    /// The mean of the values, and the value of the line at the mean time
    pub mean_value: f64,
    /// The number of values, without the gaps
    pub count: usize,
    /// The number of independent values, from which the interval is computed
    pub effective_count: f64,
    /// The lag-1 autocorrelation of the residuals; null if no values follow each other, or if
    /// the line meets every value
    pub autocorrelation: Option<f64>,
}

/// Fits a straight line by ordinary least squares, with a confidence interval for its slope.
///
/// `times` and `values` have the same length; time *i* belongs to value *i*. The times increase, in
/// any unit. The correction for autocorrelation assumes that they are equally spaced. The slope is
/// in units of the values per unit of time.
///
/// The slope is *b* = Σ (*t* − *t̄*)(*y* − *ȳ*) / Σ (*t* − *t̄*)², and *e* are the residuals. The
/// standard error is *s* = √( Σ *e*² / ((*m* − 2) Σ (*t* − *t̄*)²) ), and the interval is *b* ± *s*
/// · *t*(*m* − 2). Here *t*(*m* − 2) is the quantile of Student's distribution at (1 + `level`) / 2
/// (Santer et al. 2000; von Storch and Zwiers 1999, chapter 8). For [`SampleSize::Counted`], *m* is
/// the number of values. For [`SampleSize::Effective`], it is *n* (1 − *r*) / (1 + *r*), at most
/// *n* (Santer et al. 2000; Bretherton et al. 1999).
///
/// The autocorrelation *r* is Σ *eᵢ eᵢ₊₁* / √(Σ *eᵢ*² Σ *eᵢ₊₁*²) over the neighbours that both have
/// a value. The values on both sides of a gap are not neighbours.
///
/// **With [`SampleSize::Counted`] the interval of an autocorrelated series is too narrow**: see the
/// [module documentation](self).
///
/// ```
/// use climate::statistics::{SampleSize, linear_trend};
///
/// # fn main() -> Result<(), climate::statistics::StatisticsError> {
/// let times = [2000.0, 2001.0, 2002.0, 2003.0, 2004.0];
/// let values = [Some(1.0), Some(3.1), None, Some(6.9), Some(9.0)];
/// let trend = linear_trend(&times, &values, 0.95, SampleSize::Counted)?;
/// assert!((trend.slope - 1.98).abs() < 1e-9);
/// assert!(trend.lower < 2.0 && 2.0 < trend.upper);
/// assert_eq!(trend.count, 4);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// * [`StatisticsError::Level`] if `level` is not between 0 and 1.
/// * [`StatisticsError::LengthMismatch`], [`StatisticsError::NotFinite`] and
///   [`StatisticsError::NotIncreasing`] if `times` and `values` are not as described.
/// * [`StatisticsError::TooFewValues`] for fewer than three values,
///   [`StatisticsError::TooFewIndependent`] if the autocorrelation leaves fewer than three.
/// * [`StatisticsError::NoAutocorrelation`] if the correction needs an autocorrelation and the data
///   do not determine it.
/// * [`StatisticsError::Overflow`] if the numbers are so large or small that sums of squares
///   leave their range.
pub fn linear_trend(
    times: &[f64],
    values: &[Option<f64>],
    level: f64,
    sample_size: SampleSize,
) -> Result<Trend, StatisticsError> {
    const NEEDED: usize = 3;

    if !(level > 0.0 && level < 1.0) {
        return Err(StatisticsError::Level { level });
    }
    check_data(times, values)?;
    let count = values.iter().flatten().count();
    if count < NEEDED {
        return Err(StatisticsError::TooFewValues {
            count,
            needed: NEEDED,
        });
    }
    let fit = Fit::new(times, values, count)?;
    let effective_count = match (sample_size, &fit.residuals) {
        (SampleSize::Counted, _) | (_, Residuals::Zero) => count as f64,
        (
            SampleSize::Effective,
            Residuals::Scattered {
                autocorrelation, ..
            },
        ) => {
            let r = autocorrelation.ok_or(StatisticsError::NoAutocorrelation)?;
            count as f64 * ((1.0 - r) / (1.0 + r)).min(1.0)
        }
    };
    if effective_count < NEEDED as f64 {
        return Err(StatisticsError::TooFewIndependent {
            count,
            effective: effective_count,
            needed: NEEDED,
        });
    }
    let (square_sum, autocorrelation) = match fit.residuals {
        Residuals::Zero => (0.0, None),
        Residuals::Scattered {
            square_sum,
            autocorrelation,
        } => (square_sum, autocorrelation),
    };
    let freedom = effective_count - 2.0;
    let standard_error = (square_sum / freedom / fit.time_square_sum).sqrt();
    let half_width = standard_error * student_t(level, freedom);
    let trend = Trend {
        slope: fit.slope,
        standard_error,
        lower: fit.slope - half_width,
        upper: fit.slope + half_width,
        level,
        mean_time: fit.mean_time,
        mean_value: fit.mean_value,
        count,
        effective_count,
        autocorrelation,
    };
    let finite = [
        trend.standard_error,
        trend.lower,
        trend.upper,
        trend.mean_time,
        trend.mean_value,
        trend.effective_count,
    ];
    if finite.into_iter().all(f64::is_finite) {
        Ok(trend)
    } else {
        Err(StatisticsError::Overflow)
    }
}

fn check_data(times: &[f64], values: &[Option<f64>]) -> Result<(), StatisticsError> {
    if times.len() != values.len() {
        return Err(StatisticsError::LengthMismatch {
            times: times.len(),
            values: values.len(),
        });
    }
    if let Some(index) = times.iter().position(|time| !time.is_finite()) {
        return Err(StatisticsError::NotFinite {
            what: "time",
            index,
        });
    }
    if let Some(index) = values
        .iter()
        .position(|value| value.is_some_and(|value| !value.is_finite()))
    {
        return Err(StatisticsError::NotFinite {
            what: "value",
            index,
        });
    }
    match times.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(before) => Err(StatisticsError::NotIncreasing { index: before + 1 }),
        None => Ok(()),
    }
}

/// The differences between the values and the line.
enum Residuals {
    /// Only rounding errors. Their autocorrelation has no meaning.
    Zero,
    Scattered {
        square_sum: f64,
        autocorrelation: Option<f64>,
    },
}

/// An ordinary least squares line.
struct Fit {
    slope: f64,
    mean_time: f64,
    mean_value: f64,
    time_square_sum: f64,
    residuals: Residuals,
}

impl Fit {
    fn new(times: &[f64], values: &[Option<f64>], count: usize) -> Result<Self, StatisticsError> {
        let present = || {
            times
                .iter()
                .zip(values)
                .filter_map(|(&time, &value)| Some((time, value?)))
        };
        let mean_time = present().map(|(time, _)| time).sum::<f64>() / count as f64;
        let mean_value = present().map(|(_, value)| value).sum::<f64>() / count as f64;
        let time_square_sum: f64 = present().map(|(time, _)| (time - mean_time).powi(2)).sum();
        let product_sum: f64 = present()
            .map(|(time, value)| (time - mean_time) * (value - mean_value))
            .sum();
        let slope = product_sum / time_square_sum;

        let residuals: Vec<Option<f64>> = times
            .iter()
            .zip(values)
            .map(|(&time, &value)| Some(value? - mean_value - slope * (time - mean_time)))
            .collect();
        let scale = present()
            .map(|(time, value)| value.abs() + (slope * time).abs())
            .fold(mean_value.abs(), f64::max);
        if ![slope, mean_time, mean_value, scale]
            .into_iter()
            .all(f64::is_finite)
        {
            return Err(StatisticsError::Overflow);
        }
        let rounding = 4.0 * f64::EPSILON * scale;
        let residuals = if residuals.iter().flatten().all(|e| e.abs() <= rounding) {
            Residuals::Zero
        } else {
            let square_sum: f64 = residuals.iter().flatten().map(|e| e * e).sum();
            if !square_sum.is_normal() {
                return Err(StatisticsError::Overflow);
            }
            Residuals::Scattered {
                square_sum,
                autocorrelation: lag_one_autocorrelation(&residuals),
            }
        };
        Ok(Self {
            slope,
            mean_time,
            mean_value,
            time_square_sum,
            residuals,
        })
    }
}

/// The correlation of each residual with the one before it, over the pairs without a gap.
fn lag_one_autocorrelation(residuals: &[Option<f64>]) -> Option<f64> {
    let (mut product, mut earlier, mut later) = (0.0, 0.0, 0.0);
    for pair in residuals.windows(2) {
        if let [Some(first), Some(second)] = *pair {
            product += first * second;
            earlier += first * first;
            later += second * second;
        }
    }
    let correlation = product / (earlier.sqrt() * later.sqrt());
    // Without a pair this is NaN. With rounding, it may exceed 1 or fall below -1.
    correlation
        .is_finite()
        .then(|| correlation.clamp(-1.0, 1.0))
}

/// The half-width of the interval in standard errors. This is the `t` with P(|T| < `t`) = `level`,
/// where T has Student's distribution with `freedom` degrees of freedom. `freedom` is at least 1,
/// and need not be an integer.
///
/// The probability is an incomplete beta function (Abramowitz and Stegun 1964, 26.7.1 and 26.5.27).
/// Below 10⁴ degrees of freedom, a bisection inverts it. The bisection uses the smaller of P(|T| <
/// t) and its complement. So no digits cancel, even if the level is very close to 0 or 1. From 10⁴
/// degrees of freedom on, the function uses the expansion around the normal quantile (26.7.5). Both
/// ways are exact to eleven digits. The quantile of `statrs` is not: version 0.18 returns ten times
/// too much for 10⁶ degrees of freedom and the level 0.5, and does not return for 10⁹ and 10⁻⁹.
fn student_t(level: f64, freedom: f64) -> f64 {
    if freedom >= 1e4 {
        let z = SQRT_2
            * if level < 0.5 {
                erf_inv(level)
            } else {
                erfc_inv(1.0 - level)
            };
        let s = z * z;
        let terms = [
            z,
            z * (s + 1.0) / 4.0,
            z * ((5.0 * s + 16.0) * s + 3.0) / 96.0,
            z * (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0,
            z * ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92160.0,
        ];
        return terms
            .into_iter()
            .rfold(0.0, |sum, term| sum / freedom + term);
    }
    let is_below = |t: f64| {
        let ratio = t * t / freedom;
        if level < 0.5 {
            beta_reg(0.5, freedom / 2.0, 1.0 / (1.0 + 1.0 / ratio)) < level
        } else {
            beta_reg(freedom / 2.0, 0.5, 1.0 / (1.0 + ratio)) > 1.0 - level
        }
    };
    // Positive floats have the same order as their bits, so 64 halvings find the nearest float.
    let (mut below, mut above) = (0, f64::MAX.to_bits());
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if is_below(f64::from_bits(middle)) {
            below = middle;
        } else {
            above = middle;
        }
    }
    f64::from_bits(above)
}

/// The position of a calendar month in an array of twelve.
fn month_index(point: &Point) -> Result<usize, StatisticsError> {
    match point.month {
        1..=12 => Ok(usize::from(point.month) - 1),
        month => Err(StatisticsError::NotAMonth { month }),
    }
}

/// The mean of each calendar month over a base period: January first, in the unit of the points.
///
/// At least four fifths of the years must have a value for the month, as the WMO requires for a
/// climate normal (WMO-No. 1203). The function does not remove a trend within the base period;
/// [`seasonal_cycle`] does.
///
/// ```
/// use climate::{series::by_name, statistics::climatology};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let normals = climatology(&by_name("nino12")?.points, 1961..=1990)?;
/// let warmest = (1..=12).zip(normals).max_by(|a, b| a.1.total_cmp(&b.1));
/// assert_eq!(warmest.map(|(month, _)| month), Some(3)); // March
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// * [`StatisticsError::EmptyBase`] if the base period has no year.
/// * [`StatisticsError::TooFewYears`] if a calendar month has a value in fewer than four fifths of
///   the years.
/// * [`StatisticsError::NotAMonth`] if a point has no calendar month.
pub fn climatology(
    points: &[Point],
    base: RangeInclusive<i32>,
) -> Result<[f64; 12], StatisticsError> {
    let (from, to) = (*base.start(), *base.end());
    let years = u64::from(to.abs_diff(from)) + 1;
    if from > to {
        return Err(StatisticsError::EmptyBase { from, to });
    }
    let inside = points.iter().filter(|point| base.contains(&point.year));
    let months = Months::new(inside, (4 * years).div_ceil(5))?;
    Ok(months.map(|month| month.mean_value))
}

/// The departure of each point from the value of its calendar month, in the unit of the points.
/// Gaps stay gaps.
///
/// `cycle` holds twelve values, January first: a [`climatology`] for anomalies against a base
/// period, or a [`seasonal_cycle`] to remove the seasons and keep the mean and the trend.
///
/// ```
/// use climate::{series::by_name, statistics::{anomalies, climatology}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let nino = by_name("nino12")?;
/// let departures = anomalies(&nino.points, &climatology(&nino.points, 1961..=1990)?)?;
/// // The strong El Niño of 1982/83 at its height.
/// let june = departures.iter().find(|point| (point.year, point.month) == (1983, 6));
/// assert!(june.and_then(|point| point.value).is_some_and(|value| value > 4.0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`StatisticsError::NotAMonth`] if a point has no calendar month.
pub fn anomalies(points: &[Point], cycle: &[f64; 12]) -> Result<Vec<Point>, StatisticsError> {
    points
        .iter()
        .map(|point| {
            let normal = cycle[month_index(point)?];
            Ok(Point {
                value: point.value.map(|value| value - normal),
                ..*point
            })
        })
        .collect()
}

/// The mean annual cycle, free of trend: twelve departures from the annual mean, January first, in
/// the unit of the points. They add up to zero.
///
/// The function fits *y* = *b t* + *s*(calendar month) by least squares in one step. The slope *b*
/// is Σ (*t* − *t̄*ₘ)(*y* − *ȳ*ₘ) / Σ (*t* − *t̄*ₘ)², where *t̄*ₘ and *ȳ*ₘ are the means over the
/// calendar month of each value, and *s*ₘ = *ȳ*ₘ − *b t̄*ₘ (the "within" estimator of the analysis
/// of covariance). The trend and the gaps do not change the cycle. Without this cycle,
/// [`linear_trend`] finds the same slope *b*. Its standard error ignores the eleven degrees of
/// freedom of the cycle. This matters only for a few years of data.
///
/// ```
/// use climate::{series::by_name, statistics::seasonal_cycle};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cycle = seasonal_cycle(&by_name("co2")?.points)?;
/// assert!(cycle[4] > 2.5 && cycle[8] < -2.5); // most in May, least in September
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// * [`StatisticsError::TooFewYears`] if a calendar month has fewer than two values.
/// * [`StatisticsError::NotAMonth`] if a point has no calendar month.
pub fn seasonal_cycle(points: &[Point]) -> Result<[f64; 12], StatisticsError> {
    let months = Months::new(points.iter(), 2)?.0;
    let (mut products, mut squares) = (0.0, 0.0);
    for point in points {
        if let Some(value) = point.value {
            let month = &months[month_index(point)?];
            let time = point.time() - month.mean_time;
            products += time * (value - month.mean_value);
            squares += time * time;
        }
    }
    let slope = products / squares;
    let levels = months.map(|month| month.mean_value - slope * month.mean_time);
    let mean = levels.iter().sum::<f64>() / 12.0;
    Ok(levels.map(|level| level - mean))
}

/// The values of one calendar month in all years.
#[derive(Clone, Copy, Default)]
struct Month {
    count: u64,
    mean_time: f64,
    mean_value: f64,
}

/// The values of each calendar month in all years, January first.
struct Months([Month; 12]);

impl Months {
    fn new<'a>(
        points: impl Iterator<Item = &'a Point>,
        needed: u64,
    ) -> Result<Self, StatisticsError> {
        let mut months = [Month::default(); 12];
        for point in points {
            let month = &mut months[month_index(point)?];
            if let Some(value) = point.value {
                // The running mean moves by a share of each value.
                month.count += 1;
                month.mean_time += (point.time() - month.mean_time) / month.count as f64;
                month.mean_value += (value - month.mean_value) / month.count as f64;
            }
        }
        match (1..).zip(&months).find(|(_, month)| month.count < needed) {
            Some((month, Month { count, .. })) => Err(StatisticsError::TooFewYears {
                month,
                years: *count,
                needed,
            }),
            None => Ok(Self(months)),
        }
    }

    fn map(self, value: impl Fn(Month) -> f64) -> [f64; 12] {
        self.0.map(value)
    }
}

/// The centred moving mean of equally spaced values: one mean for each value, in the same unit.
///
/// An odd window of 2*k* + 1 contains a value and *k* values on either side. An even window of 2*k*
/// has no middle value. It contains a value and *k* values on either side, and the two outermost
/// count by half. So the weights add up to the window. For twelve monthly values this is the usual
/// mean over a year, without a seasonal cycle (the "2 × 12" moving average; Kendall and Stuart
/// 1966).
///
/// The mean leaves out gaps and the positions beyond the ends. If fewer than `min_count` values are
/// left, the result is a gap. The outermost values of an even window count by half. With a
/// `min_count` below `window`, a gap in a series with seasons shifts the mean towards the seasons
/// that have values. The computing time grows with the number of values times the window.
///
/// ```
/// use climate::statistics::moving_mean;
///
/// # fn main() -> Result<(), climate::statistics::StatisticsError> {
/// let values = [Some(1.0), Some(2.0), Some(6.0), None, Some(4.0)];
/// assert_eq!(moving_mean(&values, 3, 3)?, [None, Some(3.0), None, None, None]);
/// assert_eq!(moving_mean(&values, 3, 2)?, [Some(1.5), Some(3.0), Some(4.0), Some(5.0), None]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`StatisticsError::MinCount`] if `min_count` is 0 or above `window`.
pub fn moving_mean(
    values: &[Option<f64>],
    window: u32,
    min_count: u32,
) -> Result<Vec<Option<f64>>, StatisticsError> {
    if !(1..=window).contains(&min_count) {
        return Err(StatisticsError::MinCount { min_count, window });
    }
    let reach = window as usize / 2;
    let outermost = if window.is_multiple_of(2) { 0.5 } else { 1.0 };
    let mean = |centre: usize| {
        let first = centre.saturating_sub(reach);
        let last = centre.saturating_add(reach).min(values.len() - 1);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (index, value) in (first..=last).zip(&values[first..=last]) {
            if let Some(value) = value {
                let weight = if reach > 0 && index.abs_diff(centre) == reach {
                    outermost
                } else {
                    1.0
                };
                sum += weight * value;
                weights += weight;
            }
        }
        (weights >= f64::from(min_count)).then(|| sum / weights)
    };
    Ok((0..values.len()).map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::SeriesName;

    // The reference values were computed from the same files with Python 3, numpy 2.4.6 and scipy
    // 1.17.1, from the formulas that the functions cite: `scipy.stats.linregress` for lines,
    // `scipy.stats.t.ppf` for quantiles, `numpy.linalg.lstsq` on time and twelve month indicators
    // for the seasonal cycle, and `numpy.convolve(values, [.5, 1, …, 1, .5] / 12, 'valid')` for the
    // moving mean.

    fn close(value: f64, reference: f64) {
        let error = (value - reference).abs();
        assert!(
            error <= 1e-9 * reference.abs().max(1e-3),
            "{value} instead of {reference}"
        );
    }

    fn points(name: SeriesName) -> Vec<Point> {
        name.load().unwrap().points
    }

    fn columns(points: &[Point]) -> (Vec<f64>, Vec<Option<f64>>) {
        points
            .iter()
            .map(|point| (point.time(), point.value))
            .unzip()
    }

    fn seasonless_trend(name: SeriesName, level: f64, sample_size: SampleSize) -> Trend {
        let points = points(name);
        let rest = anomalies(&points, &seasonal_cycle(&points).unwrap()).unwrap();
        let (times, values) = columns(&rest);
        linear_trend(&times, &values, level, sample_size).unwrap()
    }

    fn at(points: &[Point], year: i32, month: u8) -> usize {
        points
            .iter()
            .position(|point| (point.year, point.month) == (year, month))
            .unwrap()
    }

    #[test]
    fn quantiles_are_those_of_scipy() {
        for (level, freedom, reference) in [
            (0.95, 1.0, 12.706204736174694),
            (0.95, 1.5, 6.016663104427929),
            (0.95, 2.0, 4.302652729749462),
            (0.9, 3.7, 2.1824938039146016),
            (0.95, 31.25, 2.0388523445900426),
            (0.99, 500.0, 2.5856978351419415),
            (0.5, 10.0, 0.6998120613124317),
            (0.999, 730.0, 3.30390430587309),
            (1.0 - 1e-12, 5.5, 290.5922882915833),
            // From `mpmath.betainc` with forty digits, because scipy is less exact here.
            (1e-9, 3.7, 1.3399022507121384e-09),
            (0.5, 1e6, 0.6744899955310873),
            (0.95, 9999.0, 1.9602012636213573),
            (0.95, 10000.0, 1.960201239890626),
            (1.0 - f64::EPSILON / 2.0, 1.0, 5734161139222659.0),
            (1e-9, 1e9, 1.2533141376288288e-09),
        ] {
            let quantile = student_t(level, freedom);
            assert!(
                (quantile / reference - 1.0).abs() < 3e-11,
                "{level} {freedom}: {quantile} instead of {reference}"
            );
        }
    }

    #[test]
    fn quantiles_are_finite_at_every_level() {
        for freedom in [1.0, 1.0001, 7.3, 1e3, 1e6, 1e9] {
            for level in [1e-300, 1e-9, 0.5, 1.0 - 1e-9, 1.0 - f64::EPSILON / 2.0] {
                let quantile = student_t(level, freedom);
                assert!(
                    quantile.is_finite() && quantile >= 0.0,
                    "{level} {freedom}: {quantile}"
                );
            }
        }
    }

    // Anscombe, F. J. (1973), Graphs in statistical analysis, The American Statistician 27, 17-21:
    // the first set.
    #[test]
    fn the_line_through_anscombes_first_set() {
        let times: Vec<f64> = (4..15).map(f64::from).collect();
        let values = [
            4.26, 5.68, 7.24, 4.82, 6.95, 8.81, 8.04, 8.33, 10.84, 7.58, 9.96,
        ]
        .map(Some);
        // The residuals alternate (r < 0). Then the effective sample size stays at eleven values.
        for sample_size in [SampleSize::Counted, SampleSize::Effective] {
            let trend = linear_trend(&times, &values, 0.95, sample_size).unwrap();
            close(trend.slope, 0.5000909090909091);
            close(trend.standard_error, 0.11790550059563411);
            close(trend.lower, 0.23337013638518744);
            close(trend.upper, 0.7668116817966308);
            close(trend.autocorrelation.unwrap(), -0.4225634594708495);
            close(trend.effective_count, 11.0);
        }
    }

    #[test]
    fn the_trend_of_the_raw_series_with_gaps() {
        let (times, values) = columns(&points(SeriesName::Co2));
        let trend = linear_trend(&times, &values, 0.95, SampleSize::Counted).unwrap();
        assert_eq!(trend.count, 521);
        close(trend.slope, 1.3373250627982634);
        close(trend.standard_error, 0.009546623418415027);
        close(trend.lower, 1.3185702883300583);
        close(trend.upper, 1.3560798372664684);
        close(trend.mean_time, 1980.257117722329);
        close(trend.mean_value, 339.8226647472809);
        close(trend.autocorrelation.unwrap(), 0.9043696813691859);
    }

    #[test]
    fn the_trend_without_seasons_and_with_the_correction() {
        let trend = seasonless_trend(SeriesName::Nino12, 0.9, SampleSize::Effective);
        close(trend.slope, 0.013490789705623136);
        close(trend.standard_error, 0.010556212352299107);
        close(trend.lower, -0.004387443227992935);
        close(trend.upper, 0.03136902263923921);
        close(trend.effective_count, 34.1700421839325);
        close(trend.autocorrelation.unwrap(), 0.9108029802717622);

        // If the months were independent, the warming would be significant at 99 %.
        let trend = seasonless_trend(SeriesName::Nino12, 0.99, SampleSize::Counted);
        close(trend.standard_error, 0.0022160140173248205);
        close(trend.lower, 0.007767754207813648);
        close(trend.upper, 0.019213825203432622);

        // The rise differs from the line for many years in sequence. So only four independent
        // values of 521 are left.
        let trend = seasonless_trend(SeriesName::Co2, 0.95, SampleSize::Effective);
        close(trend.slope, 1.3389430564111626);
        close(trend.standard_error, 0.1041593481656904);
        close(trend.lower, 0.8846364653044169);
        close(trend.upper, 1.7932496475179085);
        close(trend.effective_count, 3.972037469357417);
    }

    #[test]
    fn a_perfect_line_has_no_uncertainty() {
        let times: Vec<f64> = (0..50)
            .map(|month| 1950.0 + f64::from(month) / 12.0)
            .collect();
        let values: Vec<Option<f64>> = times.iter().map(|time| Some(0.1 * time - 3.0)).collect();
        let trend = linear_trend(&times, &values, 0.95, SampleSize::Effective).unwrap();
        close(trend.slope, 0.1);
        assert_eq!(trend.standard_error, 0.0);
        assert_eq!((trend.lower, trend.upper), (trend.slope, trend.slope));
        assert_eq!(trend.autocorrelation, None);
        assert_eq!(trend.effective_count, 50.0);
    }

    #[test]
    fn neighbours_across_a_gap_do_not_count() {
        let times: Vec<f64> = (0..9).map(f64::from).collect();
        let values: Vec<Option<f64>> = (0..9_i32)
            .map(|i| (i % 2 == 0).then(|| f64::from(i * i % 7)))
            .collect();
        let trend = |sample_size| linear_trend(&times, &values, 0.95, sample_size);
        assert_eq!(trend(SampleSize::Counted).unwrap().autocorrelation, None);
        assert_eq!(
            trend(SampleSize::Effective),
            Err(StatisticsError::NoAutocorrelation)
        );
    }

    #[test]
    fn unfit_data_are_refused() {
        let trend = |times: &[f64], values: &[Option<f64>], level| {
            linear_trend(times, values, level, SampleSize::Effective).unwrap_err()
        };
        let some = [Some(1.0), Some(2.0), Some(4.0)];
        let times = [1.0, 2.0, 3.0];
        for level in [0.0, 1.0, -0.5, f64::NAN] {
            let error = trend(&times, &some, level);
            assert!(matches!(error, StatisticsError::Level { .. }), "{error}");
        }
        assert_eq!(
            trend(&times[..2], &some, 0.95).to_string(),
            "2 times for 3 values"
        );
        assert_eq!(
            trend(&[1.0, 2.0, f64::NAN], &some, 0.95).to_string(),
            "time 2 is not finite"
        );
        assert_eq!(
            trend(&times, &[Some(1.0), Some(f64::INFINITY), None], 0.95).to_string(),
            "value 1 is not finite"
        );
        assert_eq!(
            trend(&[1.0, 1.0, 2.0], &some, 0.95).to_string(),
            "time 1 is not after the one before it"
        );
        assert_eq!(
            trend(&times, &[Some(1.0), None, Some(2.0)], 0.95).to_string(),
            "2 values are too few: a trend needs 3"
        );
        assert_eq!(
            trend(&[], &[], 0.95),
            StatisticsError::TooFewValues {
                count: 0,
                needed: 3
            }
        );
        assert_eq!(
            trend(&times, &[Some(1e308), Some(-1e308), Some(1e308)], 0.95),
            StatisticsError::Overflow
        );
        assert_eq!(
            trend(&times, &[Some(1e-200), Some(-1e-200), Some(1e-200)], 0.95),
            StatisticsError::Overflow
        );
        assert_eq!(
            trend(&[0.0, 1e-200, 2e-200], &some, 0.95),
            StatisticsError::Overflow
        );
    }

    #[test]
    fn a_long_swing_leaves_too_little() {
        let times: Vec<f64> = (0..100).map(f64::from).collect();
        let values: Vec<Option<f64>> = times.iter().map(|time| Some(time * time)).collect();
        let error = linear_trend(&times, &values, 0.95, SampleSize::Effective).unwrap_err();
        assert!(
            matches!(error, StatisticsError::TooFewIndependent { count: 100, .. }),
            "{error}"
        );
    }

    #[test]
    fn normals_of_both_series() {
        let co2 = [
            332.752833333333,
            333.948850574713,
            334.853793103448,
            336.048103448276,
            336.087166666667,
            335.571833333333,
            334.194333333333,
            332.295777777778,
            330.671055555556,
            330.620666666667,
            331.806833333333,
            333.0115,
        ];
        let nino = [
            24.366666666667,
            25.712666666667,
            26.016666666667,
            25.298666666667,
            24.028666666667,
            22.728,
            21.628,
            20.743333333333,
            20.466,
            20.756666666667,
            21.517,
            22.656,
        ];
        for (name, reference) in [(SeriesName::Co2, co2), (SeriesName::Nino12, nino)] {
            let normals = climatology(&points(name), 1961..=1990).unwrap();
            for (value, reference) in normals.into_iter().zip(reference) {
                close(value, reference);
            }
        }
    }

    #[test]
    fn a_normal_needs_four_fifths_of_the_years() {
        let co2 = points(SeriesName::Co2);
        // February 1964 is a gap: nine of ten years are enough, three of four are not.
        assert!(climatology(&co2, 1960..=1969).is_ok());
        assert_eq!(
            climatology(&co2, 1962..=1965),
            Err(StatisticsError::TooFewYears {
                month: 2,
                years: 3,
                needed: 4
            })
        );
        #[allow(clippy::reversed_empty_ranges)] // what is tested
        let empty = climatology(&co2, 1990..=1961);
        assert_eq!(
            empty,
            Err(StatisticsError::EmptyBase {
                from: 1990,
                to: 1961
            })
        );
        assert!(climatology(&co2, i32::MIN..=i32::MAX).is_err());
    }

    #[test]
    fn anomalies_keep_gaps() {
        let nino = points(SeriesName::Nino12);
        let departures = anomalies(&nino, &climatology(&nino, 1961..=1990).unwrap()).unwrap();
        close(departures[at(&nino, 1983, 6)].value.unwrap(), 4.702);

        let co2 = points(SeriesName::Co2);
        let departures = anomalies(&co2, &climatology(&co2, 1961..=1990).unwrap()).unwrap();
        for (point, departure) in co2.iter().zip(departures) {
            assert_eq!(point.value.is_none(), departure.value.is_none());
        }
    }

    #[test]
    fn the_seasonal_cycle_of_co2() {
        let reference = [
            -0.057723793963,
            0.558382470636,
            1.450793254894,
            2.538323193991,
            2.955186729533,
            2.217057684471,
            0.763999250434,
            -1.270117216388,
            -3.013892774119,
            -3.242163644411,
            -2.017996919885,
            -0.881848235191,
        ];
        let cycle = seasonal_cycle(&points(SeriesName::Co2)).unwrap();
        for (value, reference) in cycle.into_iter().zip(reference) {
            close(value, reference);
        }
    }

    #[test]
    fn a_known_cycle_is_found_under_a_trend_and_gaps() {
        let mut known = [
            5.0, 3.0, 1.0, 0.0, -2.0, -4.0, -6.0, -3.0, -1.0, 1.0, 2.0, 4.0,
        ];
        let made: Vec<Point> = (2000..2004)
            .flat_map(|year| (1..=12).map(move |month| (year, month)))
            .map(|(year, month)| {
                let mut point = Point {
                    year,
                    month,
                    value: None,
                };
                if (year, month) != (2001, 3) && (year, month) < (2003, 9) {
                    point.value = Some(known[usize::from(month) - 1] + 7.0 * point.time());
                }
                point
            })
            .collect();
        let mean = known.iter().sum::<f64>() / 12.0;
        known = known.map(|value| value - mean);
        for (value, reference) in seasonal_cycle(&made).unwrap().into_iter().zip(known) {
            assert!((value - reference).abs() < 1e-8, "{value} {reference}");
        }
        assert_eq!(
            seasonal_cycle(&made[..23]),
            Err(StatisticsError::TooFewYears {
                month: 3,
                years: 1,
                needed: 2
            })
        );
    }

    #[test]
    fn months_outside_the_calendar_are_refused() {
        for month in [0, 13] {
            let point = [Point {
                year: 2000,
                month,
                value: Some(1.0),
            }];
            let error = StatisticsError::NotAMonth { month };
            assert_eq!(anomalies(&point, &[0.0; 12]), Err(error.clone()));
            assert_eq!(seasonal_cycle(&point), Err(error.clone()));
            assert_eq!(climatology(&point, 2000..=2000), Err(error));
        }
    }

    #[test]
    fn moving_means_over_a_year() {
        let nino = points(SeriesName::Nino12);
        let (_, values) = columns(&nino);
        let means = moving_mean(&values, 12, 12).unwrap();
        assert_eq!(means.iter().flatten().count(), 720);
        for (year, month, reference) in [
            (1950, 7, 21.99833333333333),
            (1983, 1, 25.861249999999995),
            (2010, 6, 22.844999999999995),
        ] {
            close(means[at(&nino, year, month)].unwrap(), reference);
        }

        let co2 = points(SeriesName::Co2);
        let (_, values) = columns(&co2);
        let means = moving_mean(&values, 12, 12).unwrap();
        assert_eq!(means.iter().flatten().count(), 491);
        assert_eq!(
            means.iter().position(Option::is_some),
            Some(at(&co2, 1959, 5))
        );
        close(means[at(&co2, 1959, 5)].unwrap(), 315.87152777777777);
        close(means[at(&co2, 2001, 6)].unwrap(), 370.78791666666666);
    }

    #[test]
    fn windows_of_any_size() {
        let values = [Some(1.0), None, Some(4.0)];
        assert_eq!(moving_mean(&values, 1, 1).unwrap(), values);
        // A window of two has the weights 1/2, 1, 1/2. Around the gap, the outermost values 1 and 4
        // together count as one value.
        assert_eq!(
            moving_mean(&values, 2, 1).unwrap(),
            [Some(1.0), Some(2.5), Some(4.0)]
        );
        assert_eq!(moving_mean(&values, 2, 2).unwrap(), [None, None, None]);
        assert_eq!(
            moving_mean(&values, u32::MAX, 1).unwrap(),
            [Some(2.5), Some(2.5), Some(2.5)]
        );
        assert_eq!(moving_mean(&[], 3, 1).unwrap(), []);
        for (window, min_count) in [(0, 0), (3, 0), (3, 4)] {
            assert_eq!(
                moving_mean(&values, window, min_count),
                Err(StatisticsError::MinCount { min_count, window })
            );
        }
    }
}
