//! Results that pages, terminals and clients show as what they are, and places as arguments.
//!
//! A number, a text or a list says nothing about how to show it. These types do: each has a property
//! `response_type` in its JSON form. The widget of DASF for ArcGIS, the command `dasf` and generated
//! clients recognise it.
//!
//! | type | `response_type` | shown as |
//! |---|---|---|
//! | [`GeoJson`] | `geojson` | a map |
//! | [`DataSource`] | `datasource` | a table |
//! | [`Series`] | `series` | a plot |
//! | [`BinaryFile`] | `categorical_button` | a file to download |
//! | [`ExternalLink`] | `categorical_button` | a link |
//! | [`Multiple`] | `multiple` | several of them, except series |
//!
//! [`GeoLocation`] and [`GeoArea`] are arguments. Their schemas have a property `uiSchema`, which
//! tells a form to let the user pick a point or draw an area on a map.
//!
//! The JSON forms are those of the Python package `dasf-exb-reference`, so modules and callers in
//! Python and Rust understand each other. Only [`Series`] is not in that package. For a caller
//! that needs its forms, convert a series to a [`DataSource`].
//!
//! ```
//! use dasf_types::present::{Feature, GeoJson, GeoLocation, Geometry};
//!
//! /// The stations around a place.
//! fn stations(around: GeoLocation) -> GeoJson {
//!     let station = Feature::new("hamburg", Geometry::point(10.0, 53.55));
//!     let centre = Feature::new("centre", around.into());
//!     GeoJson::new("Stations", [station.with_property("height", 14.0), centre])
//! }
//!
//! let map = stations(GeoLocation { lon: 9.5, lat: 53.5 });
//! let json = serde_json::to_value(&map)?;
//! assert_eq!(json["response_type"], "geojson");
//! assert_eq!(json["data"]["features"][0]["properties"]["height"], 14.0);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod button;
mod error;
mod geojson;
mod geometry;
mod multiple;
mod place;
mod records;
mod series;

pub use self::button::{BinaryFile, ExternalLink};
pub use self::error::PresentError;
pub use self::geojson::{Feature, FeatureCollection, GeoJson};
pub use self::geometry::{Geometry, Position};
pub use self::multiple::{Multiple, Response};
pub use self::place::{GeoArea, GeoLocation};
pub use self::records::{DataSource, Field, Record};
pub use self::series::{
    Column, Index, IndexValues, Observation, Series, SeriesError, Stamp, Timestamp, TimestampError,
};
/// The object of JSON in which [`Feature::properties`] and others are, in the version that this
/// crate uses.
pub use serde_json::Map;
/// A value of JSON, in the version that this crate uses.
pub use serde_json::Value;

/// Declares the type of a property that has one value.
macro_rules! only {
    ($name:ident = $text:literal) => {
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize,
        )]
        pub(super) enum $name {
            #[default]
            #[serde(rename = $text)]
            Only,
        }
    };
}
use only;

/// Implements `JsonSchema` for a type with a name.
macro_rules! named_schema {
    ($type:ident as $name:literal, |$generator:ident| $schema:expr) => {
        #[cfg(feature = "schemars")]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!("dasf_types::present::", stringify!($type)).into()
            }

            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
use named_schema;

/// Returns the schema of the property `response_type`.
#[cfg(feature = "schemars")]
fn response_type(value: &str) -> Value {
    serde_json::json!({"const": value, "default": value, "type": "string"})
}
