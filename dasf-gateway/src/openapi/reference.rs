//! The reference: a page that shows the document of OpenAPI, and tries its functions.
//!
//! The page is Swagger UI. The program contains its files, so it works without a network.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

use crate::problem::{Kind, Problem};

const HTML: (&str, &[u8]) = ("text/html; charset=utf-8", include_bytes!("reference.html"));
const SCRIPT: (&str, &[u8]) = (
    "text/javascript; charset=utf-8",
    include_bytes!("reference.js"),
);
const LIBRARY_SCRIPT: &str = "swagger-ui-bundle.js";
const LIBRARY_STYLE: &str = "swagger-ui.css";

/// The page loads nothing from another host. Swagger UI sets styles of elements, and draws icons out of its styles.
const SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; \
     object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";
/// The files are those of this version of the program.
const TAG: &str = concat!("\"", env!("CARGO_PKG_VERSION"), "\"");

/// Returns the routes of the reference of all modules, and of the files that every reference loads.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/api/docs", get(page))
        .route("/api/{topic}/docs", get(page))
        .route(
            "/api/docs/reference.js",
            get(async |headers| own(SCRIPT, &headers)),
        )
        .route(
            "/api/docs/swagger-ui-bundle.js",
            get(async |headers| library(LIBRARY_SCRIPT, &headers)),
        )
        .route(
            "/api/docs/swagger-ui.css",
            get(async |headers| library(LIBRARY_STYLE, &headers)),
        )
}

async fn page(headers: HeaderMap) -> Response {
    own(HTML, &headers)
}

fn own((media_type, bytes): (&'static str, &'static [u8]), headers: &HeaderMap) -> Response {
    response(media_type, Bytes::from_static(bytes), headers)
}

/// Returns a file of Swagger UI.
fn library(name: &'static str, headers: &HeaderMap) -> Response {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::new([""])));
    match utoipa_swagger_ui::serve(name, Arc::clone(&CONFIG)) {
        Ok(Some(file)) => {
            let media_type = match name {
                LIBRARY_STYLE => "text/css; charset=utf-8",
                _ => "text/javascript; charset=utf-8",
            };
            response(media_type, file.bytes.into_owned().into(), headers)
        }
        _ => Problem::new(Kind::NotFound, "Swagger UI has no such file").into_response(),
    }
}

fn response(media_type: &'static str, bytes: Bytes, headers: &HeaderMap) -> Response {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    // Compression makes a weak tag of it.
    let is_known = known
        .filter_map(|it| it.to_str().ok())
        .any(|it| it.contains(TAG));
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(bytes).into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, media_type),
        (header::ETAG, TAG),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
