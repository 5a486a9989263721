//! Places that a user picks on a map.

use serde::{Deserialize, Serialize};

use super::named_schema;

/// A point on a map, as an argument.
///
/// The schema limits the longitude to -180 to 360 and the latitude to -90 to 90, so a module refuses
/// other points. Reading as such does not check them.
///
/// ```
/// use dasf_types::present::GeoLocation;
///
/// let place: GeoLocation = serde_json::from_str(r#"{"lon": 10, "lat": 53.55}"#)?;
/// assert_eq!(place, GeoLocation { lon: 10.0, lat: 53.55 });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GeoLocation {
    /// The longitude in degrees, positive to the east.
    pub lon: f64,
    /// The latitude in degrees, positive to the north.
    pub lat: f64,
}

named_schema!(GeoLocation as "GeoLocation", |_generator| schemars::json_schema!({
    "description": "A point on a map.",
    "properties": {
        "lon": {
            "description": "The longitude of the point, in degrees.",
            "maximum": 360,
            "minimum": -180,
            "type": "number",
        },
        "lat": {
            "description": "The latitude of the point, in degrees.",
            "maximum": 90,
            "minimum": -90,
            "type": "number",
        },
    },
    "required": ["lon", "lat"],
    "type": "object",
    "uiSchema": {"ui:field": "GeoLocation", "ui:title": "Select point"},
}));

/// A polygon on a map, as an argument.
///
/// The last point need not repeat the first one. Edges are straight lines in degrees.
///
/// ```
/// use dasf_types::present::{GeoArea, GeoLocation};
///
/// let corners = [(9.0, 53.0), (11.0, 53.0), (11.0, 54.0), (9.0, 54.0)];
/// let area: GeoArea = corners.map(|(lon, lat)| GeoLocation { lon, lat }).into_iter().collect();
/// assert!(area.contains(GeoLocation { lon: 10.0, lat: 53.55 }));
/// assert!(!area.contains(GeoLocation { lon: 12.0, lat: 53.55 }));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GeoArea {
    /// The corners of the polygon in their order.
    pub points: Vec<GeoLocation>,
}

named_schema!(GeoArea as "GeoArea", |generator| schemars::json_schema!({
    "description": "An area on a map.",
    "properties": {
        "points": {
            "description": "The corners of the polygon in their order.",
            "items": generator.subschema_for::<GeoLocation>(),
            "type": "array",
        },
    },
    "required": ["points"],
    "type": "object",
    "uiSchema": {"ui:field": "GeoArea", "ui:title": "Select area"},
}));

impl GeoArea {
    /// Returns whether the point is in the polygon. A point on an edge may count as either.
    ///
    /// Longitudes are compared as numbers: 350 is not in an area from -20 to 0.
    #[must_use]
    pub fn contains(&self, point: GeoLocation) -> bool {
        let followers = self.points.iter().cycle().skip(1);
        let edges = self.points.iter().zip(followers);
        // A ray to the east crosses the edges an odd number of times.
        edges
            .filter(|(start, end)| {
                (start.lat > point.lat) != (end.lat > point.lat) && {
                    let part = (point.lat - start.lat) / (end.lat - start.lat);
                    point.lon < start.lon + part * (end.lon - start.lon)
                }
            })
            .count()
            % 2
            == 1
    }
}

impl FromIterator<GeoLocation> for GeoArea {
    fn from_iter<I: IntoIterator<Item = GeoLocation>>(points: I) -> Self {
        Self {
            points: points.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(corners: &[(f64, f64)]) -> GeoArea {
        corners
            .iter()
            .map(|&(lon, lat)| GeoLocation { lon, lat })
            .collect()
    }

    #[test]
    fn an_area_has_an_inside_and_an_outside() {
        // It has the form of a U.
        let area = area(&[
            (0.0, 0.0),
            (6.0, 0.0),
            (6.0, 6.0),
            (4.0, 6.0),
            (4.0, 2.0),
            (2.0, 2.0),
            (2.0, 6.0),
            (0.0, 6.0),
        ]);
        for (lon, lat, is_inside) in [
            (1.0, 5.0, true),
            (3.0, 5.0, false),
            (5.0, 5.0, true),
            (3.0, 1.0, true),
            (-1.0, 1.0, false),
            (7.0, 1.0, false),
            (3.0, 7.0, false),
            (3.0, -1.0, false),
            (f64::NAN, 1.0, false),
            (1.0, f64::NAN, false),
        ] {
            assert_eq!(
                area.contains(GeoLocation { lon, lat }),
                is_inside,
                "{lon} {lat}"
            );
        }
    }

    #[test]
    fn an_area_without_corners_contains_nothing() {
        for corners in [&[][..], &[(0.0, 0.0)], &[(0.0, 0.0), (1.0, 1.0)]] {
            let point = GeoLocation { lon: 0.5, lat: 0.7 };
            assert!(!area(corners).contains(point), "{corners:?}");
        }
    }
}
