//! Types for the arguments and results of module functions: bytes, arrays, NetCDF data, dates and
//! times, and results that pages show as maps, tables and plots.
//!
//! A function can take and return any type with a JSON form and a JSON schema. This crate has types
//! for data that lacks them, or whose usual JSON form existing callers do not understand. The crate
//! `dasf` re-exports them.
//!
//! | data | type | in JSON |
//! |---|---|---|
//! | bytes | [`Base64`] | a string in base64 |
//! | arrays of the crate `ndarray` | `ndarray::Array1` …, with the feature `ndarray` | nested lists |
//! | arrays and datasets of xarray | `netcdf::DataArray` …, with the feature `netcdf` | a NetCDF file in base64 |
//! | series, tables, maps, files and links, which pages show | `present::Series` …, with the feature `present` | objects with a property `response_type` |
//! | dates and times of the crate `time` | `time::OffsetDateTime` …, with the feature `time` | a string as in RFC 3339 |

mod base64;
#[cfg(feature = "ndarray")]
pub mod ndarray;
#[cfg(feature = "netcdf")]
pub mod netcdf;
#[cfg(feature = "present")]
pub mod present;
#[cfg(feature = "time")]
pub mod time;

pub use base64::Base64;
