//! The error of a broker that does not start.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::access::ConfigError;

/// The error of a broker that does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The broker cannot listen on the address.
    #[error("cannot listen on {address}: {source}; {}", remedy(source))]
    Bind {
        /// The address of the settings.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A limit is zero. With such a limit, a broker cannot work.
    #[error("the limit {name} is 0; set it to at least 1, or leave it out")]
    ZeroLimit {
        /// The name of the limit and of its setter.
        name: &'static str,
    },
    /// A text is not an origin.
    #[error(
        "{origin:?} is not an origin; use a scheme, a host and perhaps a port, such as \
         https://lab.example.org or http://localhost:5173, or * for all origins"
    )]
    Origin {
        /// The text.
        origin: String,
    },
    /// A text is not a pattern of topics.
    #[error("the settings of topics cannot be used: {source}")]
    Pattern {
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The broker cannot use the data directory.
    #[error("cannot use the data directory {}: {source}", directory.display())]
    Store {
        /// The directory of the settings.
        directory: PathBuf,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The broker cannot use its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The broker cannot write the audit log.
    #[error("cannot write the audit log {}: {source}", path.display())]
    AuditLog {
        /// The file of the settings.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The broker has a token and users. Each user has tokens of his own.
    #[error(
        "the broker has a token and a configuration with users; leave the token out, and give each user tokens"
    )]
    TokenAndUsers,
    /// The broker cannot use its certificate or the key of the certificate.
    #[error("cannot use {} for TLS: {source}", file.display())]
    Tls {
        /// The file with the mistake.
        file: PathBuf,
        /// The reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The broker would be open to the network. See [`Builder::insecure`](crate::Builder::insecure).
    #[error(
        "other machines reach {address}, and {}; or add --insecure if a reverse proxy in front of the \
         broker ends TLS, or if everybody in the network may read and send all messages",
        lacks.describe()
    )]
    Insecure {
        /// The address of the settings.
        address: SocketAddr,
        /// What the settings lack.
        lacks: Lacks,
    },
    /// The token is empty. An empty token would protect nothing.
    #[error("the token is empty; set a token of at least one character, or no token")]
    EmptyToken,
}

/// What a broker lacks that other machines reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lacks {
    /// TLS. Tokens and all messages would travel readable.
    Tls,
    /// Users or a token. Everybody could use every topic.
    Token,
    /// Both.
    TlsAndToken,
}

impl Lacks {
    fn describe(self) -> &'static str {
        match self {
            Self::Tls => {
                "the broker has no certificate, so tokens and all messages would travel readable; add \
                 --tls-cert and --tls-key"
            }
            Self::Token => {
                "the broker has neither users nor a token, so everybody could read and send all messages; add users \
                 with --config, or a token in DASF_BROKER_TOKEN"
            }
            Self::TlsAndToken => {
                "the broker has neither a certificate nor users nor a token, so everybody could read and send all \
                 messages; add --tls-cert and --tls-key, and users with --config or a token in DASF_BROKER_TOKEN"
            }
        }
    }
}

/// Returns advice for an address on which the broker cannot listen.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the program that listens there, or choose another port (port 0 stands for any free port)"
        }
        io::ErrorKind::PermissionDenied => {
            "choose a port of at least 1024, or run the broker with the right to use this port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "choose an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all addresses"
        }
        _ => "choose another address or port",
    }
}
