//! Results that are files: bytes in base64, alone or with their media type.

use std::borrow::Cow;

use dasf_types::Base64;
use serde::Deserialize;

use super::argument::BYTES;

/// The media type of NetCDF.
pub(crate) const NETCDF: &str = "application/x-netcdf";

/// The beginnings of files, with their media types.
const BEGINNINGS: [(&[u8], &str); 11] = [
    (b"CDF\x01", NETCDF),
    (b"CDF\x02", NETCDF),
    (b"CDF\x05", NETCDF),
    (b"\x89HDF\r\n\x1a\n", NETCDF),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
];

/// Bytes with their media type.
pub(super) struct File {
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
}

/// A file as the type `BinaryFile` writes it.
#[derive(Deserialize)]
struct Button<'a> {
    #[serde(borrow)]
    response_type: Option<Cow<'a, str>>,
    data: Base64,
    mimetype: Option<String>,
}

/// Returns the file that a result is, of a type of results with a media type; `None` if it is none.
pub(super) fn read(json: &str, media_type: &str) -> Option<File> {
    let (bytes, media_type) = if json.starts_with('"') {
        let bytes: Base64 = serde_json::from_str(json).ok()?;
        (bytes, media_type.to_owned())
    } else {
        let button: Button<'_> = serde_json::from_str(json).ok()?;
        if button.response_type.as_deref() != Some("categorical_button") {
            return None;
        }
        (button.data, button.mimetype?.to_ascii_lowercase())
    };
    let bytes = bytes.into_inner();
    let media_type = match media_type {
        known if is_harmless(&known) && known != BYTES => known,
        _ => of_beginning(&bytes).to_owned(),
    };
    Some(File { media_type, bytes })
}

fn of_beginning(bytes: &[u8]) -> &'static str {
    let mut known = BEGINNINGS.iter();
    let found = known.find(|(beginning, _)| bytes.starts_with(beginning));
    match found {
        Some((_, media_type)) => media_type,
        None if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => "image/webp",
        None => BYTES,
    }
}

/// Returns whether a browser that opens a file runs nothing in it. A page out of a module would run with the
/// rights of the gateway's own pages.
fn is_harmless(media_type: &str) -> bool {
    let Some((kind, subtype)) = media_type.split_once('/') else {
        return false;
    };
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
    if subtype.is_empty() || !subtype.chars().all(is_token) {
        return false;
    }
    match kind {
        "audio" | "video" => true,
        "image" => !subtype.contains("xml"),
        "text" => matches!(subtype, "csv" | "plain"),
        "application" => matches!(
            subtype,
            "geopackage+sqlite3"
                | "gzip"
                | "octet-stream"
                | "pdf"
                | "vnd.apache.parquet"
                | "vnd.openxmlformats-officedocument.spreadsheetml.sheet"
                | "x-hdf5"
                | "x-netcdf"
                | "zip"
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, media_type: &str) -> Option<(String, Vec<u8>)> {
        super::read(json, media_type).map(|file| (file.media_type, file.bytes))
    }

    #[test]
    fn bytes_know_their_media_type() {
        for (json, media_type, expected) in [
            (r#""AAEC""#, BYTES, BYTES),
            (r#""AAEC""#, "image/png", "image/png"),
            (r#""AAEC""#, "text/html", BYTES),
            (r#""Q0RGAQ==""#, BYTES, NETCDF),
            (r#""iVBORw0KGgo=""#, BYTES, "image/png"),
            (r#""UklGRgAAAABXRUJQ""#, BYTES, "image/webp"),
            (r#""""#, BYTES, BYTES),
        ] {
            assert_eq!(
                read(json, media_type).unwrap().0,
                expected,
                "{json} {media_type}"
            );
        }
    }

    #[test]
    fn buttons_are_files() {
        let button = |mimetype: &str| {
            format!(
                r#"{{"response_type": "categorical_button", "category": "Downloads", "data": "AAEC",
                    "filename": "a", "mimetype": "{mimetype}"}}"#
            )
        };
        for (mimetype, expected) in [
            ("IMAGE/PNG", "image/png"),
            ("image/svg+xml", BYTES),
            ("text/html; charset=utf-8", BYTES),
            ("application/javascript", BYTES),
            ("nonsense", BYTES),
            ("image/png\\r\\nx: y", BYTES),
        ] {
            let (media_type, bytes) = read(&button(mimetype), BYTES).unwrap();
            assert_eq!(
                (media_type.as_str(), &bytes[..]),
                (expected, &[0, 1, 2][..])
            );
        }
    }

    #[test]
    fn other_results_are_no_files() {
        for json in [
            "1",
            "[]",
            "{}",
            r#""no base64!""#,
            r#"{"data": "AAEC", "mimetype": "image/png"}"#,
            r#"{"response_type": "categorical_button", "href": "https://example.org"}"#,
        ] {
            assert_eq!(read(json, BYTES), None, "{json}");
        }
    }
}
