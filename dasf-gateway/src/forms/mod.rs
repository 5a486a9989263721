//! Arguments and results in other forms than JSON: query parameters, multipart, bytes, CSV, GeoJSON, NetCDF and
//! images.

pub(crate) mod accept;
pub(crate) mod argument;
pub(crate) mod body;
mod csv;
mod file;
pub(crate) mod result;

pub(crate) use accept::Accept;
pub(crate) use body::Sent;
pub(crate) use result::ResultForms;
