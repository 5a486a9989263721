//! The replacement of TLS in programs without the feature `tls`.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::listener::Connection;
use crate::start_error::StartError;

/// A certificate that cannot be loaded.
#[derive(Debug)]
pub(crate) enum Tls {}

impl Tls {
    pub(crate) fn load(certificate: PathBuf, _key: PathBuf) -> Result<Self, StartError> {
        Err(StartError::Tls {
            file: certificate,
            source: "this program is built without the feature \"tls\"".into(),
        })
    }

    pub(crate) fn reload(&self) -> Result<bool, StartError> {
        match *self {}
    }

    pub(crate) async fn watch(self: Arc<Self>, _shutdown: CancellationToken) {
        match *self {}
    }
}

pub(crate) type Stream = Connection;

/// Returns the connection itself, because no TLS is in use.
pub(crate) fn secure(connection: Connection, _tls: Option<&Arc<Tls>>, _hub: &Arc<Hub>) -> Stream {
    connection
}
