//! The media types that a caller accepts.

use axum::http::{HeaderMap, header};

/// The media type of JSON.
const JSON: &str = "application/json";
/// The number of media types that count in a header. Browsers send about eight.
const MAX_RANGES: usize = 64;

/// The media types in the header `Accept`, with how much the caller wants each of them (RFC 9110, section 12.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accept {
    ranges: Vec<Range>,
}

/// How much a caller wants a media type. Of two with the same quality, the one that is named is wanted more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// In thousandths; 0 if he does not accept it.
    pub(crate) quality: u16,
    /// How many parts of the media type are named.
    precision: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    kind: String,
    subtype: String,
    /// In thousandths.
    quality: u16,
}

impl Accept {
    /// Reads the value of the header. Without one, or if it has no media type, the caller accepts everything.
    pub(crate) fn read(header: Option<&str>) -> Self {
        let parts = header.unwrap_or_default().split(',');
        let mut ranges: Vec<Range> = parts.filter_map(Range::read).take(MAX_RANGES).collect();
        if ranges.is_empty() {
            ranges.push(Range {
                kind: "*".to_owned(),
                subtype: "*".to_owned(),
                quality: 1000,
            });
        }
        Self { ranges }
    }

    /// Reads the header of a request; `None` if nothing is wanted more than JSON.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(header::ACCEPT)?.to_str().ok()?;
        let accept = Self::read(Some(header));
        let json = accept.rank(JSON);
        let is_wanted_most = accept.ranges.iter().all(|range| range.rank() <= json);
        (!is_wanted_most).then_some(accept)
    }

    /// Returns how much the caller wants a media type. The most specific entry of the header decides.
    pub(crate) fn rank(&self, media_type: &str) -> Rank {
        let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, ""));
        let matching = self.ranges.iter().filter(|range| {
            let is =
                |pattern: &str, text: &str| pattern == "*" || pattern.eq_ignore_ascii_case(text);
            is(&range.kind, kind) && is(&range.subtype, subtype)
        });
        let ranks = matching.map(Range::rank);
        let decisive = ranks.max_by_key(|rank| (rank.precision, rank.quality));
        decisive.unwrap_or_default()
    }

    /// Returns the highest rank of the entries that a predicate chooses. It gets the media type, in which `*` can
    /// stand for a part.
    pub(crate) fn best(&self, is_chosen: impl Fn(&str, &str) -> bool) -> Rank {
        let ranges = self.ranges.iter();
        let chosen = ranges.filter(|range| is_chosen(&range.kind, &range.subtype));
        chosen.map(Range::rank).max().unwrap_or_default()
    }
}

impl Range {
    fn rank(&self) -> Rank {
        let stars = [&self.kind, &self.subtype]
            .into_iter()
            .filter(|part| *part == "*");
        Rank {
            quality: self.quality,
            precision: 2 - stars.count(),
        }
    }

    fn read(part: &str) -> Option<Self> {
        let mut parameters = part.split(';');
        let (kind, subtype) = parameters.next()?.trim().split_once('/')?;
        let quality = parameters.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some(value)
        });
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            quality: quality.map_or(1000, read_quality),
        })
    }
}

/// Reads a number from 0 to 1 with at most three decimals. What is not one counts as 1.
fn read_quality(text: &str) -> u16 {
    let quality = text.trim().parse().unwrap_or(1.0_f32);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is between 0 and 1000
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0).round() as u16;
    thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_entry_decides() {
        let accept = Accept::read(Some("*/*;q=0.1, image/*; q=0.5, IMAGE/PNG;q=0, text/csv"));
        for (media_type, quality) in [
            ("text/csv", 1000),
            ("image/png", 0),
            ("image/jpeg", 500),
            ("application/json", 100),
        ] {
            assert_eq!(accept.rank(media_type).quality, quality, "{media_type}");
        }
    }

    #[test]
    fn a_named_media_type_is_wanted_more_than_one_among_others() {
        let accept = Accept::read(Some("text/csv, */*"));
        assert!(accept.rank("text/csv") > accept.rank("application/json"));
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, text.parse().unwrap());
            Accept::of(&headers).is_some()
        };
        assert!(of("text/csv, */*"));
        assert!(of("application/*, application/json;q=0.1"));
        for json in [
            "*/*",
            "application/json",
            "application/json, text/*;q=0.5",
            "application/json, */*",
        ] {
            assert!(!of(json), "{json}");
        }
        assert_eq!(Accept::of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_header_without_media_types_accepts_everything() {
        for header in [None, Some(""), Some(","), Some("nonsense")] {
            assert_eq!(Accept::read(header).rank("a/b").quality, 1000, "{header:?}");
        }
    }

    #[test]
    fn strange_qualities_do_no_harm() {
        for (quality, expected) in [
            ("0.25", 250),
            ("2", 1000),
            ("-1", 0),
            ("x", 1000),
            ("NaN", 0),
            ("1.0", 1000),
        ] {
            let accept = Accept::read(Some(&format!("a/b;level=1;q={quality}")));
            assert_eq!(accept.rank("a/b").quality, expected, "{quality}");
        }
    }
}
