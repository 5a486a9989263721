//! Why a store cannot be used.

use std::error::Error;
use std::io;
use std::path::PathBuf;

/// The reason why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("cannot use {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("another broker uses it; stop that broker, or choose another directory")]
    InUse,
    #[error(transparent)]
    Database(Box<dyn Error + Send + Sync>),
    #[error("its database belongs to another program; choose another directory")]
    Foreign,
    #[error(
        "its database has version {found}, and this broker knows version {known}; use the broker that wrote it"
    )]
    Version { found: i32, known: i32 },
    #[error(
        "its database is damaged: {what}; restore it from a backup, or save what can be read with \
         `dasf-broker recover DIR NEW-DIR`"
    )]
    Damaged { what: String },
    #[cfg(feature = "store")]
    #[error("it has a database already; choose an empty directory")]
    NotEmpty,
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    #[cfg(not(feature = "store"))]
    #[error("this program is built without the feature \"store\"")]
    NotBuilt,
}
