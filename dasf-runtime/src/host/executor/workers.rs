//! The threads of plain functions that are not quick.

use std::sync::Arc;

use tracing::Dispatch;

use super::Executor;
use super::job::Job;
use crate::host::worker_pool::Added;
use crate::module::Failure;

impl Executor {
    /// Passes a call to the threads.
    pub(super) fn enqueue(self: &Arc<Self>, job: Job) {
        let added = self.pool.push(job);
        if self.abort.is_cancelled() {
            self.abandon();
        } else if self.returning.is_cancelled() {
            self.return_waiting();
        }
        self.start_thread_if(added);
    }

    pub(super) fn start_thread_if(self: &Arc<Self>, added: Added) {
        if added != Added::NeedsThread {
            return;
        }
        let executor = Arc::clone(self);
        let thread = std::thread::Builder::new().name("dasf-worker".to_owned());
        // The log goes where the log of the host goes, even if that is not the log of the process.
        let log = tracing::dispatcher::get_default(Dispatch::clone);
        let work = move || tracing::dispatcher::with_default(&log, || executor.work());
        let Err(error) = thread.spawn(work) else {
            return;
        };
        tracing::error!(error = error.to_string(), "no thread can be started");
        for job in self.pool.thread_failed() {
            let failure = Failure::processing(format!("no thread can be started: {error}"));
            self.complete(job.ready.call, None, Err(failure));
        }
    }

    /// Runs calls on this thread as long as the pool has some.
    fn work(self: &Arc<Self>) {
        // Functions may start tasks.
        let _runtime = self.runtime.enter();
        while let Some(mut job) = self.pool.next() {
            let is_told = job.is_ours || !self.must_tell_the_broker(&job.ready.call);
            if is_told || self.runtime.block_on(self.is_ours(&mut job.ready.call)) {
                self.run_plain(job);
            }
            self.pool.finished();
        }
    }
}
