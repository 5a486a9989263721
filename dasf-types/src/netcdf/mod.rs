//! Arrays with coordinates, sent as NetCDF: [`DataArray`] and [`Dataset`], the counterparts of
//! `xarray.DataArray` and `xarray.Dataset`.
//!
//! Their JSON form is a NetCDF-3 classic file in base64, as in the Python package `demessaging`. A
//! Python caller passes and receives `xarray` objects.
//!
//! ```
//! use dasf_types::netcdf::{DataArray, NetcdfError};
//!
//! /// Departures from the mean.
//! fn anomalies(series: &DataArray) -> Result<DataArray, NetcdfError> {
//!     let values = series.to_f64()?;
//!     let mean = values.mean().unwrap_or_default();
//!     // With the name and the coordinates of the series.
//!     series.derive(series.dims(), values - mean)
//! }
//!
//! let series = DataArray::new(["time"], [1.0, 2.0, 6.0])?.with_name("level");
//! let expected = DataArray::new(["time"], [-2.0, -1.0, 3.0])?.with_name("level");
//! assert_eq!(anomalies(&series)?, expected);
//! # Ok::<(), NetcdfError>(())
//! ```
//!
//! Values are arrays of the crate [`ndarray`], and times are those of the crate `chrono`.
//!
//! # The contents of a file
//!
//! NetCDF-3 has integers of 8, 16 and 32 bits, floats of single and double precision, and
//! characters. The conventions of CF and of xarray define further types by attributes. Reading
//! converts the values and removes these attributes. Writing adds them again:
//!
//! | in the file | read as | written |
//! |---|---|---|
//! | integers, without `_FillValue` | [`I8`](Values::I8), [`I16`](Values::I16), [`I32`](Values::I32) | unchanged |
//! | floats | [`F32`](Values::F32), [`F64`](Values::F64) | with `_FillValue` NaN |
//! | `_FillValue` or `missing_value` | NaN in their place; integers become [`F32`](Values::F32), those of 32 bits [`F64`](Values::F64) | as NaN |
//! | `scale_factor`, `add_offset` | unpacked to [`F32`](Values::F32) or [`F64`](Values::F64) as in xarray, but without losing digits | unpacked |
//! | `_Unsigned = "true"` | the next larger type: [`I16`](Values::I16), [`I32`](Values::I32), [`F64`](Values::F64) | in this type |
//! | `dtype = "bool"` | [`Bool`](Values::Bool) | as 8-bit integers |
//! | characters, along their own dimension | [`Text`](Values::Text), without the NULs at the end | as UTF-8, along a dimension `string7` for 7 bytes |
//! | `units = "days since …"` in a calendar of the real world | [`Time`](Values::Time) | in the coarsest units that are exact |
//! | `units = "days since …"` in another calendar, or not valid | numbers, with `units` and `calendar` | unchanged |
//! | `units = "days"` with `dtype = "timedelta64[…]"` | [`Duration`](Values::Duration) | in the coarsest units that are exact |
//! | `units = "days"` without `dtype` | numbers, with `units`; [`Variable::to_durations`] converts them to durations, because older xarray wrote durations in this form | unchanged |
//! | an unlimited dimension | an ordinary dimension | with its length |
//!
//! The calendars of the real world are `standard` (also called `gregorian`) and
//! `proleptic_gregorian`. The default is `standard`. In `standard`, a reference date before
//! 1582-10-15 is a date of the Julian calendar. Values before that day are not converted to times
//! and stay numbers. Values in calendars of models, for example with years of 360 days, also stay
//! numbers. So nothing is lost when an array is passed on. [`Variable::to_times`] reports why they
//! are not times.
//!
//! Python has integers of 64 bits, and writes them with 32 bits if they fit. For Rust's larger
//! integers, use [`Values::integers`].
//!
//! A coordinate is a variable with the name of a dimension, or one that an attribute `coordinates`
//! lists. Files of the variants CDF-1 (`NETCDF3_CLASSIC`) and CDF-2 (`NETCDF3_64BIT`) can be read;
//! files are written as CDF-1.
//!
//! # Limits
//!
//! A file from a peer may contain any bytes. Reading needs memory in proportion to the length of
//! the file, and returns a [`NetcdfError`] for invalid bytes. Numbers need a few times the length
//! of the file. The highest measured factors are 24 for times stored in bytes, 60 for strings of
//! one byte each, and 80 for very long names of dimensions. The limit on the size of requests also
//! limits the files that a module reads. Other crates for this format reject names that are not
//! UTF-8, which `scipy` writes, or trust the lengths in the header. Therefore this crate reads and
//! writes the format itself.
//!
//! - An array has at most 64 dimensions, as in NumPy. A file has less than 2 GiB.
//! - A name has at most 256 bytes, as in the netCDF library.
//! - Names are written in Latin-1, because `scipy` reads only this. Attributes and strings can have
//!   any characters, but no NUL at their end.
//! - An array with length zero along any dimension but the first can be written. However, `scipy`
//!   cannot read such a file, even if it wrote the file itself.
//! - Nanoseconds are exact over 104 days from midnight before the first of the times, and
//!   microseconds over 285 years. Times beyond this cannot be written. xarray itself reads times up
//!   to 292 years after the first one, or more with the Python package `cftime`.

mod array;
mod attributes;
mod cf;
mod dataset;
mod error;
mod format;
mod json;
mod time;
mod values;
mod variable;

#[cfg(test)]
mod tests;

pub use self::array::DataArray;
pub use self::attributes::{Attribute, Attributes};
pub use self::dataset::Dataset;
pub use self::error::NetcdfError;
pub use self::values::{Element, Value, Values};
pub use self::variable::Variable;
/// The crate of the arrays, in the version that this crate uses.
pub use ndarray;
