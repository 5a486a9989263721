//! `wss://`: TLS with the certificates that the operating system trusts, and those of private
//! authorities.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
};

use crate::transport::TlsFault;

/// The authorities whose certificates a broker may present: those that the operating system trusts,
/// and private ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust(Option<Arc<Private>>);

/// What trusts private authorities too.
#[derive(Debug)]
struct Private {
    authorities: Vec<CertificateDer<'static>>,
    configuration: Arc<ClientConfig>,
}

impl Trust {
    /// Trusts the authorities whose certificates are in a text of the form PEM as well.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub(crate) fn add(&mut self, pem: &[u8]) -> Result<(), String> {
        let mut authorities = match &self.0 {
            Some(private) => private.authorities.clone(),
            None => Vec::new(),
        };
        let known = authorities.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("it is no PEM ({error})"))?;
            authorities.push(certificate);
        }
        if authorities.len() == known {
            return Err("it holds no certificate".to_owned());
        }
        let mut roots = system_roots().clone();
        for (index, authority) in authorities.iter().enumerate().skip(known) {
            roots.add(authority.clone()).map_err(|error| {
                let number = index - known + 1;
                format!("certificate {number} in it cannot be used ({error})")
            })?;
        }
        roots.add_parsable_certificates(authorities.iter().take(known).cloned());
        let configuration = configuration(roots)?;
        self.0 = Some(Arc::new(Private {
            authorities,
            configuration,
        }));
        Ok(())
    }

    fn connector(&self) -> Result<Connector, String> {
        static OF_SYSTEM: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
        let configuration = match &self.0 {
            Some(private) => Ok(Arc::clone(&private.configuration)),
            None => OF_SYSTEM
                .get_or_init(|| configuration(system_roots().clone()))
                .clone(),
        };
        configuration.map(Connector::Rustls)
    }
}

/// The authorities that the operating system trusts.
fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some certificates of the system cannot be read");
        }
        roots.add_parsable_certificates(found.certs);
        roots
    })
}

/// What trusts these authorities. The provider of the cryptography is named here, because rustls
/// cannot choose one, and panics, in a program that happens to link two.
///
/// # Errors
/// What is wrong, in words, when the provider supports no version of TLS.
fn configuration(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let configuration = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(configuration))
}

/// Opens a WebSocket on a connection, by TLS if the URL asks for it.
pub(super) async fn handshake(
    request: Request,
    stream: TcpStream,
    config: WebSocketConfig,
    trust: &Trust,
) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, Response), Error> {
    // The certificates of the system are read when they are needed first, which takes a moment.
    let connector = match request.uri().scheme_str() {
        Some("wss") => trust
            .connector()
            .map_err(|reason| Error::Io(io::Error::other(reason)))?,
        _ => Connector::Plain,
    };
    client_async_tls_with_config(request, stream, Some(config), Some(connector)).await
}

/// What is wrong with TLS, and in words, if it was TLS that failed.
pub(super) fn fault(error: &io::Error) -> Option<(TlsFault, String)> {
    let error = error.get_ref()?.downcast_ref::<TlsError>()?;
    let (fault, reason) = match error {
        // A bad signature is that of an authority with the name of one that is trusted, and another
        // key, as after a renewal.
        TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => (
            TlsFault::UnknownAuthority,
            "its certificate is from an authority that is not trusted here".to_owned(),
        ),
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (TlsFault::OtherName, in_words(error)),
        TlsError::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => (TlsFault::Outdated, in_words(error)),
        TlsError::InvalidMessage(_) => (
            TlsFault::NotTls,
            "what answers there does not speak TLS".to_owned(),
        ),
        other => (TlsFault::Other, in_words(other)),
    };
    Some((fault, reason))
}

/// The words of rustls, without what the caller says already.
fn in_words(error: &TlsError) -> String {
    let text = error.to_string();
    match text.strip_prefix("invalid peer certificate: ") {
        Some(reason) => reason.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
    };
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection, Stream};
    use tokio_tungstenite::tungstenite::http::HeaderMap;

    use super::*;
    use crate::transport::ConnectError;
    use crate::transport::socket::{Endpoint, connect};

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
    }

    fn certificate(name: &str) -> CertificateParams {
        CertificateParams::new([name.to_owned()]).unwrap()
    }

    /// What a client is told that trusts these authorities, where this certificate is presented.
    async fn told(
        trust: Trust,
        authority: &Authority,
        certificate: CertificateParams,
    ) -> ConnectError {
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.signed_by(&key, authority).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
            // It fails where the client does not trust the certificate.
            let _ = answer(&mut Stream::new(&mut connection, &mut socket));
        });
        let error = connect_to(port, trust).await;
        tokio::task::spawn_blocking(|| server.join().unwrap())
            .await
            .unwrap();
        error
    }

    /// Reads a request and refuses it. Nothing is left to be read, for that would reset the
    /// connection and take the answer with it.
    fn answer(client: &mut (impl Read + Write)) -> io::Result<()> {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
        client.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?;
        client.flush()?;
        client.read_to_end(&mut request).map(drop)
    }

    async fn connect_to(port: u16, trust: Trust) -> ConnectError {
        let endpoint = Endpoint {
            url: format!("wss://127.0.0.1:{port}/ws"),
            below: String::new(),
            headers: HeaderMap::new(),
            trust,
        };
        connect(&endpoint).await.map(drop).unwrap_err()
    }

    fn fault(error: &ConnectError) -> TlsFault {
        match error {
            ConnectError::Tls { fault, .. } => *fault,
            other => panic!("{other}"),
        }
    }

    fn trusting(authority: &Authority) -> Trust {
        let mut trust = Trust::default();
        trust.add(authority.pem().as_bytes()).unwrap();
        trust
    }

    #[tokio::test]
    async fn a_private_authority_is_trusted_when_it_is_given() {
        let (ours, other) = (authority(), authority());
        for trust in [Trust::default(), trusting(&other)] {
            let error = told(trust, &ours, certificate("127.0.0.1")).await;
            assert_eq!(fault(&error), TlsFault::UnknownAuthority);
            assert!(
                error.to_string().ends_with(
                    "/ws: its certificate is from an authority that is not trusted here"
                )
            );
            assert!(error.advice().unwrap().contains("--ca-file"));
        }
        // Behind TLS, there is no broker.
        let mut both = trusting(&other);
        both.add(ours.pem().as_bytes()).unwrap();
        for trust in [trusting(&ours), both] {
            let error = told(trust, &ours, certificate("127.0.0.1")).await;
            assert!(
                matches!(error, ConnectError::Refused { status: 404, .. }),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_certificate_is_told() {
        let authority = authority();
        let other_name = certificate("broker.example.org");
        let error = told(trusting(&authority), &authority, other_name).await;
        assert_eq!(fault(&error), TlsFault::OtherName);
        assert!(error.to_string().contains("broker.example.org"), "{error}");
        let mut outdated = certificate("127.0.0.1");
        outdated.not_before = date_time_ymd(2000, 1, 1);
        outdated.not_after = date_time_ymd(2001, 1, 1);
        let error = told(trusting(&authority), &authority, outdated).await;
        assert_eq!(fault(&error), TlsFault::Outdated);
    }

    #[tokio::test]
    async fn what_speaks_no_tls_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut greeting = [0; 4096];
            assert!(socket.read(&mut greeting).unwrap() > 0);
            socket
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
        });
        let error = connect_to(port, Trust::default()).await;
        assert_eq!(fault(&error), TlsFault::NotTls);
        server.join().unwrap();
    }

    #[test]
    fn a_text_without_certificates_is_refused() {
        let mut trust = Trust::default();
        assert_eq!(trust.add(b"").unwrap_err(), "it holds no certificate");
        assert_eq!(trust.add(b"a text").unwrap_err(), "it holds no certificate");
        let key = KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(
            trust.add(key.as_bytes()).unwrap_err(),
            "it holds no certificate"
        );
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        let refusal = trust.add(cut.as_bytes()).unwrap_err();
        assert!(refusal.starts_with("it is no PEM"), "{refusal}");
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let refusal = trust.add(empty.as_bytes()).unwrap_err();
        assert!(
            refusal.starts_with("certificate 1 in it cannot be used"),
            "{refusal}"
        );
    }
}
