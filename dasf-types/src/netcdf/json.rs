//! The JSON form: a NetCDF-3 file in base64, as in the Python package `demessaging`.

#[cfg(feature = "schemars")]
use std::borrow::Cow;
use std::fmt;

#[cfg(feature = "schemars")]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use super::array::DataArray;
use super::dataset::Dataset;
use super::error::NetcdfError;
use crate::base64;

/// Reads a base64 string with a function that reads a file.
struct Text<T> {
    read: fn(&[u8]) -> Result<T, NetcdfError>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a NetCDF-3 file in base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        base64::decode(text)
            .map_err(|reason| NetcdfError::Base64 { reason })
            .and_then(|bytes| (self.read)(&bytes))
            .map_err(E::custom)
    }
}

macro_rules! json {
    ($type:ident, $description:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let bytes = self.to_netcdf().map_err(ser::Error::custom)?;
                serializer.collect_str(&base64::Encoded(&bytes))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let read = $type::from_netcdf;
                deserializer.deserialize_str(Text { read })
            }
        }

        #[cfg(feature = "schemars")]
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn schema_id() -> Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($type)).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "title": stringify!($type),
                    "description": $description,
                    "type": "string",
                    "format": "base64",
                    "contentEncoding": "base64",
                    "contentMediaType": "application/x-netcdf",
                })
            }
        }
    };
}

json!(
    DataArray,
    "An array with coordinates: a NetCDF-3 file with one variable, in base64."
);
json!(
    Dataset,
    "Variables with coordinates: a NetCDF-3 file, in base64."
);
