//! Features on a map.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::geometry::Geometry;
#[cfg(feature = "schemars")]
use super::response_type;
use super::{named_schema, only};

only!(GeoJsonType = "geojson");
only!(CollectionType = "FeatureCollection");
only!(FeatureType = "Feature");

/// Features with a title, which a page shows on a map.
///
/// [The documentation of the module](super) has an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeoJson {
    #[serde(default)]
    response_type: GeoJsonType,
    /// The features.
    pub data: FeatureCollection,
    /// How to draw the features: a renderer of the ArcGIS Maps SDK for JavaScript.
    #[serde(default)]
    pub renderer: Option<Map<String, Value>>,
    /// The name of the layer on the map.
    #[serde(default = "untitled")]
    pub title: String,
}

/// The title that the Python package gives.
fn untitled() -> String {
    "GeoJSON".to_owned()
}

impl GeoJson {
    /// Makes a layer of features.
    pub fn new(title: impl Into<String>, features: impl IntoIterator<Item = Feature>) -> Self {
        Self {
            title: title.into(),
            ..features.into_iter().collect()
        }
    }

    /// Returns the features.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.data.features
    }
}

impl FromIterator<Feature> for GeoJson {
    /// Makes a layer with the title `GeoJSON`.
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        Self {
            response_type: GeoJsonType::Only,
            data: FeatureCollection {
                kind: CollectionType::Only,
                features: features.into_iter().collect(),
                crs: None,
            },
            renderer: None,
            title: untitled(),
        }
    }
}

named_schema!(GeoJson as "GeoJson", |generator| {
    let mut data = generator.subschema_for::<FeatureCollection>();
    data.insert("description".to_owned(), "The features.".into());
    schemars::json_schema!({
        "description": "Features on a map.",
        "properties": {
            "response_type": response_type("geojson"),
            "data": data,
            "renderer": {
                "anyOf": [{"additionalProperties": true, "type": "object"}, {"type": "null"}],
                "default": null,
                "description": "How to draw the features: a renderer of the ArcGIS Maps SDK for JavaScript.",
            },
            "title": {
                "default": untitled(),
                "description": "The name of the layer on the map.",
                "type": "string",
            },
        },
        "required": ["data"],
        "type": "object",
    })
});

/// The features of a [`GeoJson`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureCollection {
    #[serde(rename = "type")]
    kind: CollectionType,
    /// The features.
    pub features: Vec<Feature>,
    /// The coordinate reference system. `None` is WGS 84, longitude and latitude in degrees, the only
    /// one in RFC 7946.
    #[serde(default)]
    pub crs: Option<Map<String, Value>>,
}

named_schema!(FeatureCollection as "GeoJsonData", |generator| schemars::json_schema!({
    "properties": {
        "type": {"description": "`FeatureCollection`.", "type": "string"},
        "features": {
            "description": "The features.",
            "items": generator.subschema_for::<Feature>(),
            "type": "array",
        },
        "crs": {
            "anyOf": [{"additionalProperties": true, "type": "object"}, {"type": "null"}],
            "default": null,
            "description": "The coordinate reference system; null for longitude and latitude in degrees.",
        },
    },
    "required": ["type", "features"],
    "type": "object",
}));

/// A geometry with properties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// The name of the feature in its collection.
    pub id: String,
    #[serde(rename = "type")]
    kind: FeatureType,
    /// What a page shows when the feature is selected.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// The place.
    pub geometry: Geometry,
}

impl Feature {
    /// Makes a feature without properties.
    pub fn new(id: impl Into<String>, geometry: Geometry) -> Self {
        Self {
            id: id.into(),
            kind: FeatureType::Only,
            properties: Map::new(),
            geometry,
        }
    }

    /// Adds a property.
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.properties.insert(name.into(), value.into());
        self
    }
}

named_schema!(Feature as "GeoJsonFeature", |_generator| schemars::json_schema!({
    "description": "A geometry with properties.",
    "properties": {
        "id": {"description": "The name of the feature in its collection.", "type": "string"},
        "type": {"description": "`Feature`.", "type": "string"},
        "properties": {
            "type": "object",
            "additionalProperties": true,
            "description": "What a page shows when the feature is selected.",
        },
        "geometry": {
            "additionalProperties": true,
            "description": "A geometry of RFC 7946.",
            "type": "object",
        },
    },
    "required": ["id", "type", "geometry"],
    "type": "object",
}));

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: &str = r#"{"response_type":"geojson","data":{"type":"FeatureCollection","features":[{"id":"0","type":"Feature","properties":{"name":"Elbe","depth":2},"geometry":{"type":"Point","coordinates":[10.0,53.5]}}],"crs":null},"renderer":null,"title":"Gauges"}"#;

    #[test]
    fn the_bytes_are_those_of_the_python_package() {
        let gauge = Feature::new("0", Geometry::point(10.0, 53.5))
            .with_property("name", "Elbe")
            .with_property("depth", 2);
        let map = GeoJson::new("Gauges", [gauge]);
        assert_eq!(serde_json::to_string(&map).unwrap(), PYTHON);
        assert_eq!(serde_json::from_str::<GeoJson>(PYTHON).unwrap(), map);
    }

    #[test]
    fn what_has_a_default_may_be_left_out() {
        let json = r#"{"data": {"type": "FeatureCollection", "features": []}, "more": 1}"#;
        let map: GeoJson = serde_json::from_str(json).unwrap();
        assert_eq!(map, GeoJson::new("GeoJSON", []));
    }

    #[test]
    fn other_types_are_refused() {
        for (json, problem) in [
            (
                r#"{"response_type": "datasource"}"#,
                "unknown variant `datasource`, expected `geojson`",
            ),
            (
                r#"{"data": {"type": "Feature"}}"#,
                "expected `FeatureCollection`",
            ),
            (
                r#"{"data": {"type": "FeatureCollection", "features": [{"id": 1}]}}"#,
                "expected a string",
            ),
            (
                r#"{"data": {"type": "FeatureCollection", "features": [{"id": "1", "type": "Feature"}]}}"#,
                "missing field `geometry`",
            ),
        ] {
            let error = serde_json::from_str::<GeoJson>(json).unwrap_err();
            assert!(error.to_string().contains(problem), "{json}: {error}");
        }
    }
}
