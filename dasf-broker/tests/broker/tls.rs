//! TLS: certificates that change, peers that do not speak it, and peers that never finish.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dasf_broker::{Broker, Builder, StartError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async;

use crate::support::{PATIENCE, Peer, builder, until};

/// An authority, and the files of the certificate that it has issued last.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = Self {
            issuer: CertifiedIssuer::self_signed(parameters, key).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        authority.issue();
        authority
    }

    /// Writes a new certificate for this machine and its key, and returns the certificate.
    pub(crate) fn issue(&self) -> CertificateDer<'static> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let parameters = CertificateParams::new(names).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.certificate(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn builder(&self) -> Builder {
        builder().tls(self.certificate(), self.key())
    }

    async fn start(&self) -> Broker {
        self.builder().start().await.unwrap()
    }

    /// Opens a connection of a peer that trusts the authority.
    pub(crate) async fn connect(&self, address: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        timeout(PATIENCE, connecting).await.unwrap().unwrap()
    }

    async fn peer(&self, broker: &Broker, path: &str) -> Peer<TlsStream<TcpStream>> {
        let stream = self.connect(&broker.local_addr().to_string()).await;
        let url = format!("wss://localhost{path}");
        let (socket, _) = timeout(PATIENCE, client_async(url, stream))
            .await
            .unwrap()
            .unwrap();
        Peer(socket)
    }

    /// Returns the certificate that the broker at an address shows.
    pub(crate) async fn shown(&self, address: &str) -> CertificateDer<'static> {
        let stream = self.connect(address).await;
        let certificates = stream.get_ref().1.peer_certificates();
        certificates.unwrap().first().unwrap().clone().into_owned()
    }
}

async fn ask(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> String {
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    let reading = timeout(PATIENCE, stream.read_to_string(&mut answer));
    // The end of the session shows that nothing is cut off.
    reading.await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn messages_travel_by_tls() {
    let authority = Authority::new();
    let broker = authority.start().await;
    assert_eq!(broker.url(), format!("wss://{}/ws", broker.local_addr()));
    let mut consumer = authority.peer(&broker, "/ws/demo/s").await;
    let mut producer = authority.peer(&broker, "/ws/demo").await;
    producer.publish("one").await;
    consumer.read("one").await;
    let long = "x".repeat(400_000);
    producer.publish(&long).await;
    consumer.read(&long).await;
    let stream = authority.connect(&broker.local_addr().to_string()).await;
    let health = ask(stream).await;
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    // The closing of a socket, and the end of the broker, reach the peers.
    producer.leave().await;
    until(&broker, |it| it.connections == 1).await;
    let (closed, ()) = tokio::join!(consumer.closed(), broker.shutdown());
    assert_eq!(u16::from(closed.code), 1001);
}

#[tokio::test]
async fn a_new_certificate_drops_no_connection() {
    let authority = Authority::new();
    let old = authority.issue();
    let broker = authority.start().await;
    let address = broker.local_addr().to_string();
    assert_eq!(authority.shown(&address).await, old);
    let mut consumer = authority.peer(&broker, "/ws/demo/s").await;
    let mut producer = authority.peer(&broker, "/ws/demo").await;
    let new = authority.issue();
    broker.reload_certificate().unwrap();
    assert_eq!(authority.shown(&address).await, new);
    producer.publish("after").await;
    consumer.read("after").await;
    let mut another = authority.peer(&broker, "/ws/demo").await;
    another.publish("of another").await;
    consumer.read("of another").await;
}

#[tokio::test]
async fn a_wrong_file_keeps_the_old_certificate() {
    let authority = Authority::new();
    let old = authority.issue();
    let broker = authority.start().await;
    let address = broker.local_addr().to_string();
    let expect = async |at: &Path, reason: &str| {
        let error = broker.reload_certificate().unwrap_err();
        let text = error.to_string();
        let StartError::Tls { file, .. } = error else {
            panic!("{text}");
        };
        assert_eq!(file, at, "{text}");
        assert!(text.contains(reason), "{text}");
        assert_eq!(authority.shown(&address).await, old);
    };
    let key = fs::read(authority.key()).unwrap();
    authority.issue();
    fs::write(authority.key(), key).unwrap();
    let reason = "its key does not belong to the first certificate";
    expect(&authority.key(), reason).await;
    fs::write(authority.certificate(), "").unwrap();
    expect(&authority.certificate(), "it contains no certificate").await;
    fs::remove_file(authority.certificate()).unwrap();
    expect(&authority.certificate(), "No such file").await;
    let new = authority.issue();
    broker.reload_certificate().unwrap();
    assert_eq!(authority.shown(&address).await, new);
}

#[tokio::test]
async fn a_broker_with_unusable_files_does_not_start() {
    let authority = Authority::new();
    fs::write(authority.key(), "key").unwrap();
    let error = authority.builder().start().await.unwrap_err();
    let text = error.to_string();
    let file = authority.key();
    assert!(matches!(error, StartError::Tls { .. }), "{text}");
    let begin = format!(
        "cannot use {} for TLS: it contains no private key",
        file.display()
    );
    assert!(text.starts_with(&begin), "{text}");
}

#[tokio::test]
async fn a_request_without_tls_gets_a_reason() {
    let authority = Authority::new();
    let broker = authority.builder().token("secret").start().await.unwrap();
    let stream = TcpStream::connect(broker.local_addr()).await.unwrap();
    let answer = ask(stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains("this broker needs TLS; use a URL that begins with wss://"),
        "{answer}"
    );
}

/// Sockets that send nothing, that begin TLS and stop, and that ask for nothing with it.
#[tokio::test]
async fn silent_peers_keep_no_others_waiting() {
    let authority = Authority::new();
    let broker = authority
        .builder()
        .max_handshakes(16)
        .start()
        .await
        .unwrap();
    let address = broker.local_addr().to_string();
    let mut stopped = Vec::new();
    let mut secured = Vec::new();
    for number in 0..150 {
        if number % 3 == 0 {
            secured.push(authority.connect(&address).await);
            continue;
        }
        let mut socket = TcpStream::connect(&address).await.unwrap();
        if number % 3 == 1 {
            // The first bytes of a handshake of 512 bytes.
            socket.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        }
        stopped.push(socket);
    }
    let connecting = timeout(Duration::from_secs(5), authority.peer(&broker, "/ws/demo"));
    connecting.await.unwrap().publish("a").await;
    // The oldest have made room.
    for mut socket in stopped.into_iter().take(2) {
        let end = timeout(PATIENCE, socket.read(&mut [0; 64])).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    let end = timeout(PATIENCE, secured.swap_remove(0).read(&mut [0])).await;
    assert!(matches!(end, Ok(Ok(0) | Err(_))), "{end:?}");
}

#[tokio::test]
async fn other_routes_come_by_tls_and_reach_the_broker_without_it() {
    let authority = Authority::new();
    let inner = Arc::new(std::sync::Mutex::new(String::new()));
    let noted = inner.clone();
    let builder = authority.builder().http(move |url| {
        url.clone_into(&mut noted.lock().unwrap());
        axum::Router::new().route("/api/{topic}", axum::routing::get(async || "a module"))
    });
    let broker = builder.start().await.unwrap();
    let address = broker.local_addr().to_string();
    let mut peer = authority.connect(&address).await;
    let request = format!("GET /api/demo HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    peer.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\na module"), "{answer}");

    let inner = inner.lock().unwrap().clone();
    assert!(inner.starts_with("ws://127.0.0.1:"), "{inner}");
    let socket = inner.trim_start_matches("ws://").trim_end_matches("/ws");
    assert_ne!(socket, address);
    let stream = TcpStream::connect(socket).await.unwrap();
    let connected = client_async(format!("{inner}/demo"), stream).await;
    assert_eq!(connected.unwrap().1.status(), 101);
    broker.shutdown().await;
}
