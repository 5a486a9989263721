//! Types of arguments and results whose JSON form no other crate gives them.
//!
//! A function of a module takes and returns any type that has a JSON form and a JSON Schema. This
//! crate is for data that has neither of its own, or another one than the callers of today
//! understand. The crate `dasf` re-exports it.
//!
//! | data | type | in JSON |
//! |---|---|---|
//! | bytes | [`Base64`] | text in base64 |
//! | arrays of the crate `ndarray` | `ndarray::Array1` …, with the feature `ndarray` | nested lists |
//! | arrays and datasets of xarray | `netcdf::DataArray` …, with the feature `netcdf` | a NetCDF file in base64 |
//! | dates and times of the crate `time` | `time::OffsetDateTime` …, with the feature `time` | text as in RFC 3339 |

mod base64;
#[cfg(feature = "ndarray")]
pub mod ndarray;
#[cfg(feature = "netcdf")]
pub mod netcdf;
#[cfg(feature = "time")]
pub mod time;

pub use base64::Base64;
