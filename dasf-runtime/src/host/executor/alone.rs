//! Runs the last attempt of a request that may end the module, while no other call runs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Executor;
use super::job::{Job, Ready};
use crate::module::descriptor::Handler;

/// How long the last attempt of a request waits for the other calls to end, and they for it. Calls may
/// take hours, and they must not stop the module.
const ALONE_PATIENCE: Duration = Duration::from_secs(10);

/// The only last attempt of a request that may run, until this is dropped.
pub(in crate::host) struct LastAttempt {
    _permit: OwnedSemaphorePermit,
    /// Tells that it has ended.
    _ended: DropGuard,
}

/// Keeps all calls but one from running.
struct Alone<'a> {
    executor: &'a Arc<Executor>,
    /// The permits of all `async` functions. The call itself may need one.
    permits: Option<SemaphorePermit<'a>>,
    keeps_others: bool,
}

impl Alone<'_> {
    /// Lets other calls run beside this one.
    fn let_others_begin(&mut self) {
        if !std::mem::take(&mut self.keeps_others) {
            return;
        }
        if let Some(permits) = &mut self.permits {
            drop(permits.split(permits.num_permits().saturating_sub(1)));
        }
        for added in self.executor.pool.not_alone() {
            self.executor.start_thread_if(added);
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.let_others_begin();
    }
}

impl Executor {
    /// Runs the last attempt of a request that may end the module, while no other call runs. Otherwise
    /// calls that only run beside such a request would be taken for it. If the other calls or this one
    /// take long, they run side by side, but never beside another last attempt.
    pub(super) async fn run_alone(self: Arc<Self>, mut ready: Ready, handler: Handler) {
        tracing::warn!(
            message_id = &*ready.call.message_id,
            function = &*ready.target.name(),
            "last attempt of a request that no module finished: it runs alone"
        );
        let ended = CancellationToken::new();
        let permit = tokio::select! {
            biased;
            () = self.abort.cancelled() => return self.leave(ready.call).await,
            () = self.returning.cancelled() => return self.leave(ready.call).await,
            permit = Arc::clone(&self.last_attempt).acquire_owned() => permit,
        };
        ready.call.last = permit.ok().map(|permit| {
            Box::new(LastAttempt {
                _permit: permit,
                _ended: ended.clone().drop_guard(),
            })
        });
        let Some(mut alone) = self.alone_soon().await else {
            return self.run(ready, handler);
        };
        if !self.is_ours(&mut ready.call).await {
            return;
        }
        match handler {
            Handler::Blocking(function) | Handler::Inline(function) => {
                let job = Job {
                    is_ours: true,
                    ..Job::new(ready, function)
                };
                let added = self.pool.push_alone(job);
                self.start_thread_if(added);
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = tokio::time::sleep(ALONE_PATIENCE) => {}
                }
            }
            Handler::Async(function) => {
                let running = async {
                    if let Some((call, report, outcome)) = self.run_in_task(ready, function).await {
                        self.finish(call, report, outcome).await;
                    }
                };
                let mut running = pin!(running);
                tokio::select! {
                    () = &mut running => {}
                    () = tokio::time::sleep(ALONE_PATIENCE) => {
                        alone.let_others_begin();
                        running.await;
                    }
                }
            }
        }
    }

    /// Waits for a while until no call runs, and keeps others from the begin until the result is
    /// dropped. Only the holder of [`last_attempt`](field@Self::last_attempt) may call it.
    async fn alone_soon(self: &Arc<Self>) -> Option<Alone<'_>> {
        let alone = tokio::time::timeout(ALONE_PATIENCE, self.alone());
        tokio::select! {
            biased;
            // A call that begins then is given up.
            () = self.abort.cancelled() => None,
            () = self.returning.cancelled() => None,
            alone = alone => alone.ok(),
        }
    }

    /// Waits until no call runs, and keeps others from the begin until the result is dropped.
    ///
    /// # Cancel safety
    /// When dropped, other calls begin again.
    async fn alone(self: &Arc<Self>) -> Alone<'_> {
        let permits = self.concurrent.acquire_many(self.concurrency).await;
        let alone = Alone {
            executor: self,
            permits: permits.ok(),
            keeps_others: true,
        };
        self.pool.alone().await;
        alone
    }
}
