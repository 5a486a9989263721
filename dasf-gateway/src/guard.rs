//! Which requests the gateway accepts at all: those with small headers, and not those of foreign web pages.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::gateway::Shared;
use crate::problem::{Kind, Problem};

/// The header in which a browser tells whether a request comes from a page of the gateway itself. It is also there
/// when there is no `origin`, as in the request for an image.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Lets a request pass that is small enough and not from a foreign page.
pub(crate) async fn admit(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    if let Err(problem) = shared.check(request.headers(), request.uri()) {
        return problem.into_response();
    }
    next.run(request).await
}

impl Shared {
    fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
        let max = self.options.max_header_size;
        let target = uri.path().len() + uri.query().map_or(0, str::len);
        let size = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len());
        if size.sum::<usize>() + target > max {
            let detail = format!(
                "the headers and the path have more than {max} bytes, the limit max_header_size; send long \
                 arguments in the body of a POST"
            );
            return Err(Problem::new(Kind::HeadersTooLarge, detail));
        }
        let origin = bytes(headers, &header::ORIGIN);
        let host = bytes(headers, &header::HOST);
        let page = self.origins.check_page(origin, host, false);
        page.map_err(|reason| Problem::new(Kind::Forbidden, reason))?;
        let site = bytes(headers, &FETCH_SITE);
        if origin.is_none()
            && matches!(site, Some(b"cross-site" | b"same-site"))
            && uri.path() != "/"
        {
            let detail = "another web page may not call modules by a link or an image";
            return Err(Problem::new(Kind::Forbidden, detail));
        }
        Ok(())
    }

    /// Checks the name by which a request from this machine calls the gateway.
    pub(crate) fn check_name(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let named = self.origins.check_name(bytes(headers, &header::HOST));
        named.map_err(|reason| Problem::new(Kind::Forbidden, reason))
    }

    /// Returns the layer that tells browsers which pages may read answers; `None` if there are no foreign ones.
    pub(crate) fn cors(&self) -> Option<CorsLayer> {
        if self.options.allowed_origins.is_empty() {
            return None;
        }
        let origins = self.origins.clone();
        let is_allowed = move |origin: &HeaderValue, _: &axum::http::request::Parts| {
            origins.allows(origin.as_bytes())
        };
        let exposed = [header::LOCATION, header::RETRY_AFTER];
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(is_allowed))
            .allow_methods(AllowMethods::mirror_request())
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(exposed);
        Some(layer)
    }
}

fn bytes<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    headers.get(name).map(HeaderValue::as_bytes)
}
