//! The health and the numbers of a module over HTTP.

mod http;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use dasf_program::metrics::{CONTENT_TYPE, Histogram, Labelled, Numbers};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::counts::{Counts, RANGES};
use super::executor::Executor;
use crate::transport::ConnectionState;
use http::Page;

/// A port on which nobody is served yet.
pub(super) struct StatusPort {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl StatusPort {
    /// Opens the port.
    ///
    /// # Errors
    /// [`StartError::Status`].
    pub(super) fn open(address: SocketAddr) -> Result<Self, StartError> {
        let open = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        open().map_err(|source| StartError::Status { address, source })
    }

    /// Serves the pages of a module on the runtime of its connections: as long as the runtime does its tasks,
    /// the module reads its topic.
    ///
    /// # Errors
    /// [`StartError::Status`].
    pub(super) fn serve(self, connections: &Handle, status: Status) -> Result<(), StartError> {
        let _entered = connections.enter();
        let Self { listener, address } = self;
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|source| StartError::Status { address, source })?;
        let mut state = status.state.clone();
        let counts = Arc::clone(&status.counts);
        connections.spawn(async move { count_disconnections(&mut state, &counts).await });
        connections.spawn(http::serve(listener, move |path| status.page(path)));
        tracing::info!(
            address = address.to_string(),
            "the status is served at /health and /metrics"
        );
        Ok(())
    }
}

/// What one may see of a module.
pub(super) struct Status {
    pub(super) executor: Arc<Executor>,
    pub(super) counts: Arc<Counts>,
    /// The permits of the accepted calls.
    pub(super) admission: Arc<Semaphore>,
    pub(super) queue_size: usize,
    /// The state of the connection to the topic.
    pub(super) state: watch::Receiver<ConnectionState>,
    /// Cancelled when the module stops.
    pub(super) stop: CancellationToken,
}

impl Status {
    fn page(&self, path: &str) -> Page {
        match path {
            "/health" => self.health(),
            "/metrics" => self.metrics(),
            _ => Page::text(
                http::Status::NotFound,
                "there are /health and /metrics here",
            ),
        }
    }

    /// Returns whether the module does its work.
    fn health(&self) -> Page {
        if self.stop.is_cancelled() {
            return Page::text(http::Status::Unavailable, "the module stops");
        }
        match self.is_connected() {
            true => Page::text(http::Status::Ok, "ok"),
            false => Page::text(
                http::Status::Unavailable,
                "the module has no connection to the broker",
            ),
        }
    }

    fn is_connected(&self) -> bool {
        matches!(*self.state.borrow(), ConnectionState::Connected { .. })
    }

    /// Returns the numbers of now for Prometheus.
    fn metrics(&self) -> Page {
        let build = self.executor.build();
        let page = self
            .numbers()
            .page("dasf_module", "The module and its version", &build);
        match page {
            Ok(text) => Page {
                status: http::Status::Ok,
                content_type: CONTENT_TYPE,
                text,
            },
            Err(error) => Page::text(http::Status::Failed, &error.to_string()),
        }
    }

    fn numbers(&self) -> Numbers {
        let mut numbers = Numbers::default();
        let number = |number: usize| number as u64;
        let (calls, times) = self.calls();
        numbers.counters(
            "calls",
            "Calls that have ended, by function and outcome",
            calls,
        );
        numbers.seconds(
            "call",
            "The times of calls from acceptance to result, by function",
            times,
        );
        numbers.bytes_counter(
            "results",
            "The size of the results",
            self.counts.result_bytes(),
        );
        numbers.counter(
            "disconnections",
            "Lost connections to the broker",
            self.counts.disconnections(),
        );
        numbers.gauge(
            "connected",
            "Whether the module has its connection to the broker",
            u64::from(self.is_connected()),
        );
        let load = self.executor.load();
        numbers.gauge("calls_running", "Calls whose function runs", load.running);
        numbers.gauge(
            "calls_waiting",
            "Calls whose function waits for its turn",
            load.waiting,
        );
        let free = self.admission.available_permits();
        numbers.gauge(
            "calls_accepted",
            "Calls without a response, running and waiting",
            number(self.queue_size.saturating_sub(free)),
        );
        numbers.gauge(
            "calls_accepted_max",
            "The limit queue_size",
            number(self.queue_size),
        );
        let budget = self.executor.budget();
        numbers.bytes_gauge(
            "held",
            "The size of large requests and responses on the way",
            number(budget.held_bytes()),
        );
        numbers.bytes_gauge(
            "held_max",
            "The limit max_held_bytes",
            number(budget.limit()),
        );
        numbers
    }

    /// Returns how many calls of each function had which outcome, and which times they took.
    fn calls(&self) -> (Labelled<u64>, Labelled<Histogram>) {
        let (mut calls, mut times) = (Vec::new(), Vec::new());
        for (number, of_function) in self.counts.functions() {
            let name = self.executor.function_name(number);
            let is_known = name.is_some();
            let function = ("function", name.unwrap_or_default().into_owned());
            let mut add = |outcome: &str, count| {
                let outcome = ("outcome", outcome.to_owned());
                calls.push((vec![function.clone(), outcome], count));
            };
            if is_known {
                add("answered", of_function.answered());
            }
            let failed = of_function.failed().filter(|(_, count)| *count > 0);
            failed.for_each(|(kind, count)| add(kind.label(), count));
            let ranges: Vec<_> = of_function.times().collect();
            // A module may have hundreds of functions that nobody calls.
            if is_known && ranges.iter().any(|count| *count > 0) {
                let ends = RANGES.iter().map(Duration::as_secs_f64);
                let ends = ends.chain([f64::MAX]);
                let histogram = Histogram {
                    sum: of_function.time().as_secs_f64(),
                    ranges: ends.zip(ranges).collect(),
                };
                times.push((vec![function], histogram));
            }
        }
        (calls, times)
    }
}

/// Counts how often a connection is lost, until it is closed.
async fn count_disconnections(state: &mut watch::Receiver<ConnectionState>, counts: &Counts) {
    let mut was_lost = false;
    while state.changed().await.is_ok() {
        let is_lost = state.borrow_and_update().failure().is_some();
        if is_lost && !was_lost {
            counts.disconnected();
        }
        was_lost = is_lost;
    }
}
