//! The two ways of waiting for an answer.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use tokio::runtime::{Handle, Runtime};

use super::CallError;

/// How a client waits: [`Async`] or [`Blocking`].
pub trait Mode: Clone + Send + Sync + 'static + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Async {}
    impl Sealed for super::Blocking {}
}

/// Calls are futures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Async;

impl Mode for Async {}

/// Calls block the thread, while a thread of the client's own talks to the broker.
#[derive(Debug, Clone)]
pub struct Blocking(Arc<Background>);

impl Mode for Blocking {}

/// The runtime of a blocking client. It ends with the last clone, wherever that is dropped.
#[derive(Debug)]
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Blocking {
    pub(super) fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("dasf-client")
            .enable_all()
            .build()?;
        Ok(Self(Arc::new(Background(Some(runtime)))))
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> Result<F::Output, CallError> {
        let runtime = self.0.0.as_ref().ok_or(CallError::Closed)?;
        if Handle::try_current().is_ok() {
            // Either a thread that may block, as in `spawn_blocking`, or one that runs asynchronous
            // code. tokio tells the difference in one way only: it panics on the latter.
            let probe = AssertUnwindSafe(|| runtime.block_on(async {}));
            std::panic::catch_unwind(probe).map_err(|_| CallError::InsideRuntime)?;
        }
        Ok(runtime.block_on(future))
    }
}
