//! The queue and the threads of plain functions.
//!
//! A thread that waits costs more to wake than a short function costs to run. So a job wakes a
//! thread only if otherwise nothing runs it: a thread that is awake takes all jobs that wait before
//! it sleeps. Jobs that may take long wake a further thread at once, quick ones only if they still
//! wait after [`PATIENCE`].

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a quick job may wait behind a job that seemed quick, and is not.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);
/// How long a thread waits for a job before it ends.
const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// The jobs that wait for a thread, and the number of threads that may run them.
#[derive(Debug)]
pub(super) struct WorkerPool<J> {
    state: Mutex<State<J>>,
    available: Condvar,
    max_threads: usize,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<Waiting<J>>,
    threads: usize,
    /// The threads that sleep, including those that are about to wake.
    asleep: usize,
    /// How many of them must wake.
    wakeups: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Waiting<J> {
    job: J,
    is_quick: bool,
}

/// What to do for a job that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// A thread takes it.
    Taken,
    /// A thread takes it soon, if the job that it runs is as quick as expected. Call
    /// [`WorkerPool::wake_for_waiting`] after [`PATIENCE`].
    Queued,
    /// No thread can take it: start one more, which calls [`WorkerPool::next`] until it returns
    /// `None`.
    NeedsThread,
}

impl<J> WorkerPool<J> {
    pub(super) fn new(max_threads: usize) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                threads: 0,
                asleep: 0,
                wakeups: 0,
                is_closed: false,
            }),
            available: Condvar::new(),
            max_threads,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    pub(super) fn push(&self, job: J, is_quick: bool) -> Added {
        let mut state = self.lock();
        state.jobs.push_back(Waiting { job, is_quick });
        let is_one_awake = state.threads > state.asleep || state.wakeups > 0;
        if is_quick && is_one_awake {
            return Added::Queued;
        }
        self.wake(&mut state)
    }

    /// Wakes one more thread if jobs wait.
    pub(super) fn wake_for_waiting(&self) -> Added {
        let mut state = self.lock();
        if state.jobs.is_empty() {
            return Added::Taken;
        }
        self.wake(&mut state)
    }

    /// Returns whether jobs wait while a further thread could run them.
    pub(super) fn could_run_more(&self) -> bool {
        let state = self.lock();
        let has_thread = state.asleep > state.wakeups || state.threads < self.max_threads;
        has_thread && !state.jobs.is_empty()
    }

    fn wake(&self, state: &mut State<J>) -> Added {
        if state.asleep > state.wakeups {
            state.wakeups += 1;
            self.available.notify_one();
            Added::Taken
        } else if state.threads < self.max_threads {
            state.threads += 1;
            Added::NeedsThread
        } else {
            // All threads are busy, and each takes a job when it is free.
            Added::Taken
        }
    }

    /// Returns the next job for a thread of the pool, as soon as there is one. Returns `None` if the
    /// thread has to end.
    pub(super) fn next(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if let Some(Waiting { job, is_quick }) = state.jobs.pop_front() {
                // This thread may be busy for long with the job.
                if !is_quick && !state.jobs.is_empty() && state.asleep > state.wakeups {
                    self.wake(&mut state);
                }
                return Some(job);
            }
            if state.is_closed {
                break;
            }
            state.asleep += 1;
            let (woken, timeout) = self
                .available
                .wait_timeout_while(state, IDLE_LIMIT, |state| {
                    state.wakeups == 0 && !state.is_closed
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.asleep -= 1;
            state.wakeups = state.wakeups.saturating_sub(1);
            if timeout.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        None
    }

    /// Records that a thread could not be started, and returns the waiting jobs if no thread is left
    /// to run them.
    pub(super) fn thread_failed(&self) -> Vec<J> {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Vec::new();
        }
        state.jobs.drain(..).map(|waiting| waiting.job).collect()
    }

    /// Takes the waiting jobs that satisfy a condition.
    pub(super) fn take_waiting(&self, mut condition: impl FnMut(&J) -> bool) -> Vec<J> {
        let mut state = self.lock();
        let jobs = std::mem::take(&mut state.jobs).into_iter();
        let (taken, kept): (Vec<_>, Vec<_>) = jobs.partition(|waiting| condition(&waiting.job));
        state.jobs = kept.into();
        taken.into_iter().map(|waiting| waiting.job).collect()
    }

    /// Ends the threads when no jobs wait.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.available.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the next job, which must be there.
    #[track_caller]
    fn next(pool: &WorkerPool<u32>) -> u32 {
        pool.next().unwrap()
    }

    #[test]
    fn quick_jobs_need_no_further_thread() {
        let pool = WorkerPool::new(4);
        assert_eq!(pool.push(1, true), Added::NeedsThread);
        assert_eq!(next(&pool), 1);
        assert_eq!(pool.push(2, true), Added::Queued);
        assert_eq!(pool.push(3, true), Added::Queued);
        assert_eq!(next(&pool), 2);
        assert_eq!(next(&pool), 3);
        assert_eq!(pool.wake_for_waiting(), Added::Taken);
    }

    #[test]
    fn quick_jobs_that_wait_get_a_thread() {
        let pool = WorkerPool::new(2);
        assert_eq!(pool.push(1, true), Added::NeedsThread);
        assert_eq!(next(&pool), 1);
        assert_eq!(pool.push(2, true), Added::Queued);
        assert!(pool.could_run_more());
        assert_eq!(pool.wake_for_waiting(), Added::NeedsThread);
        // All threads that are allowed run.
        assert!(!pool.could_run_more());
        assert_eq!(pool.wake_for_waiting(), Added::Taken);
        assert_eq!(next(&pool), 2);
        assert!(!pool.could_run_more());
    }

    #[test]
    fn other_jobs_get_threads_up_to_the_limit() {
        let pool = WorkerPool::new(2);
        assert_eq!(pool.push(1, false), Added::NeedsThread);
        assert_eq!(pool.push(2, false), Added::NeedsThread);
        assert_eq!(pool.push(3, false), Added::Taken);
        assert_eq!([next(&pool), next(&pool), next(&pool)], [1, 2, 3]);
    }

    #[test]
    fn without_a_thread_the_jobs_come_back() {
        let pool = WorkerPool::<u32>::new(2);
        pool.push(1, false);
        pool.push(2, false);
        assert!(pool.thread_failed().is_empty());
        assert_eq!(pool.thread_failed(), [1, 2]);
        assert_eq!(pool.push(3, false), Added::NeedsThread);
    }

    #[test]
    fn waiting_jobs_can_be_taken_back() {
        let pool = WorkerPool::new(1);
        for job in 1..=4 {
            pool.push(job, false);
        }
        assert_eq!(pool.take_waiting(|job| job % 2 == 0), [2, 4]);
        assert_eq!([next(&pool), next(&pool)], [1, 3]);
    }

    #[test]
    fn every_job_of_many_threads_runs_once() {
        const JOBS: u32 = 10_000;
        let pool = WorkerPool::new(4);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let work = || {
                while let Some(job) = pool.next() {
                    done.lock().unwrap().push(job);
                }
            };
            for job in 0..JOBS {
                if pool.push(job, job % 3 > 0) == Added::NeedsThread {
                    scope.spawn(work);
                }
            }
            pool.close();
        });
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..JOBS).collect::<Vec<_>>());
    }
}
