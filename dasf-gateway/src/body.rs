//! The bodies of requests, within their limits.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::options::Options;
use crate::problem::{Kind, Problem};

/// Reads a body. It must be small enough, and arrive in time.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    options: &Options,
) -> Result<Bytes, Problem> {
    let max = options.max_body_size;
    let too_large = || {
        let detail = format!("the body has more than {max} bytes, the limit max_body_size");
        Problem::new(Kind::TooLarge, detail)
    };
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|size| size > max) {
        return Err(too_large());
    }
    let reading = async {
        let mut parts = body.into_data_stream();
        let Some(first) = parts.next().await.transpose().map_err(broken)? else {
            return Ok(Bytes::new());
        };
        if first.len() > max {
            return Err(too_large());
        }
        let Some(second) = parts.next().await.transpose().map_err(broken)? else {
            return Ok(first);
        };
        let mut all = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(part) = next {
            if all.len() + part.len() > max {
                return Err(too_large());
            }
            all.extend_from_slice(&part);
            next = parts.next().await.transpose().map_err(broken)?;
        }
        Ok(all.freeze())
    };
    let time = options.body_timeout;
    timeout(time, reading).await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {time:?}, the limit body_timeout");
        Err(Problem::new(Kind::RequestTimeout, detail))
    })
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn broken(error: axum::Error) -> Problem {
    Problem::new(
        Kind::BadRequest,
        format!("the body cannot be read: {error}"),
    )
}
