//! The page at `/`: files that the program contains.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::{Kind, Problem};

/// A file of the page.
struct Asset {
    /// The path below `/`.
    path: &'static str,
    media_type: &'static str,
    /// The digest of the bytes, which changes with them.
    digest: &'static str,
    bytes: &'static [u8],
}

/// The files of the page. `cargo xtask web` makes them out of `web/src`.
const ASSETS: &[Asset] = include!("../web/dist/assets.rs");

/// The page loads nothing from another host, and no other page may show it in a frame. Images and downloads are
/// made in the browser out of results.
const SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'self'; \
     form-action 'self'; frame-ancestors 'self'";
/// A file whose name contains its digest never changes.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The browser asks whether the file has changed.
const ASK_AGAIN: &str = "no-cache";

/// Returns the routes of the page.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|headers: HeaderMap| serve("index.html", headers)))
        .route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&format!("assets/{name}"), headers).await
}

async fn serve(path: &str, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.path == path) {
        Some(asset) => asset.response(&headers),
        None => Problem::new(Kind::NotFound, "the page has no such file").into_response(),
    }
}

impl Asset {
    fn response(&self, headers: &HeaderMap) -> Response {
        let tag = format!("\"{}\"", self.digest);
        let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| {
            // Compression makes a weak tag of it.
            known.as_bytes() == b"*" || known.to_str().is_ok_and(|known| known.contains(&tag))
        });
        let mut response = if is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Body::from(Bytes::from_static(self.bytes)).into_response()
        };
        let headers = response.headers_mut();
        // The digest has only letters and digits.
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(header::ETAG, tag);
        }
        for (name, value) in [
            (header::CONTENT_TYPE, self.media_type),
            (header::CACHE_CONTROL, self.caching()),
            (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn caching(&self) -> &'static str {
        // Vite writes a digest into the names of scripts, styles and icons.
        let is_named_by_digest =
            self.path.starts_with("assets/") && !self.path.ends_with("licences.txt");
        if is_named_by_digest {
            FOREVER
        } else {
            ASK_AGAIN
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str) -> &'static Asset {
        ASSETS.iter().find(|asset| asset.path == path).unwrap()
    }

    #[test]
    fn the_page_names_only_files_that_are_there() {
        let html = std::str::from_utf8(find("index.html").bytes).unwrap();
        let named: Vec<_> = html
            .split('"')
            .filter_map(|part| part.strip_prefix("./"))
            .collect();
        assert!(named.len() >= 3, "{html}");
        for path in named {
            assert!(!find(path).bytes.is_empty(), "{path}");
        }
        assert!(!html.contains("http://") && !html.contains("https://"));
    }

    #[test]
    fn a_file_that_the_browser_has_is_not_sent_again() {
        let asset = find("index.html");
        let fresh = asset.response(&HeaderMap::new());
        assert_eq!(fresh.status(), StatusCode::OK);
        assert_eq!(fresh.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(
            fresh.headers()[header::CONTENT_TYPE],
            "text/html; charset=utf-8"
        );
        let tag = fresh.headers()[header::ETAG].to_str().unwrap();
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"a\", {tag}")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, known.parse().unwrap());
            let response = asset.response(&headers);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert!(
                response
                    .headers()
                    .contains_key(header::CONTENT_SECURITY_POLICY)
            );
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, "\"older\"".parse().unwrap());
        assert_eq!(asset.response(&headers).status(), StatusCode::OK);
    }

    #[test]
    fn files_are_kept_if_their_name_has_their_digest() {
        for asset in ASSETS {
            let expected = match asset.path {
                "index.html" | "assets/licences.txt" => ASK_AGAIN,
                _ => FOREVER,
            };
            assert_eq!(asset.caching(), expected, "{}", asset.path);
        }
    }
}
