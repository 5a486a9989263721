//! The trace to which the calls of a function belong.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use dasf_protocol::TraceContext;

thread_local! {
    /// The trace of the function that runs on this thread.
    static CURRENT: RefCell<Option<Arc<TraceContext>>> = const { RefCell::new(None) };
}

/// Returns the trace of the function that runs now, if its caller has one. A trace of OpenTelemetry takes
/// precedence, because the function may have begun spans of its own.
#[cfg(feature = "client")]
pub(crate) fn current() -> Option<Arc<TraceContext>> {
    #[cfg(feature = "opentelemetry")]
    if let Some(current) = crate::telemetry::current() {
        return Some(Arc::new(current));
    }
    let current = CURRENT.try_with(|current| current.borrow().clone());
    current.ok().flatten()
}

/// Keeps a trace the current one until it is dropped.
#[cfg(feature = "module")]
#[must_use = "the trace is the current one until this is dropped"]
struct Entered {
    before: Option<Arc<TraceContext>>,
}

#[cfg(feature = "module")]
impl Entered {
    fn new(trace: Arc<TraceContext>) -> Self {
        let before = CURRENT.try_with(|current| current.replace(Some(trace)));
        Self {
            before: before.ok().flatten(),
        }
    }
}

#[cfg(feature = "module")]
impl Drop for Entered {
    fn drop(&mut self) {
        // At the end of a thread, no function runs any more.
        let _ = CURRENT.try_with(|current| current.replace(self.before.take()));
    }
}

/// Runs a function in a trace, if there is one.
#[cfg(feature = "module")]
pub(crate) fn run<T>(trace: Option<&Arc<TraceContext>>, function: impl FnOnce() -> T) -> T {
    let _entered = trace.map(|trace| Entered::new(Arc::clone(trace)));
    function()
}

/// Runs an `async` function in a trace, if there is one.
///
/// # Cancel safety
/// That of the function.
#[cfg(feature = "module")]
pub(crate) async fn run_async<T>(
    trace: Option<Arc<TraceContext>>,
    function: impl FnOnce() -> Pin<Box<dyn Future<Output = T> + Send>>,
) -> T {
    let mut call = run(trace.as_ref(), function);
    poll_fn(|context| run(trace.as_ref(), || call.as_mut().poll(context))).await
}

#[cfg(all(feature = "client", feature = "module"))]
#[cfg(test)]
mod tests {
    use super::*;

    fn trace(span: u64) -> Arc<TraceContext> {
        let text = format!("00-{:032x}-{span:016x}-01", 7);
        Arc::new(text.parse().unwrap())
    }

    #[tokio::test]
    async fn a_trace_is_that_of_the_function_that_runs() {
        assert_eq!(current(), None);
        let first = trace(1);
        run(Some(&first), || {
            assert_eq!(current().as_ref(), Some(&first));
            run(Some(&trace(2)), || assert_eq!(current(), Some(trace(2))));
            assert_eq!(current().as_ref(), Some(&first));
        });
        let panicked = std::panic::catch_unwind(|| run(Some(&trace(1)), || panic!("no")));
        assert!(panicked.is_err());
        assert_eq!(current(), None);
        // Functions that take turns on a thread have their own traces.
        let takes_turns = |span| {
            run_async(Some(trace(span)), move || {
                Box::pin(async move {
                    for _ in 0..3 {
                        assert_eq!(current(), Some(trace(span)));
                        tokio::task::yield_now().await;
                    }
                })
            })
        };
        tokio::join!(takes_turns(1), takes_turns(2), async {
            tokio::task::yield_now().await;
            assert_eq!(current(), None);
        });
    }
}
