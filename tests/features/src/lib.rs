//! A module, its host and a generated client. `cargo xtask features` compiles each with the features of
//! `dasf` that it needs, and no others.

#[cfg(feature = "module")]
mod module;

#[cfg(feature = "client")]
#[path = "../../../dasf-codegen/tests/goldens/types.rs"]
pub mod generated;
#[cfg(feature = "module")]
pub use module::{serve, stations};

/// Calls a module through its generated client, and by JSON.
///
/// # Errors
/// When the broker cannot be reached, or a call fails.
#[cfg(feature = "client")]
pub async fn call(url: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let client = generated::Client::builder().websocket(url).connect();
    let client = client.await?;
    client.caller().ping().await?;
    let (sum, ..) = client.floats(0.5, 1.0).await?;
    Ok(sum)
}

/// Calls the module through the client that its attribute writes.
///
/// # Errors
/// When the broker cannot be reached, or the call fails.
#[cfg(all(feature = "client", feature = "module"))]
pub async fn call_module(url: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let client = stations::Client::connect(url).await?;
    Ok(client.height("Mauna Loa").await?)
}
