//! What is wrong with the file of a certificate or a key.

use std::io;
use std::path::PathBuf;

use rustls::Error as TlsError;
use rustls::pki_types::pem::Error as PemError;

/// The error in a file of a certificate or a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("it is not PEM: {}", spoken(.0))]
    Pem(#[source] PemError),
    #[error(
        "it contains no certificate; a certificate in PEM begins with the line \
         -----BEGIN CERTIFICATE-----"
    )]
    NoCertificate,
    #[error("its first certificate cannot be read ({0})")]
    Certificate(#[source] TlsError),
    #[error(
        "it contains no private key; a key in PEM begins with a line such as \
         -----BEGIN PRIVATE KEY-----"
    )]
    NoKey,
    #[error(
        "its key has a password, and the broker cannot ask for it; write the key without one: \
         openssl pkey -in KEY -out NEW-KEY"
    )]
    EncryptedKey,
    #[error("its key cannot be read ({0}); use a key of RSA, ECDSA or Ed25519")]
    Key(#[source] TlsError),
    #[error(
        "its key does not belong to the first certificate in {}; the certificate of the broker comes \
         first there, and then those of the authorities that issued it",
        certificate.display()
    )]
    OtherKey { certificate: PathBuf },
}

/// Describes an error in PEM text. The error of the library lists bytes.
fn spoken(error: &PemError) -> String {
    match error {
        PemError::MissingSectionEnd { .. } => "a section of it is cut off".to_owned(),
        PemError::IllegalSectionStart { .. } => {
            "a line in it begins with dashes but is not a valid header".to_owned()
        }
        PemError::Base64Decode(_) => "a section of it is not base64".to_owned(),
        error => error.to_string(),
    }
}
