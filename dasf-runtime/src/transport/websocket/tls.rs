//! TLS for `wss://`, with the certificates that the operating system trusts and those of private
//! authorities.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError,
    OtherError, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::transport::{Cause, TlsFault};

/// The authorities that a broker's certificate may come from: those that the operating system
/// trusts, and private ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust(Option<Arc<Private>>);

/// Private authorities, and the TLS configuration that trusts them.
#[derive(Debug)]
struct Private {
    authorities: Vec<CertificateDer<'static>>,
    configuration: Arc<ClientConfig>,
}

impl Trust {
    /// Also trusts the authorities whose certificates are in PEM text. The broker may also present
    /// one of these certificates itself.
    ///
    /// # Errors
    /// Returns the error in the text.
    pub(crate) fn add(&mut self, pem: &[u8]) -> Result<(), String> {
        let mut authorities = match &self.0 {
            Some(private) => private.authorities.clone(),
            None => Vec::new(),
        };
        let known = authorities.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            authorities.push(certificate.map_err(no_pem)?);
        }
        if authorities.len() == known {
            return Err("it contains no certificate".to_owned());
        }
        let mut roots = system().roots.clone();
        for (index, authority) in authorities.iter().enumerate().skip(known) {
            roots.add(authority.clone()).map_err(|error| {
                let number = index - known + 1;
                let reason = match error {
                    TlsError::InvalidCertificate(error) => spoken(&error),
                    error => spoken(&error),
                };
                format!("its certificate number {number} cannot be used ({reason})")
            })?;
        }
        roots.add_parsable_certificates(authorities.iter().take(known).cloned());
        let configuration = configuration(roots, authorities.clone())?;
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
                .get_or_init(|| configuration(system().roots.clone(), Vec::new()))
                .clone(),
        };
        configuration.map(Connector::Rustls)
    }
}

/// Describes an error in PEM text. The error of the library lists bytes.
fn no_pem(error: pem::Error) -> String {
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a certificate in it is cut off".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a line in it begins with dashes but is not a valid header".to_owned()
        }
        pem::Error::Base64Decode(_) => "a certificate in it is not base64".to_owned(),
        error => error.to_string(),
    };
    format!("it is not PEM: {reason}")
}

/// The certificates that the operating system trusts.
struct System {
    roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

fn system() -> &'static System {
    static SYSTEM: OnceLock<System> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(
                error = error.to_string(),
                "cannot read some certificates of the operating system"
            );
        }
        roots.add_parsable_certificates(found.certs.iter().cloned());
        System {
            roots,
            certificates: found.certs,
        }
    })
}

/// Returns a TLS configuration that trusts these authorities and those of the system, and accepts
/// these certificates from the broker itself. It names the provider of the cryptography, because
/// rustls panics without one in a program that links two.
///
/// # Errors
/// Returns the reason if the provider does not support any version of TLS.
fn configuration(
    roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| spoken(&error))?;
    let builder = if roots.is_empty() {
        // The verifier does not trust any authority and rejects every certificate.
        builder.with_root_certificates(roots)
    } else {
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let webpki = webpki.build().map_err(|error| spoken(&error))?;
        let verifier = Verifier {
            webpki,
            certificates,
        };
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
    };
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// Accepts the certificates that webpki accepts, and trusted certificates that the broker presents
/// itself, like OpenSSL. A self-signed certificate is usually that of an authority, which webpki
/// rejects from a server.
#[derive(Debug)]
struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    /// The certificates that are trusted besides those of the system.
    certificates: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn trusts(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.contains(certificate) || system().certificates.contains(certificate)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified = self.webpki.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // With any of these errors, webpki has already checked that the certificate is valid
            // now. Only the name is left to check. The issuer does not matter, because the
            // certificate itself is trusted. The handshake proves that the broker has its key.
            Err(TlsError::InvalidCertificate(ref error))
                if is_of_its_issuer(error) && self.trusts(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.webpki
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.webpki
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Returns the error of webpki for a certificate, if rustls does not have its own error for it.
fn of_webpki(error: &CertificateError) -> Option<&webpki::Error> {
    match error {
        CertificateError::Other(OtherError(error)) => error.downcast_ref(),
        _ => None,
    }
}

/// Returns whether a certificate is rejected because of its issuer, or because it is the
/// certificate of an authority.
fn is_of_its_issuer(error: &CertificateError) -> bool {
    is_of_an_authority(error)
        || matches!(
            error,
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        )
}

/// Returns whether a certificate is rejected because it is the certificate of an authority.
fn is_of_an_authority(error: &CertificateError) -> bool {
    of_webpki(error) == Some(&webpki::Error::CaUsedAsEndEntity)
}

/// Opens a WebSocket on a connection, with TLS if the URL asks for it.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    request: Request,
    stream: S,
    config: WebSocketConfig,
    trust: &Trust,
) -> Result<(WebSocketStream<MaybeTlsStream<S>>, Response), Error> {
    // The certificates of the system are read when they are first needed, which takes a moment.
    let connector = match request.uri().scheme_str() {
        Some("wss") => trust
            .connector()
            .map_err(|reason| Error::Io(io::Error::other(reason)))?,
        _ => Connector::Plain,
    };
    client_async_tls_with_config(request, stream, Some(config), Some(connector)).await
}

/// Returns the connection below a stream.
pub(super) fn carrier<S>(stream: &MaybeTlsStream<S>) -> Option<&S> {
    match stream {
        MaybeTlsStream::Plain(stream) => Some(stream),
        MaybeTlsStream::Rustls(stream) => Some(stream.get_ref().0),
        _ => None,
    }
}

/// Returns the TLS fault and its description; `None` if TLS is not the cause.
pub(super) fn fault(error: &io::Error) -> Option<(TlsFault, String)> {
    if error.kind() == io::ErrorKind::UnexpectedEof && error.to_string() == HANDSHAKE_EOF {
        let reason = "the server closes the connection when TLS starts";
        return Some((TlsFault::NotTls, reason.to_owned()));
    }
    let error = error.get_ref()?.downcast_ref::<TlsError>()?;
    let (fault, reason) = match error {
        TlsError::InvalidCertificate(error) => of_certificate(error),
        TlsError::InvalidMessage(_) => {
            (TlsFault::NotTls, "the server does not speak TLS".to_owned())
        }
        TlsError::AlertReceived(alert) => (TlsFault::Other, of_alert(*alert)),
        TlsError::PeerIncompatible(why) => {
            let reason = format!(
                "it shares no version or cipher of TLS with this program ({})",
                spoken(why)
            );
            (TlsFault::Other, reason)
        }
        TlsError::PeerMisbehaved(why) => {
            let reason = format!("it violates the TLS protocol ({})", spoken(why));
            (TlsFault::Other, reason)
        }
        other => {
            let reason = format!("the handshake fails ({})", spoken(other));
            (TlsFault::Other, reason)
        }
    };
    Some((fault, reason))
}

/// Returns the error of TLS in an error of a connection, or the error itself if it has none.
pub(super) fn cause(error: io::Error) -> Cause {
    match error.downcast::<TlsError>() {
        Ok(error) => Cause::new(error),
        Err(error) => Cause::new(error),
    }
}

/// The error of tokio-rustls when the server closes the connection during the handshake.
const HANDSHAKE_EOF: &str = "tls handshake eof";

/// Describes the error of a certificate.
fn of_certificate(error: &CertificateError) -> (TlsFault, String) {
    let other = |reason: &str| (TlsFault::Other, reason.to_owned());
    match error {
        CertificateError::UnknownIssuer => (
            TlsFault::UnknownAuthority,
            "its certificate is from an authority that is not trusted here".to_owned(),
        ),
        // The certificate of the authority may have the name of a trusted one but another key, for
        // example after a renewal. Or the signature of the handshake is wrong.
        CertificateError::BadSignature => (
            TlsFault::UnknownAuthority,
            "its certificate is not signed with the key of the trusted authority of that name"
                .to_owned(),
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            let reason = match presented.as_slice() {
                [] => format!(
                    "its certificate contains no host name (in subjectAltName), so it is not for {expected}"
                ),
                names => {
                    let names: Vec<_> = names.iter().map(|name| readable(name)).collect();
                    format!(
                        "its certificate is for {}, not for {expected}",
                        names.join(", ")
                    )
                }
            };
            (TlsFault::OtherName, reason)
        }
        CertificateError::NotValidForName => (
            TlsFault::OtherName,
            "its certificate is for another host name".to_owned(),
        ),
        CertificateError::ExpiredContext { time, not_after } => {
            let since = between(*not_after, *time);
            (
                TlsFault::Outdated,
                format!("its certificate expired {since} ago"),
            )
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let until = between(*time, *not_before);
            let reason = format!("its certificate is not valid yet; it becomes valid in {until}");
            (TlsFault::Outdated, reason)
        }
        CertificateError::Expired => (TlsFault::Outdated, "its certificate has expired".to_owned()),
        CertificateError::NotValidYet => (
            TlsFault::Outdated,
            "its certificate is not valid yet".to_owned(),
        ),
        CertificateError::Revoked => other("its certificate has been revoked"),
        CertificateError::BadEncoding => other("its certificate cannot be read"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            other("its certificate is not for servers")
        }
        error if is_of_an_authority(error) => (
            TlsFault::UnknownAuthority,
            "its certificate is self-signed or that of an authority, and is not trusted here"
                .to_owned(),
        ),
        error => {
            let reason = match of_webpki(error) {
                Some(webpki::Error::UnsupportedCertVersion) => {
                    "its version is not 3, so it contains no host name".to_owned()
                }
                Some(error) => spoken(error),
                None => spoken(error),
            };
            (
                TlsFault::Other,
                format!("its certificate is not accepted: {reason}"),
            )
        }
    }
}

/// Describes why the server ends the handshake.
fn of_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::ProtocolVersion => "it supports neither TLS 1.2 nor TLS 1.3".to_owned(),
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            let alert = spoken(&alert);
            format!(
                "it requires client certificates, which this program does not support ({alert})"
            )
        }
        AlertDescription::UnrecognisedName => {
            "it does not know the host name in the URL".to_owned()
        }
        alert => format!("it aborts the TLS handshake ({})", spoken(&alert)),
    }
}

/// Returns the time between two moments in the largest unit.
fn between(earlier: UnixTime, later: UnixTime) -> String {
    let seconds = later.as_secs().saturating_sub(earlier.as_secs());
    let units = [("day", 86_400), ("hour", 3600), ("minute", 60)];
    let unit = units.into_iter().find(|&(_, length)| seconds >= length);
    let (unit, count) = unit.map_or(("second", seconds), |(unit, length)| {
        (unit, seconds / length)
    });
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// Returns a name in a certificate without the quotes and the kind that webpki adds.
fn readable(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(kind, inner)| {
        let is_kind = kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        inner.strip_suffix(')').filter(|_| is_kind)
    });
    let name = inner.unwrap_or(name).trim_matches('"');
    // webpki writes IP addresses in its own format.
    let address: Result<IpAddr, _> = name.parse();
    address.map_or_else(|_| name.to_owned(), |address| address.to_string())
}

/// Returns the name of a library's error variant as words: `NoCipherSuitesInCommon` becomes "no
/// cipher suites in common". Its fields are technical and left out.
fn spoken(error: &impl fmt::Debug) -> String {
    let text = format!("{error:?}");
    let name = text.split(|c: char| !c.is_ascii_alphanumeric()).next();
    let mut words = String::new();
    for character in name.unwrap_or_default().chars() {
        if character.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(character.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use std::time::Duration;

    use rcgen::{
        BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose,
        IsCa, KeyPair, date_time_ymd,
    };
    use rustls::pki_types::PrivateKeyDer;
    use rustls::server::WebPkiClientVerifier;
    use rustls::sign::{CertifiedKey, SingleCertAndKey};
    use rustls::{PeerIncompatible, PeerMisbehaved, ServerConfig, ServerConnection, Stream};
    use tokio_tungstenite::tungstenite::http::HeaderMap;

    use super::*;
    use crate::transport::ConnectError;
    use crate::transport::websocket::connect::connect_in;
    use crate::transport::websocket::proxy::tests::proxy_to;
    use crate::transport::websocket::{Endpoint, connect};

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
    }

    fn certificate(name: &str) -> CertificateParams {
        CertificateParams::new([name.to_owned()]).unwrap()
    }

    /// Returns the error of a client that trusts these authorities, if a server presents this
    /// certificate.
    async fn told(
        trust: Trust,
        authority: &Authority,
        certificate: CertificateParams,
    ) -> ConnectError {
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.signed_by(&key, authority).unwrap();
        told_by(trust, certificate.der(), &key).await
    }

    /// Returns the error of a client with this trust, if a server presents this certificate.
    async fn told_by(
        trust: Trust,
        certificate: &CertificateDer<'static>,
        key: &KeyPair,
    ) -> ConnectError {
        told_by_server(trust, configured(certificate, key)).await
    }

    /// Starts a server that presents this certificate.
    fn configured(certificate: &CertificateDer<'static>, key: &KeyPair) -> ServerConfig {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap()
    }

    /// Returns the error of a client for a server with this configuration.
    async fn told_by_server(trust: Trust, config: ServerConfig) -> ConnectError {
        let (port, server) = serve(config, "127.0.0.1");
        let error = connect_to(port, trust).await;
        tokio::task::spawn_blocking(|| server.join().unwrap())
            .await
            .unwrap();
        error
    }

    /// Starts a server for one client, and returns its port.
    fn serve(config: ServerConfig, host: &str) -> (u16, thread::JoinHandle<()>) {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
            // This fails if the client does not trust the certificate.
            let _ = answer(&mut Stream::new(&mut connection, &mut socket));
        });
        (port, server)
    }

    /// Reads a request and rejects it. It reads everything, because unread bytes would reset the
    /// connection and lose the answer.
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
        for (trust, reason) in [
            (
                Trust::default(),
                "from an authority that is not trusted here",
            ),
            // A certificate with the same name.
            (
                trusting(&other),
                "not signed with the key of the trusted authority of that name",
            ),
        ] {
            let error = told(trust, &ours, certificate("127.0.0.1")).await;
            assert_eq!(fault(&error), TlsFault::UnknownAuthority);
            let told = format!("/ws fails: its certificate is {reason}");
            assert!(error.to_string().ends_with(&told), "{error}");
            assert!(error.advice().unwrap().contains("--ca-file"));
            let source = std::error::Error::source(&error).unwrap();
            let source = source.downcast_ref::<TlsError>();
            assert!(
                matches!(source, Some(TlsError::InvalidCertificate(_))),
                "{source:?}"
            );
        }
        // TLS succeeds, but there is no broker.
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
    async fn an_ipv6_address_is_the_name_in_a_certificate() {
        let authority = authority();
        for (name, is_known) in [("::1", true), ("::2", false)] {
            let key = KeyPair::generate().unwrap();
            let presented = certificate(name).signed_by(&key, &authority).unwrap();
            let (port, server) = serve(configured(presented.der(), &key), "::1");
            let endpoint = Endpoint {
                url: format!("wss://[::1]:{port}/ws"),
                below: String::new(),
                headers: HeaderMap::new(),
                trust: trusting(&authority),
            };
            let error = connect(&endpoint).await.map(drop).unwrap_err();
            if is_known {
                assert!(
                    matches!(error, ConnectError::Refused { status: 404, .. }),
                    "{error}"
                );
            } else {
                let reason = "its certificate is for ::2, not for ::1";
                assert!(error.to_string().ends_with(reason), "{error}");
            }
            tokio::task::spawn_blocking(|| server.join().unwrap())
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn tls_is_spoken_through_a_proxy_with_the_broker() {
        let authority = authority();
        for (name, status) in [("broker.test", Some(404)), ("proxy.test", None)] {
            let key = KeyPair::generate().unwrap();
            let presented = certificate(name).signed_by(&key, &authority).unwrap();
            let (port, server) = serve(configured(presented.der(), &key), "127.0.0.1");
            let (proxy, asked) = proxy_to(([127, 0, 0, 1], port).into()).await;
            let endpoint = Endpoint {
                url: "wss://broker.test/ws".to_owned(),
                below: String::new(),
                headers: HeaderMap::new(),
                trust: trusting(&authority),
            };
            let variables = |name: &str| (name == "HTTPS_PROXY").then(|| proxy.clone());
            let error = connect_in(&endpoint, &variables)
                .await
                .map(drop)
                .unwrap_err();
            match (&error, status) {
                (ConnectError::Refused { status, .. }, Some(expected)) => {
                    assert_eq!(*status, expected);
                }
                (error, None) => assert_eq!(fault(error), TlsFault::OtherName),
                (error, _) => panic!("{error}"),
            }
            let asked = asked.await.unwrap();
            assert!(
                asked.starts_with("CONNECT broker.test:443 HTTP/1.1\r\n"),
                "{asked}"
            );
            tokio::task::spawn_blocking(|| server.join().unwrap())
                .await
                .unwrap();
        }
    }

    /// Returns a certificate like that of `openssl req -x509`: self-signed, and that of an
    /// authority.
    fn self_signed(mut parameters: CertificateParams) -> (Certificate, KeyPair) {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap(), key)
    }

    /// Returns the error of a client that trusts only the presented certificate.
    async fn told_of_its_own(parameters: CertificateParams) -> ConnectError {
        let (certificate, key) = self_signed(parameters);
        let mut trust = Trust::default();
        trust.add(certificate.pem().as_bytes()).unwrap();
        told_by(trust, certificate.der(), &key).await
    }

    #[tokio::test]
    async fn a_certificate_that_is_given_is_trusted_itself() {
        // TLS succeeds, but there is no broker.
        let error = told_of_its_own(certificate("127.0.0.1")).await;
        assert!(
            matches!(error, ConnectError::Refused { status: 404, .. }),
            "{error}"
        );
        let authority = authority();
        let key = KeyPair::generate().unwrap();
        let signed = certificate("127.0.0.1")
            .signed_by(&key, &authority)
            .unwrap();
        let mut trust = Trust::default();
        trust.add(signed.pem().as_bytes()).unwrap();
        let error = told_by(trust.clone(), signed.der(), &key).await;
        assert!(
            matches!(error, ConnectError::Refused { status: 404, .. }),
            "{error}"
        );

        // Another certificate with the same content is rejected.
        let (other, key) = self_signed(certificate("127.0.0.1"));
        for trust in [Trust::default(), trust] {
            let error = told_by(trust, other.der(), &key).await;
            assert_eq!(fault(&error), TlsFault::UnknownAuthority);
            assert!(
                error.to_string().ends_with(
                    "/ws fails: its certificate is self-signed or that of an authority, and is not \
                     trusted here"
                ),
                "{error}"
            );
            let advice = error.advice().unwrap();
            assert!(
                advice.contains("or the broker's own with --ca-file"),
                "{advice}"
            );
        }
    }

    #[tokio::test]
    async fn a_certificate_that_is_trusted_itself_is_for_its_name_and_time() {
        let error = told_of_its_own(certificate("broker.example.org")).await;
        assert_eq!(fault(&error), TlsFault::OtherName);
        assert!(
            error.to_string().ends_with(
                "/ws fails: its certificate is for broker.example.org, not for 127.0.0.1"
            ),
            "{error}"
        );
        let error = told_of_its_own(CertificateParams::default()).await;
        assert_eq!(fault(&error), TlsFault::OtherName);
        assert!(
            error.to_string().contains("contains no host name"),
            "{error}"
        );

        let mut early = certificate("127.0.0.1");
        early.not_before = date_time_ymd(2999, 1, 1);
        early.not_after = date_time_ymd(3000, 1, 1);
        let error = told_of_its_own(early).await;
        assert_eq!(fault(&error), TlsFault::Outdated);
        assert!(
            error
                .to_string()
                .contains("is not valid yet; it becomes valid in "),
            "{error}"
        );
        let mut late = certificate("127.0.0.1");
        late.not_before = date_time_ymd(2000, 1, 1);
        late.not_after = date_time_ymd(2001, 1, 1);
        let error = told_of_its_own(late).await;
        assert_eq!(fault(&error), TlsFault::Outdated);
        assert!(
            error.to_string().contains("certificate expired "),
            "{error}"
        );
        let mut for_clients = certificate("127.0.0.1");
        for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let for_clients = for_clients.self_signed(&key).unwrap();
        let mut trust = Trust::default();
        trust.add(for_clients.pem().as_bytes()).unwrap();
        let error = told_by(trust, for_clients.der(), &key).await;
        let reason = "its certificate is not for servers";
        assert!(error.to_string().ends_with(reason), "{error}");
    }

    #[tokio::test]
    async fn a_broker_must_have_the_key_of_its_certificate() {
        let (certificate, _) = self_signed(certificate("127.0.0.1"));
        let mut trust = Trust::default();
        trust.add(certificate.pem().as_bytes()).unwrap();
        // rustls does not present a certificate with the key of another certificate.
        let provider = ring::default_provider();
        let key = PrivateKeyDer::try_from(KeyPair::generate().unwrap().serialize_der()).unwrap();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let stolen = CertifiedKey::new(vec![certificate.der().clone()], key);
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(stolen)));
        let error = told_by_server(trust, config).await;
        assert_eq!(fault(&error), TlsFault::UnknownAuthority);
        let reason = "its certificate is not signed with the key";
        assert!(error.to_string().contains(reason), "{error}");
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
    async fn a_server_that_wants_something_else_says_so_in_words() {
        let (certificate, key) = self_signed(certificate("127.0.0.1"));
        let mut trust = Trust::default();
        trust.add(certificate.pem().as_bytes()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let error = told_by_server(trust, config).await;
        assert_eq!(fault(&error), TlsFault::Other);
        let reason = "it requires client certificates, which this program does not support (certificate required)";
        assert!(error.to_string().ends_with(reason), "{error}");
        let advice = error.advice().unwrap();
        assert!(advice.contains("which TLS versions it offers"), "{advice}");
    }

    #[test]
    fn what_libraries_call_an_error_is_told_in_words() {
        for (error, words) in [
            (
                TlsError::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "it shares no version or cipher of TLS with this program (no cipher suites in common)",
            ),
            (
                TlsError::PeerMisbehaved(PeerMisbehaved::DuplicateServerHelloExtensions),
                "it violates the TLS protocol (duplicate server hello extensions)",
            ),
            (
                TlsError::AlertReceived(AlertDescription::ProtocolVersion),
                "it supports neither TLS 1.2 nor TLS 1.3",
            ),
            (
                TlsError::AlertReceived(AlertDescription::HandshakeFailure),
                "it aborts the TLS handshake (handshake failure)",
            ),
            (
                CertificateError::UnsupportedSignatureAlgorithmContext {
                    signature_algorithm_id: vec![6, 9, 42],
                    supported_algorithms: Vec::new(),
                }
                .into(),
                "its certificate is not accepted: unsupported signature algorithm context",
            ),
            (
                TlsError::DecryptError,
                "the handshake fails (decrypt error)",
            ),
        ] {
            let (_, told) = super::fault(&io::Error::other(error)).unwrap();
            assert_eq!(told, words);
        }
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (7199, "1 hour"),
            (172_800, "2 days"),
        ] {
            assert_eq!(between(at(5), at(5 + seconds)), words);
        }
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

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            assert!(socket.read(&mut [0; 4096]).unwrap() > 0);
        });
        let error = connect_to(port, Trust::default()).await;
        assert_eq!(fault(&error), TlsFault::NotTls);
        assert!(
            error
                .to_string()
                .contains("closes the connection when TLS starts"),
            "{error}"
        );
        server.join().unwrap();
    }

    #[test]
    fn a_text_without_certificates_is_refused() {
        let mut trust = Trust::default();
        assert_eq!(trust.add(b"").unwrap_err(), "it contains no certificate");
        assert_eq!(
            trust.add(b"a text").unwrap_err(),
            "it contains no certificate"
        );
        let key = KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(
            trust.add(key.as_bytes()).unwrap_err(),
            "it contains no certificate"
        );
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        let refusal = trust.add(cut.as_bytes()).unwrap_err();
        assert_eq!(refusal, "it is not PEM: a certificate in it is cut off");
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let refusal = trust.add(empty.as_bytes()).unwrap_err();
        assert!(
            refusal.starts_with("its certificate number 1 cannot be used"),
            "{refusal}"
        );
    }
}
