//! The gateway of the program: the modules over HTTP, on the port of the broker.

use axum::Router;
use dasf_gateway::{Gateway, Options};
use dasf_runtime::Address;
use tracing::warn;

/// Returns the routes to the modules at the broker with this URL.
pub(crate) fn routes(url: &str, origins: &[String]) -> Router {
    match gateway(url, origins) {
        Ok(gateway) => gateway.router(),
        Err(error) => {
            warn!("does not serve the modules over HTTP: {error}");
            Router::new()
        }
    }
}

fn gateway(url: &str, origins: &[String]) -> Result<Gateway, Box<dyn std::error::Error>> {
    let options = origins
        .iter()
        .fold(Options::default(), Options::allow_origin);
    Ok(Gateway::new(Address::websocket(url)?, options)?)
}
