//! TLS: the certificate of the broker, which may change while the broker runs.

mod error;
mod stream;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error as TlsError, InconsistentKeys, ServerConfig};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::error::CertificateError;
pub(crate) use self::stream::{Stream, secure};
use crate::start_error::StartError;

/// The time after which the broker looks again whether the files have changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The one protocol that the broker speaks above TLS.
const HTTP: &[u8] = b"http/1.1";

/// The words with which the PEM text of a key begins that needs a password.
const ENCRYPTED: [&[u8]; 2] = [b"ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// The certificate of the broker and its key, in files that may change.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    files: Files,
    config: Arc<ServerConfig>,
    /// The problem with the present files.
    problem: Option<Problem>,
}

struct Problem {
    text: String,
    is_logged: bool,
}

/// The contents of the files.
#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`StartError::Tls`] if a file cannot be read or used, or the key belongs to another certificate.
    pub(crate) fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, StartError> {
        let files = read(&certificate, &key)?;
        let config = configuration(&files, &certificate, &key)?;
        Ok(Self {
            certificate,
            key,
            current: Mutex::new(Current {
                files,
                config,
                problem: None,
            }),
        })
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the settings of the next connection.
    fn config(&self) -> Arc<ServerConfig> {
        self.current().config.clone()
    }

    /// Reads the files again. Returns whether they have changed. Open connections keep the certificate
    /// that they began with.
    ///
    /// # Errors
    /// [`StartError::Tls`] as [`load`](Self::load). The broker then keeps the certificate that it has.
    pub(crate) fn reload(&self) -> Result<bool, StartError> {
        let files = read(&self.certificate, &self.key)?;
        // Nobody waits for the lock while the certificate is read.
        let has_changed = self.current().files != files;
        let config = has_changed
            .then(|| configuration(&files, &self.certificate, &self.key))
            .transpose()?;
        let mut current = self.current();
        current.problem = None;
        if let Some(config) = config {
            current.files = files;
            current.config = config;
            let file = self.certificate.display();
            info!(%file, "new connections get the new certificate");
        }
        Ok(has_changed)
    }

    /// Looks whether the files have changed.
    fn look(&self) {
        let Err(error) = self.reload() else {
            return;
        };
        let text = error.to_string();
        let problem = &mut self.current().problem;
        match problem {
            Some(problem) if problem.text == text => {
                if !problem.is_logged {
                    problem.is_logged = true;
                    warn!("keeps the old certificate: {text}");
                }
            }
            // Somebody may be about to write the second file, so the next look decides.
            _ => {
                *problem = Some(Problem {
                    text,
                    is_logged: false,
                });
            }
        }
    }

    /// Looks from time to time whether the files have changed.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
        let mut interval = interval(LOOK_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = interval.tick() => {}
                () = shutdown.cancelled() => return,
            }
            let tls = self.clone();
            // It fails only if the runtime ends.
            let _ = spawn_blocking(move || tls.look()).await;
        }
    }
}

/// Shows no key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Files, StartError> {
    let read = |file: &Path| fs::read(file).map_err(|error| refused(file, error.into()));
    Ok(Files {
        certificate: read(certificate)?,
        key: read(key)?,
    })
}

fn refused(file: &Path, error: CertificateError) -> StartError {
    StartError::Tls {
        file: file.to_owned(),
        source: error.into(),
    }
}

fn configuration(
    files: &Files,
    certificate: &Path,
    key: &Path,
) -> Result<Arc<ServerConfig>, StartError> {
    let chain = certificates(&files.certificate).map_err(|error| refused(certificate, error))?;
    let private = private_key(&files.key).map_err(|error| refused(key, error))?;
    // It is named here, because rustls panics without one in a program that links two.
    let provider = Arc::new(ring::default_provider());
    let signs = provider.key_provider.load_private_key(private);
    let signs = signs.map_err(|error| refused(key, CertificateError::Key(error)))?;
    let certified = CertifiedKey::new(chain, signs);
    match certified.keys_match() {
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(TlsError::InconsistentKeys(_)) => {
            let certificate = certificate.to_owned();
            return Err(refused(key, CertificateError::OtherKey { certificate }));
        }
        Err(error) => return Err(refused(certificate, CertificateError::Certificate(error))),
    }
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|error| refused(certificate, CertificateError::Certificate(error)))?;
    let mut config = builder
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![HTTP.to_owned()];
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(CertificateError::Pem)?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate);
    }
    Ok(chain)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let is_encrypted = ENCRYPTED
        .iter()
        .any(|words| pem.windows(words.len()).any(|part| part == *words));
    if is_encrypted {
        return Err(CertificateError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound => CertificateError::NoKey,
        error => CertificateError::Pem(error),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    /// Writes a new certificate for `localhost` and its key into a folder.
    pub(crate) fn write_certificate(folder: &Path) -> (PathBuf, PathBuf) {
        let names = vec!["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let files = (folder.join("certificate.pem"), folder.join("key.pem"));
        fs::write(&files.0, cert.pem()).unwrap();
        fs::write(&files.1, signing_key.serialize_pem()).unwrap();
        files
    }

    fn tls(folder: &Path) -> Arc<Tls> {
        let (certificate, key) = write_certificate(folder);
        Arc::new(Tls::load(certificate, key).unwrap())
    }

    /// Watches the files until the broker has another certificate. Returns how long that takes.
    async fn time_of_change(tls: &Arc<Tls>, change: impl FnOnce()) -> Duration {
        let shutdown = CancellationToken::new();
        let watching = tokio::spawn(tls.clone().watch(shutdown.clone()));
        let before = tls.config();
        // The first look sees the old files.
        sleep(Duration::from_millis(1)).await;
        change();
        let started = Instant::now();
        let changed = async {
            while Arc::ptr_eq(&tls.config(), &before) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(LOOK_INTERVAL * 10, changed).await.unwrap();
        shutdown.cancel();
        watching.await.unwrap();
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn changed_files_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let tls = tls(folder.path());
        let time = time_of_change(&tls, || drop(write_certificate(folder.path()))).await;
        assert!(time <= LOOK_INTERVAL * 2, "{time:?}");
    }

    #[test]
    fn a_problem_is_told_when_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let tls = tls(folder.path());
        let config = tls.config();
        let logged = || tls.current().problem.as_ref().map(|it| it.is_logged);
        tls.look();
        assert_eq!(logged(), None);
        // The certificate is written, and the key is not yet.
        let old = fs::read(&tls.key).unwrap();
        write_certificate(folder.path());
        let new = fs::read(&tls.key).unwrap();
        fs::write(&tls.key, old).unwrap();
        tls.look();
        assert_eq!(logged(), Some(false));
        tls.look();
        assert_eq!(logged(), Some(true));
        assert!(Arc::ptr_eq(&tls.config(), &config));
        fs::write(&tls.key, new).unwrap();
        tls.look();
        assert_eq!(logged(), None);
        assert!(!Arc::ptr_eq(&tls.config(), &config));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = write_certificate(folder.path());
        let other = tempfile::tempdir().unwrap();
        let (_, other_key) = write_certificate(other.path());
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let text = file("text.pem", "certificate");
        let cut = file("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
        let empty = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let empty = file("empty.pem", empty);
        let no_key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        let no_key = file("no-key.pem", no_key);
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let locked = file("locked.pem", locked);
        let missing = folder.path().join("missing.pem");
        for (of_certificate, of_key, named, reason) in [
            (&missing, &key, &missing, "No such file"),
            (&certificate, &missing, &missing, "No such file"),
            (&text, &key, &text, "contains no certificate"),
            (&key, &key, &key, "contains no certificate"),
            (&cut, &key, &cut, "a section of it is cut off"),
            (&empty, &key, &empty, "cannot be read"),
            (&certificate, &text, &text, "contains no private key"),
            (
                &certificate,
                &certificate,
                &certificate,
                "contains no private key",
            ),
            (&certificate, &no_key, &no_key, "cannot be read"),
            (&certificate, &locked, &locked, "has a password"),
            (
                &certificate,
                &other_key,
                &other_key,
                "does not belong to the first certificate",
            ),
        ] {
            let error = Tls::load(of_certificate.clone(), of_key.clone()).unwrap_err();
            let text = error.to_string();
            let StartError::Tls { file, .. } = error else {
                panic!("{text}");
            };
            assert_eq!(&file, named, "{text}");
            assert!(text.contains(reason), "{text}");
            assert!(text.contains(&named.display().to_string()), "{text}");
        }
    }
}
