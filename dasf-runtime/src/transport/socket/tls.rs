//! `wss://`: TLS with the certificates that the operating system trusts.

use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::Connector;

/// The connector for all connections. The provider of the cryptography is named here, because
/// rustls cannot choose one, and panics, in a program that happens to link two.
///
/// # Errors
/// What is wrong, in words, when the provider supports no version of TLS.
pub(super) fn connector() -> Result<Connector, String> {
    static CONFIGURATION: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let configuration = CONFIGURATION.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some certificates of the system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        let configuration = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Arc::new(configuration))
    });
    configuration.clone().map(Connector::Rustls)
}
