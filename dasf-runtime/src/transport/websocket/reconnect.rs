//! Keeps a connection to the broker: connects again as often as needed.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Connection, Dialect, Endpoint};
use crate::backoff::Backoff;
use crate::duration::rounded;
use crate::transport::{ConnectError, ConnectionState};

/// The work of a task on its connections, one after the other.
pub(super) trait Work<W, R> {
    /// What the task is, for the log.
    const NAME: &'static str;

    /// Serves one connection. Breaks when nothing is left to do. Continues with the reason when the
    /// connection is lost.
    ///
    /// # Cancel safety
    /// When dropped, the connection is lost.
    fn serve(
        &mut self,
        connection: Connection<W, R>,
    ) -> impl Future<Output = ControlFlow<(), String>> + Send;

    /// Waits, without a connection, until nothing is left to do.
    ///
    /// # Cancel safety
    /// Cancel safe.
    fn unwanted(&mut self) -> impl Future<Output = ()> + Send;

    /// Returns whether the last connection carried a message, or the receipt of one.
    fn was_useful(&self) -> bool;

    /// How long to try without a connection; `None` means without end.
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// Serves connections until nothing is left to do, or the patience of the work is over. `first` is
/// a connection that is open already.
pub(super) async fn keep_connected<D, T>(
    dialect: &D,
    endpoint: &Endpoint,
    mut first: Option<Connection<D::Writer, D::Reader>>,
    work: &mut T,
    state: &watch::Sender<ConnectionState>,
) where
    D: Dialect,
    T: Work<D::Writer, D::Reader>,
{
    let mut backoff = Backoff::default();
    let mut disconnected_since = Instant::now();
    // Since when the log says that there is no connection.
    let mut lost_since = None;
    loop {
        let connection = match first.take() {
            Some(connection) => Ok(connection),
            None => tokio::select! {
                // Boxed, because a handshake needs far more memory than the connection.
                connection = Box::pin(dialect.connect(endpoint)) => connection,
                () = work.unwanted() => return,
            },
        };
        let failure = match connection {
            Ok(connection) => {
                tracing::debug!(endpoint = endpoint.without_query(), "{} connected", T::NAME);
                if let Some(since) = lost_since.take() {
                    log_return(T::NAME, since);
                }
                state.send_replace(ConnectionState::Connected {
                    names_users: connection.names_users,
                    hold: connection.hold,
                });
                let connected_at = Instant::now();
                let served = tokio::select! {
                    biased;
                    served = work.serve(connection) => served,
                    better = dialect.better(endpoint) => {
                        first = Some(better);
                        continue;
                    }
                };
                let ControlFlow::Continue(reason) = served else {
                    return;
                };
                if backoff.is_reset_by(work.was_useful(), connected_at.elapsed()) {
                    disconnected_since = Instant::now();
                }
                let url = endpoint.to_string();
                ConnectError::Unreachable {
                    url,
                    reason,
                    source: None,
                }
            }
            Err(error) => error,
        };
        let wait = backoff.next();
        if lost(T::NAME, failure, wait, state) {
            lost_since.get_or_insert_with(Instant::now);
        }
        let has_patience = |limit| disconnected_since.elapsed() < limit;
        if !work.patience().is_none_or(has_patience) {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = work.unwanted() => return,
        }
    }
}

/// Tells the log that a lost connection is there again.
pub(super) fn log_return(name: &str, lost_since: Instant) {
    let after = rounded(lost_since.elapsed());
    tracing::info!("{name} connected again after {after}");
}

/// Records why there is no connection. Returns whether the log has a warning of it.
pub(super) fn lost(
    name: &str,
    failure: ConnectError,
    retry_in: Duration,
    state: &watch::Sender<ConnectionState>,
) -> bool {
    let failure_text = failure.to_string();
    let is_first_attempt = *state.borrow() == ConnectionState::Connecting;
    if is_first_attempt {
        // The owner of the handle gets this failure and decides whether to go on.
        tracing::debug!(failure = failure_text, "{name} not connected");
    } else {
        let advice = failure.advice();
        let advice = advice.as_deref();
        tracing::warn!(
            failure = failure_text,
            advice,
            retry_in = rounded(retry_in),
            "{name} disconnected"
        );
    }
    state.send_replace(ConnectionState::Disconnected(failure));
    !is_first_attempt
}
