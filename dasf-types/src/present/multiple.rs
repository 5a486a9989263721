//! Several results in one.

use std::fmt;

use serde::de::{self, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::button::{BinaryFile, ExternalLink, downloads, unnamed};
use super::geojson::{FeatureCollection, GeoJson};
use super::records::{DataSource, Record};
#[cfg(feature = "schemars")]
use super::response_type;
use super::{named_schema, only};
use crate::Base64;

only!(MultipleType = "multiple");

/// Several results, which a page shows one after the other.
///
/// ```
/// use dasf_types::present::{DataSource, ExternalLink, Multiple};
///
/// let table = DataSource::new("nothing", []);
/// let manual = ExternalLink::new("https://example.org/manual")?;
/// let both = Multiple::new([table.into(), manual.into()]);
/// assert_eq!(both.data.len(), 2);
/// # Ok::<(), dasf_types::present::PresentError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Multiple {
    #[serde(default)]
    response_type: MultipleType,
    /// The results in their order.
    pub data: Vec<Response>,
}

impl Multiple {
    /// Makes one result of several.
    pub fn new(data: impl IntoIterator<Item = Response>) -> Self {
        data.into_iter().collect()
    }
}

impl<R: Into<Response>> FromIterator<R> for Multiple {
    fn from_iter<I: IntoIterator<Item = R>>(data: I) -> Self {
        Self {
            response_type: MultipleType::Only,
            data: data.into_iter().map(Into::into).collect(),
        }
    }
}

named_schema!(Multiple as "MultipleResponses", |generator| schemars::json_schema!({
    "description": "Several results in one.",
    "properties": {
        "response_type": response_type("multiple"),
        "data": {
            "description": "The results in their order.",
            "items": {
                "anyOf": [
                    generator.subschema_for::<GeoJson>(),
                    generator.subschema_for::<DataSource>(),
                    generator.subschema_for::<BinaryFile>(),
                    generator.subschema_for::<ExternalLink>(),
                ],
            },
            "type": "array",
        },
    },
    "required": ["data"],
    "type": "object",
}));

/// One of the results of a [`Multiple`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Response {
    /// Features on a map.
    GeoJson(GeoJson),
    /// A table.
    DataSource(DataSource),
    /// A file.
    BinaryFile(BinaryFile),
    /// A link.
    ExternalLink(ExternalLink),
}

macro_rules! responses {
    ($($type:ident)*) => {$(
        impl From<$type> for Response {
            fn from(response: $type) -> Self {
                Self::$type(response)
            }
        }
    )*};
}
responses!(GeoJson DataSource BinaryFile ExternalLink);

/// The properties of all results. `Deserialize` of an untagged enum would keep the whole JSON in
/// memory, in a much larger form.
#[derive(Deserialize)]
struct Properties {
    response_type: Option<String>,
    data: Option<Data>,
    renderer: Option<Map<String, Value>>,
    title: Option<String>,
    records: Option<Vec<Record>>,
    name: Option<String>,
    category: Option<String>,
    text: Option<String>,
    filename: Option<String>,
    mimetype: Option<String>,
    href: Option<String>,
}

/// The property `data`.
enum Data {
    Features(FeatureCollection),
    Bytes(Base64),
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DataVisitor;
        impl<'de> Visitor<'de> for DataVisitor {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the features of GeoJSON, or bytes in base64")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Data, E> {
                Base64::deserialize(de::value::StrDeserializer::new(text)).map(Data::Bytes)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Data, A::Error> {
                let features = de::value::MapAccessDeserializer::new(map);
                FeatureCollection::deserialize(features).map(Data::Features)
            }
        }
        deserializer.deserialize_any(DataVisitor)
    }
}

impl<'de> Deserialize<'de> for Response {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let properties = Properties::deserialize(deserializer)?;
        let kind = properties.response_type.as_deref();
        let missing = D::Error::missing_field;
        // A result may lack `response_type`.
        match (kind, properties.data) {
            (Some("geojson") | None, Some(Data::Features(data))) => {
                let mut map: GeoJson = data.features.into_iter().collect();
                map.data.crs = data.crs;
                map.renderer = properties.renderer;
                map.title = properties.title.unwrap_or(map.title);
                Ok(map.into())
            }
            (Some("geojson"), _) => Err(missing("data")),
            (Some("datasource"), _) | (None, None)
                if kind.is_some() || properties.records.is_some() =>
            {
                let records = properties.records.ok_or_else(|| missing("records"))?;
                let name = properties.name.ok_or_else(|| missing("name"))?;
                Ok(DataSource::new(name, records).into())
            }
            (Some("categorical_button") | None, Some(Data::Bytes(data))) => {
                let mimetype = properties.mimetype.ok_or_else(|| missing("mimetype"))?;
                let filename = properties.filename.unwrap_or_else(unnamed);
                let mut file = BinaryFile::new(filename, mimetype, data.into_inner());
                file.category = properties.category.unwrap_or_else(downloads);
                file.text = properties.text;
                Ok(file.into())
            }
            (Some("categorical_button") | None, None) => {
                let href = properties.href.ok_or_else(|| missing("href"))?;
                let mut link = ExternalLink::new(href).map_err(D::Error::custom)?;
                link.category = properties.category.unwrap_or_else(downloads);
                link.text = properties.text;
                Ok(link.into())
            }
            (Some("categorical_button"), Some(Data::Features(_))) => {
                Err(D::Error::custom("the data of a file must be in base64"))
            }
            (Some(kind), _) => Err(D::Error::unknown_variant(
                kind,
                &["geojson", "datasource", "categorical_button"],
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::{Feature, Geometry};

    #[test]
    fn each_kind_of_result_is_read_and_written() {
        let point = Feature::new("1", Geometry::point(1.0, 2.0));
        let file = BinaryFile::new("a", "b", "c")
            .with_text("d")
            .with_category("e");
        let link = ExternalLink::new("https://a").unwrap().with_text("b");
        let all = Multiple::new([
            GeoJson::new("t", [point]).into(),
            DataSource::new("n", [Record::new().with("a", 1)]).into(),
            file.into(),
            link.with_category("c").into(),
        ]);
        let json = serde_json::to_string(&all).unwrap();
        assert!(json.starts_with(r#"{"response_type":"multiple","data":[{"response_type":"geo"#));
        assert_eq!(serde_json::from_str::<Multiple>(&json).unwrap(), all);
        // From a value in memory, and without the types.
        let mut value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            serde_json::from_value::<Multiple>(value.clone()).unwrap(),
            all
        );
        for response in value["data"].as_array_mut().unwrap() {
            response
                .as_object_mut()
                .unwrap()
                .shift_remove("response_type");
        }
        assert_eq!(
            serde_json::from_str::<Multiple>(&value.to_string()).unwrap(),
            all
        );
    }

    #[test]
    fn other_values_are_refused() {
        for (json, problem) in [
            ("{}", "missing field `href`"),
            (r#"{"response_type": "chart"}"#, "unknown variant `chart`"),
            (r#"{"response_type": "geojson"}"#, "missing field `data`"),
            (
                r#"{"response_type": "geojson", "data": ""}"#,
                "missing field `data`",
            ),
            (
                r#"{"response_type": "datasource"}"#,
                "missing field `records`",
            ),
            (r#"{"records": []}"#, "missing field `name`"),
            (r#"{"data": "!"}"#, "not base64"),
            (r#"{"data": ""}"#, "missing field `mimetype`"),
            (r#"{"href": "x:y"}"#, "begin with"),
            (
                r#"{"response_type": "categorical_button", "data": {"type": "FeatureCollection", "features": []}}"#,
                "in base64",
            ),
        ] {
            let json = format!(r#"{{"data": [{json}]}}"#);
            let error = serde_json::from_str::<Multiple>(&json).unwrap_err();
            assert!(error.to_string().contains(problem), "{json}: {error}");
        }
        serde_json::from_str::<Multiple>(r#"{"response_type": "geojson", "data": []}"#)
            .unwrap_err();
    }
}
