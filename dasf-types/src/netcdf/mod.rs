//! Arrays with coordinates, sent as NetCDF: [`DataArray`] and [`Dataset`], the counterparts of
//! `xarray.DataArray` and `xarray.Dataset`.
//!
//! Their JSON form is the one of the Python package `demessaging`: a NetCDF-3 classic file in
//! base64. A Python caller passes and receives `xarray` objects.
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
//! Values are arrays of the crate [`ndarray`], times are those of the crate `chrono`.
//!
//! # What a file holds
//!
//! NetCDF-3 has integers of 8, 16 and 32 bits, numbers of single and double precision, and
//! characters. By the CF conventions and those of xarray, attributes make more of them. Reading
//! undoes each of these, and takes the attributes away; writing does it again:
//!
//! | in the file | read as | written |
//! |---|---|---|
//! | integers, without `_FillValue` | [`I8`](Values::I8), [`I16`](Values::I16), [`I32`](Values::I32) | as they are |
//! | numbers | [`F32`](Values::F32), [`F64`](Values::F64) | with `_FillValue` NaN |
//! | `_FillValue` or `missing_value` | NaN in their place; integers become [`F32`](Values::F32), of 32 bits [`F64`](Values::F64) | as NaN |
//! | `scale_factor`, `add_offset` | unpacked, to [`F32`](Values::F32) or [`F64`](Values::F64) as in xarray, but never so that digits are lost | unpacked |
//! | `_Unsigned = "true"` | the next larger type: [`I16`](Values::I16), [`I32`](Values::I32), [`F64`](Values::F64) | in this type |
//! | `dtype = "bool"` | [`Bool`](Values::Bool) | as 8-bit integers |
//! | characters, along a dimension of their own | [`Text`](Values::Text), without the NULs at the end | as UTF-8, along a dimension `string7` for 7 bytes |
//! | `units = "days since …"` in a calendar of the real world | [`Time`](Values::Time) | in the coarsest units that are exact |
//! | `units = "days since …"` in another calendar, or not understood | numbers, with `units` and `calendar` | as they are |
//! | `units = "days"` with `dtype = "timedelta64[…]"` | [`Duration`](Values::Duration) | in the coarsest units that are exact |
//! | `units = "days"` without `dtype` | numbers, with `units`; [`Variable::to_durations`] reads them as durations, as which older xarray wrote them | as they are |
//! | an unlimited dimension | a dimension like others | with its length |
//!
//! The calendars of the real world are `standard` (also called `gregorian`), which is taken where
//! none is named, and `proleptic_gregorian`. In `standard`, a reference date before 1582-10-15 is
//! one of the Julian calendar, and so counted; dates before that day are not turned to others, but
//! stay numbers. Model years of 360 days and the like stay numbers as well, so that nothing is
//! lost when an array is passed on; [`Variable::to_times`] says why they are no times.
//!
//! Python has integers of 64 bits, and writes them with 32 if they fit. For Rust's larger integers
//! there is [`Values::integers`].
//!
//! A coordinate is a variable with the name of a dimension, or one that an attribute `coordinates`
//! lists. Files of the variants CDF-1 (`NETCDF3_CLASSIC`) and CDF-2 (`NETCDF3_64BIT`) are read,
//! CDF-1 is written.
//!
//! # Limits
//!
//! A file that arrives may claim anything. Reading takes memory in proportion to the length of the
//! file, and ends with a [`NetcdfError`] whatever its bytes are. The most that was seen is 24 times
//! the length for times stored in bytes, 60 times for texts of one byte each, and 80 times for very
//! long names of dimensions; numbers take a few times the length. What a module accepts is limited by
//! the size of its requests. Crates that read this format
//! refuse names that are not UTF-8, which `scipy` writes, or trust the lengths in the header; so
//! the format is read and written here.
//!
//! - An array has at most 64 dimensions, as in NumPy. A file has less than 2 GiB.
//! - A name has at most 256 bytes, as in the netCDF library.
//! - Names are written in Latin-1, since `scipy` reads no others. Attributes and texts can have any
//!   characters, but no NUL at their end.
//! - An array of length zero along any dimension but the first can be written, but `scipy` cannot
//!   read it, not even from itself.
//! - Nanoseconds are exact over 104 days from midnight before the first of the times, microseconds
//!   over 285 years; what is beyond is refused when it is written. xarray itself reads times up to
//!   292 years after the first one, unless Python has the package `cftime`.

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
/// The crate of the arrays, in the version used here.
pub use ndarray;
