//! The queue and the threads of plain functions.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a thread waits for a job before it ends.
const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// The jobs that wait for a thread, and the number of jobs that may run at a time.
///
/// Quick jobs need no thread of the pool: the host runs them between [`enter`](Self::enter) and
/// [`leave`](Self::leave).
#[derive(Debug)]
pub(super) struct WorkerPool<J> {
    state: Mutex<State<J>>,
    available: Condvar,
    max_running: usize,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    /// The jobs that run, in the pool or outside.
    running: usize,
    threads: usize,
    /// The threads that sleep, including those that are about to wake.
    asleep: usize,
    /// How many of them must wake.
    wakeups: usize,
    is_closed: bool,
}

/// What to do for a job that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// A thread takes it.
    Taken,
    /// No thread can take it: start one more, which calls [`WorkerPool::next`] until it returns
    /// `None`.
    NeedsThread,
}

impl<J> WorkerPool<J> {
    pub(super) fn new(max_running: usize) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                running: 0,
                threads: 0,
                asleep: 0,
                wakeups: 0,
                is_closed: false,
            }),
            available: Condvar::new(),
            max_running,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    pub(super) fn push(&self, job: J) -> Added {
        let mut state = self.lock();
        state.jobs.push_back(job);
        self.wake(&mut state)
    }

    /// Counts a job outside of the pool as running. Returns whether one more may run. Then
    /// [`leave`](Self::leave) must follow.
    pub(super) fn enter(&self) -> bool {
        let mut state = self.lock();
        let has_room = state.running < self.max_running;
        if has_room {
            state.running += 1;
        }
        has_room
    }

    /// Counts a job outside of the pool as finished.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.running -= 1;
        if !state.jobs.is_empty() && state.asleep > state.wakeups {
            self.wake(&mut state);
        }
    }

    fn wake(&self, state: &mut State<J>) -> Added {
        if state.asleep > state.wakeups {
            state.wakeups += 1;
            self.available.notify_one();
            Added::Taken
        } else if state.threads < self.max_running {
            state.threads += 1;
            Added::NeedsThread
        } else {
            // All threads are busy, and each takes a job when it is free.
            Added::Taken
        }
    }

    /// Returns the next job for a thread of the pool, as soon as there is one. Returns `None` if the
    /// thread has to end. After the job, the thread calls [`finished`](Self::finished).
    pub(super) fn next(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            if state.running < self.max_running
                && let Some(job) = state.jobs.pop_front()
            {
                state.running += 1;
                return Some(job);
            }
            if state.is_closed && state.jobs.is_empty() {
                break;
            }
            state.asleep += 1;
            let (woken, timeout) = self
                .available
                .wait_timeout_while(state, IDLE_LIMIT, |state| {
                    state.wakeups == 0 && !(state.is_closed && state.jobs.is_empty())
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

    /// Counts a job of [`next`](Self::next) as finished.
    pub(super) fn finished(&self) {
        self.lock().running -= 1;
    }

    /// Records that a thread could not be started, and returns the waiting jobs if no thread is left
    /// to run them.
    pub(super) fn thread_failed(&self) -> Vec<J> {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Vec::new();
        }
        state.jobs.drain(..).collect()
    }

    /// Takes the waiting jobs that satisfy a condition.
    pub(super) fn take_waiting(&self, mut condition: impl FnMut(&J) -> bool) -> Vec<J> {
        let mut state = self.lock();
        let jobs = std::mem::take(&mut state.jobs).into_iter();
        let (taken, kept): (Vec<_>, Vec<_>) = jobs.partition(|job| condition(job));
        state.jobs = kept.into();
        taken
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
    fn jobs_get_threads_up_to_the_limit() {
        let pool = WorkerPool::new(2);
        assert_eq!(pool.push(1), Added::NeedsThread);
        assert_eq!(pool.push(2), Added::NeedsThread);
        assert_eq!(pool.push(3), Added::Taken);
        assert_eq!([next(&pool), next(&pool)], [1, 2]);
        pool.finished();
        assert_eq!(next(&pool), 3);
    }

    #[test]
    fn a_job_outside_of_the_pool_counts() {
        let pool = WorkerPool::new(1);
        assert!(pool.enter());
        assert!(!pool.enter());
        std::thread::scope(|scope| {
            assert_eq!(pool.push(1), Added::NeedsThread);
            let thread = scope.spawn(|| next(&pool));
            pool.leave();
            assert_eq!(thread.join().unwrap(), 1);
        });
        assert!(!pool.enter());
        pool.finished();
        assert!(pool.enter());
    }

    #[test]
    fn without_a_thread_the_jobs_come_back() {
        let pool = WorkerPool::<u32>::new(2);
        pool.push(1);
        pool.push(2);
        assert!(pool.thread_failed().is_empty());
        assert_eq!(pool.thread_failed(), [1, 2]);
        assert_eq!(pool.push(3), Added::NeedsThread);
    }

    #[test]
    fn waiting_jobs_can_be_taken_back() {
        let pool = WorkerPool::new(2);
        for job in 1..=4 {
            pool.push(job);
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
                    pool.finished();
                }
            };
            for job in 0..JOBS {
                if job % 3 == 0 && pool.enter() {
                    done.lock().unwrap().push(job);
                    pool.leave();
                } else if pool.push(job) == Added::NeedsThread {
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
