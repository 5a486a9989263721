//! The two kinds of clients: asynchronous and blocking.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::task::consume_budget;

use super::CallError;
use super::cancel::{all_sent, are_all_sent};

/// How long the connections of a client stay for calls that were cancelled just before its end.
const CANCELLING_TIMEOUT: Duration = Duration::from_secs(2);

/// The kind of a client: [`Async`] or [`Blocking`].
pub trait Mode: Clone + Send + Sync + 'static + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Async {}
    impl Sealed for super::Blocking {}
}

/// The kind of clients whose calls are futures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Async;

impl Mode for Async {}

/// The kind of clients whose calls block the thread. Each client has its own thread for its
/// connections.
///
/// Inside asynchronous code, a call fails with [`CallError::InsideRuntime`], and connecting fails
/// with [`ClientError::InsideRuntime`](super::ClientError::InsideRuntime). Inside
/// [`tokio::task::unconstrained`], however, the client does not notice the asynchronous code, and
/// tokio panics.
#[derive(Debug, Clone)]
pub struct Blocking(Arc<Background>);

impl Mode for Blocking {}

/// The runtime of a blocking client. It ends when the last clone is dropped.
#[derive(Debug)]
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take() else {
            return;
        };
        if are_all_sent() {
            return runtime.shutdown_background();
        }
        // A call of the client was cancelled just now. This thread may not wait.
        let finish = move || {
            runtime.block_on(async {
                let _ = tokio::time::timeout(CANCELLING_TIMEOUT, all_sent()).await;
            });
            runtime.shutdown_background();
        };
        // Without a thread, the runtime ends at once.
        let _ = std::thread::Builder::new()
            .name("dasf-client".to_owned())
            .spawn(finish);
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
        if runs_asynchronous_code() {
            return Err(CallError::InsideRuntime);
        }
        Ok(runtime.block_on(future))
    }
}

/// Returns whether this thread polls a future of a runtime, and therefore must not block. Other
/// threads of a runtime may block, for example in `spawn_blocking`, where the functions of modules
/// run.
fn runs_asynchronous_code() -> bool {
    /// More steps than tokio allows a future at a time.
    const LARGEST_BUDGET: usize = 1024;
    if Handle::try_current().is_err() {
        return false;
    }
    // tokio gives a polled future a budget, after which the future yields. Blocking code has no
    // budget. The only other way to distinguish them is a panic, which ends programs that abort on
    // panics. A future that loses its budget here yields at its next `await`, and gets a new one.
    // An `unconstrained` future has no budget, so this function does not notice it.
    let mut context = std::task::Context::from_waker(Waker::noop());
    (0..LARGEST_BUDGET).any(|_| pin!(consume_budget()).poll(&mut context).is_pending())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_polled_futures_are_asynchronous() {
        let runtimes = [
            tokio::runtime::Builder::new_current_thread().build(),
            tokio::runtime::Builder::new_multi_thread().build(),
        ];
        assert!(!runs_asynchronous_code());
        for runtime in runtimes.map(Result::unwrap) {
            let handle = runtime.handle().clone();
            {
                let _entered = handle.enter();
                assert!(!runs_asynchronous_code(), "entered only");
            }
            let spawned = runtime.spawn(async { runs_asynchronous_code() });
            assert!(runtime.block_on(spawned).unwrap(), "in a task");
            let blocking = runtime.spawn_blocking(runs_asynchronous_code);
            assert!(!runtime.block_on(blocking).unwrap(), "in spawn_blocking");
            runtime.block_on(async {
                for _ in 0..2 {
                    assert!(runs_asynchronous_code(), "in block_on");
                }
                let unconstrained = tokio::task::unconstrained(async { runs_asynchronous_code() });
                assert!(!unconstrained.await, "the documented limit");
                tokio::task::yield_now().await;
                assert!(runs_asynchronous_code(), "after an await");
            });
            // A future inside a thread that may block.
            let nested = runtime.spawn_blocking(move || {
                handle.block_on(async { runs_asynchronous_code() }) && !runs_asynchronous_code()
            });
            assert!(
                runtime.block_on(nested).unwrap(),
                "in block_on in spawn_blocking"
            );
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let local = tokio::task::LocalSet::new();
        assert!(local.block_on(&runtime, async { runs_asynchronous_code() }));
        let in_place = async { tokio::task::block_in_place(runs_asynchronous_code) };
        assert!(!runtime.block_on(in_place), "in block_in_place");
    }
}
