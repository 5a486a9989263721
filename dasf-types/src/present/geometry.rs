//! The geometries of GeoJSON, RFC 7946.

use std::fmt;

use serde::de::{self, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::place::{GeoArea, GeoLocation};

/// A position: in JSON a list of longitude, latitude and perhaps the altitude.
///
/// Reading ignores further numbers in the list.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Position {
    /// The longitude in degrees, positive to the east.
    pub lon: f64,
    /// The latitude in degrees, positive to the north.
    pub lat: f64,
    /// The altitude in metres.
    pub altitude: Option<f64>,
}

impl From<(f64, f64)> for Position {
    /// Makes a position of a longitude and a latitude.
    fn from((lon, lat): (f64, f64)) -> Self {
        let altitude = None;
        Self { lon, lat, altitude }
    }
}

impl From<GeoLocation> for Position {
    fn from(GeoLocation { lon, lat }: GeoLocation) -> Self {
        (lon, lat).into()
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = [Some(self.lon), Some(self.lat), self.altitude];
        let numbers = numbers.iter().flatten();
        // JSON would have null in its place.
        if let Some(number) = numbers.clone().find(|number| !number.is_finite()) {
            return Err(S::Error::custom(format_args!(
                "a position has the coordinate {number}; it must be finite"
            )));
        }
        let mut list = serializer.serialize_tuple(numbers.clone().count())?;
        for number in numbers {
            list.serialize_element(number)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Nested::deserialize(deserializer)? {
            Nested::Position(position) => Ok(position),
            _ => Err(D::Error::custom("not a position such as [10.0, 53.5]")),
        }
    }
}

/// A geometry: in JSON an object with `type` and `coordinates`.
///
/// ```
/// use dasf_types::present::Geometry;
///
/// let line: Geometry =
///     serde_json::from_str(r#"{"type": "LineString", "coordinates": [[9, 53], [10, 54]]}"#)?;
/// assert_eq!(line, Geometry::line([(9.0, 53.0), (10.0, 54.0)]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Geometry {
    /// A point.
    Point(Position),
    /// Several points.
    MultiPoint(Vec<Position>),
    /// A line.
    LineString(Vec<Position>),
    /// Several lines.
    MultiLineString(Vec<Vec<Position>>),
    /// A polygon: its outer ring, and the rings of its holes. The last position of a ring is equal
    /// to the first one.
    Polygon(Vec<Vec<Position>>),
    /// Several polygons.
    MultiPolygon(Vec<Vec<Vec<Position>>>),
    /// Several geometries; in JSON they are in `geometries`.
    GeometryCollection(Vec<Geometry>),
}

impl Geometry {
    /// Makes a point.
    #[must_use]
    pub fn point(lon: f64, lat: f64) -> Self {
        Self::Point((lon, lat).into())
    }

    /// Makes a line.
    pub fn line<P: Into<Position>>(positions: impl IntoIterator<Item = P>) -> Self {
        Self::LineString(positions.into_iter().map(Into::into).collect())
    }

    /// Makes a polygon without holes. If the last position differs from the first one, the first
    /// one is added at the end.
    pub fn polygon<P: Into<Position>>(positions: impl IntoIterator<Item = P>) -> Self {
        let mut ring: Vec<Position> = positions.into_iter().map(Into::into).collect();
        if ring.first() != ring.last() {
            ring.extend(ring.first().copied());
        }
        Self::Polygon(vec![ring])
    }

    /// Returns the word in `type`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Point(_) => "Point",
            Self::MultiPoint(_) => "MultiPoint",
            Self::LineString(_) => "LineString",
            Self::MultiLineString(_) => "MultiLineString",
            Self::Polygon(_) => "Polygon",
            Self::MultiPolygon(_) => "MultiPolygon",
            Self::GeometryCollection(_) => "GeometryCollection",
        }
    }

    /// Calls a function with each position.
    pub fn for_each_position(&self, mut see: impl FnMut(Position)) {
        self.see_positions(&mut see);
    }

    fn see_positions(&self, see: &mut dyn FnMut(Position)) {
        match self {
            Self::Point(position) => see(*position),
            Self::MultiPoint(positions) | Self::LineString(positions) => {
                positions.iter().copied().for_each(see);
            }
            Self::MultiLineString(lines) | Self::Polygon(lines) => {
                lines.iter().flatten().copied().for_each(see);
            }
            Self::MultiPolygon(polygons) => {
                polygons.iter().flatten().flatten().copied().for_each(see);
            }
            Self::GeometryCollection(geometries) => {
                for geometry in geometries {
                    geometry.see_positions(see);
                }
            }
        }
    }
}

impl From<GeoLocation> for Geometry {
    fn from(location: GeoLocation) -> Self {
        Self::Point(location.into())
    }
}

impl From<GeoArea> for Geometry {
    fn from(area: GeoArea) -> Self {
        Self::polygon(area.points)
    }
}

impl Serialize for Geometry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", self.kind())?;
        let key = "coordinates";
        match self {
            Self::Point(position) => map.serialize_entry(key, position)?,
            Self::MultiPoint(positions) | Self::LineString(positions) => {
                map.serialize_entry(key, positions)?;
            }
            Self::MultiLineString(lines) | Self::Polygon(lines) => {
                map.serialize_entry(key, lines)?;
            }
            Self::MultiPolygon(polygons) => map.serialize_entry(key, polygons)?,
            Self::GeometryCollection(geometries) => {
                map.serialize_entry("geometries", geometries)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Geometry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(GeometryVisitor)
    }
}

struct GeometryVisitor;

impl<'de> Visitor<'de> for GeometryVisitor {
    type Value = Geometry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a geometry of GeoJSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Geometry, A::Error> {
        let mut kind: Option<String> = None;
        let mut coordinates: Option<Nested> = None;
        let mut geometries: Option<Vec<Geometry>> = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "type" => kind = Some(map.next_value()?),
                "coordinates" => coordinates = Some(map.next_value()?),
                "geometries" => geometries = Some(map.next_value()?),
                _ => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }
        let kind = kind.ok_or_else(|| A::Error::missing_field("type"))?;
        if kind == "GeometryCollection" {
            let geometries = geometries.ok_or_else(|| A::Error::missing_field("geometries"))?;
            return Ok(Geometry::GeometryCollection(geometries));
        }
        let known = [
            "Point",
            "MultiPoint",
            "LineString",
            "MultiLineString",
            "Polygon",
            "MultiPolygon",
        ];
        if !known.contains(&kind.as_str()) {
            return Err(A::Error::unknown_variant(&kind, &KINDS));
        }
        let coordinates = coordinates.ok_or_else(|| A::Error::missing_field("coordinates"))?;
        coordinates.into_geometry(&kind).ok_or_else(|| {
            A::Error::custom(format_args!("the coordinates are not those of a {kind}"))
        })
    }
}

/// The words in `type`.
const KINDS: [&str; 7] = [
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
];

/// Coordinates before the type of their geometry is known.
enum Nested {
    Number(f64),
    Position(Position),
    List(Vec<Nested>),
}

impl Nested {
    fn into_geometry(self, kind: &str) -> Option<Geometry> {
        Some(match kind {
            "Point" => Geometry::Point(self.into_position()?),
            "MultiPoint" => Geometry::MultiPoint(self.into_positions()?),
            "LineString" => Geometry::LineString(self.into_positions()?),
            "MultiLineString" => Geometry::MultiLineString(self.into_lines()?),
            "Polygon" => Geometry::Polygon(self.into_lines()?),
            "MultiPolygon" => {
                let polygons = self.into_list()?.into_iter();
                Geometry::MultiPolygon(polygons.map(Self::into_lines).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    fn into_list(self) -> Option<Vec<Self>> {
        match self {
            Self::List(list) => Some(list),
            Self::Number(_) | Self::Position(_) => None,
        }
    }

    fn into_position(self) -> Option<Position> {
        match self {
            Self::Position(position) => Some(position),
            Self::Number(_) | Self::List(_) => None,
        }
    }

    fn into_positions(self) -> Option<Vec<Position>> {
        let list = self.into_list()?.into_iter();
        list.map(Self::into_position).collect()
    }

    fn into_lines(self) -> Option<Vec<Vec<Position>>> {
        let list = self.into_list()?.into_iter();
        list.map(Self::into_positions).collect()
    }
}

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NestedVisitor)
    }
}

struct NestedVisitor;

impl<'de> Visitor<'de> for NestedVisitor {
    type Value = Nested;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("coordinates: lists of numbers")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Nested, E> {
        Ok(Nested::Number(number))
    }

    #[allow(clippy::cast_precision_loss)] // coordinates are small
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Nested, E> {
        Ok(Nested::Number(number as f64))
    }

    #[allow(clippy::cast_precision_loss)] // coordinates are small
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Nested, E> {
        Ok(Nested::Number(number as f64))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Nested, A::Error> {
        let lon = match list.next_element::<Nested>()? {
            None => return Ok(Nested::List(Vec::new())),
            Some(Nested::Number(lon)) => lon,
            Some(first) => {
                let mut items = vec![first];
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                return Ok(Nested::List(items));
            }
        };
        let lat = list
            .next_element()?
            .ok_or_else(|| A::Error::custom("a position has one coordinate; it needs two"))?;
        let altitude = list.next_element()?;
        while list.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(Nested::Position(Position { lon, lat, altitude }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &serde_json::Value) -> Result<Geometry, String> {
        // As text, because a value in memory has another deserializer.
        serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_geometry_is_read_and_written() {
        let ring = json!([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]);
        for (kind, coordinates) in [
            ("Point", json!([10.5, -53.25])),
            ("Point", json!([10.5, -53.25, 8.0])),
            ("MultiPoint", json!([[1.0, 2.0], [3.0, 4.0, 5.0]])),
            ("MultiPoint", json!([])),
            ("LineString", json!([[1.0, 2.0], [3.0, 4.0]])),
            ("MultiLineString", json!([[[1.0, 2.0], [3.0, 4.0]], []])),
            ("Polygon", json!([ring, ring])),
            ("MultiPolygon", json!([[ring], [ring, ring]])),
        ] {
            let json = json!({"type": kind, "coordinates": coordinates});
            let geometry = read(&json).unwrap();
            assert_eq!(geometry.kind(), kind);
            assert_eq!(serde_json::to_string(&geometry).unwrap(), json.to_string());
            let both = json!({"type": "GeometryCollection", "geometries": [json, json]});
            let collection = read(&both).unwrap();
            assert_eq!(serde_json::to_value(&collection).unwrap(), both);
            let mut positions = 0;
            collection.for_each_position(|_| positions += 1);
            geometry.for_each_position(|_| positions -= 2);
            assert_eq!(positions, 0);
        }
    }

    #[test]
    fn members_may_have_any_order_and_unknown_ones_are_ignored() {
        let geometry = read(&json!({"bbox": [1], "coordinates": [1, 2, 3, 4], "type": "Point"}));
        let position = Position {
            lon: 1.0,
            lat: 2.0,
            altitude: Some(3.0),
        };
        assert_eq!(geometry, Ok(Geometry::Point(position)));
    }

    #[test]
    fn other_values_are_refused() {
        for (value, problem) in [
            (json!({"coordinates": [1, 2]}), "missing field `type`"),
            (json!({"type": "Point"}), "missing field `coordinates`"),
            (
                json!({"type": "GeometryCollection"}),
                "missing field `geometries`",
            ),
            (
                json!({"type": "Circle", "coordinates": [1, 2]}),
                "unknown variant `Circle`",
            ),
            (
                json!({"type": "Point", "coordinates": [1]}),
                "a position has one coordinate; it needs two",
            ),
            (
                json!({"type": "Point", "coordinates": [[1, 2]]}),
                "the coordinates are not those of a Point",
            ),
            (
                json!({"type": "Polygon", "coordinates": [[1, 2], [3, 4]]}),
                "the coordinates are not those of a Polygon",
            ),
            (
                json!({"type": "LineString", "coordinates": [[1, 2], 3]}),
                "the coordinates are not those of a LineString",
            ),
            (
                json!({"type": "LineString", "coordinates": 1}),
                "the coordinates are not those of a LineString",
            ),
            (
                json!({"type": "Point", "coordinates": [1, "2"]}),
                "invalid type: string \"2\"",
            ),
            (json!("Point"), "expected a geometry of GeoJSON"),
        ] {
            let error = read(&value).unwrap_err();
            assert!(error.contains(problem), "{value}: {error}");
        }
    }

    #[test]
    fn deep_coordinates_are_refused() {
        let deep = "[".repeat(100_000);
        let json = format!(r#"{{"type": "Point", "coordinates": {deep}"#);
        let error = serde_json::from_str::<Geometry>(&json).unwrap_err();
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }

    #[test]
    fn a_position_without_numbers_is_not_written() {
        for point in [
            Geometry::point(f64::NAN, 1.0),
            Geometry::point(1.0, f64::INFINITY),
        ] {
            let error = serde_json::to_string(&point).unwrap_err();
            assert!(error.to_string().contains("must be finite"), "{error}");
        }
    }

    #[test]
    fn a_polygon_is_closed() {
        let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)];
        let closed = Geometry::polygon(corners.into_iter().chain([(0.0, 0.0)]));
        assert_eq!(Geometry::polygon(corners), closed);
        let none: [Position; 0] = [];
        assert_eq!(Geometry::polygon(none), Geometry::Polygon(vec![vec![]]));
    }
}
