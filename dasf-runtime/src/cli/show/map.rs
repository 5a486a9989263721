//! Summaries of maps.

use std::collections::BTreeSet;

use dasf_types::present::GeoJson;

use super::{MOST_PARTS, Statistics, line, short};

/// Returns the number of features of each kind, where they are, and the names of their properties.
pub(super) fn summary(map: &GeoJson) -> String {
    let features = map.features();
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let (mut lons, mut lats) = (Vec::new(), Vec::new());
    for feature in features {
        let kind = feature.geometry.kind();
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
        names.extend(feature.properties.keys().map(String::as_str));
        feature.geometry.for_each_position(|position| {
            lons.push(position.lon);
            lats.push(position.lat);
        });
    }
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let mut text = format!(
        "{}\n{} {}",
        line(&map.title),
        features.len(),
        if features.len() == 1 {
            "feature"
        } else {
            "features"
        }
    );
    if !kinds.is_empty() {
        text += &format!(": {}", kinds.join(", "));
    }
    text += "\n";
    if !lons.is_empty() {
        let (lons, lats) = (
            Statistics::of(lons.into_iter()),
            Statistics::of(lats.into_iter()),
        );
        text += &format!(
            "longitude {} to {}, latitude {} to {}\n",
            short(lons.least),
            short(lons.greatest),
            short(lats.least),
            short(lats.greatest)
        );
    }
    if !names.is_empty() {
        let rest = names.len().saturating_sub(MOST_PARTS);
        let mut names: Vec<String> = names.into_iter().take(MOST_PARTS).map(line).collect();
        if rest > 0 {
            names.push(format!("and {rest} more"));
        }
        text += &format!("properties: {}\n", names.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dasf_types::present::{Feature, Geometry};

    #[test]
    fn features_are_counted() {
        let features = [
            Feature::new("a", Geometry::point(1.0, 2.0)).with_property("b", 1),
            Feature::new("b", Geometry::line([(-3.5, 4.0), (0.0, 0.0)])).with_property("a\u{7}", 1),
            Feature::new("c", Geometry::point(1.0, 2.0)),
        ];
        assert_eq!(
            summary(&GeoJson::new("Places", features)),
            "Places\n3 features: 2 Point, 1 LineString\n\
             longitude -3.5 to 1, latitude 0 to 4\nproperties: a , b\n"
        );
        assert_eq!(summary(&GeoJson::new("", [])), "\n0 features\n");
    }
}
