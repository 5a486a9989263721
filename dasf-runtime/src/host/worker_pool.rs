//! The queue and the threads of plain functions.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// How long a thread waits for a job before it ends.
const IDLE_LIMIT: Duration = Duration::from_secs(10);

/// The jobs that wait for a thread, and the number of jobs that may run at a time.
///
/// Quick jobs need no thread of the pool: the host runs them between [`enter`](Self::enter) and
/// [`leave`](Self::leave). While a job runs alone, between [`alone`](Self::alone) and
/// [`not_alone`](Self::not_alone), no other one begins.
#[derive(Debug)]
pub(super) struct WorkerPool<J> {
    state: Mutex<State<J>>,
    available: Condvar,
    /// Notified when no job runs, while one runs alone or waits for it.
    is_idle: Notify,
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
    /// Whether a job runs alone, or waits to do so. Until it ends, no other job begins.
    is_alone: bool,
    /// The job that runs alone, until a thread takes it. In a box, because there is rarely one.
    alone: Option<Box<J>>,
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

/// How many jobs there are at one time.
pub(super) struct PoolLoad {
    pub(super) running: usize,
    pub(super) waiting: usize,
}

impl<J> State<J> {
    /// Returns whether one more job may begin.
    fn has_room(&self, max_running: usize) -> bool {
        self.running < max_running && !self.is_alone
    }
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
                is_alone: false,
                alone: None,
            }),
            available: Condvar::new(),
            is_idle: Notify::new(),
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
        let has_room = state.has_room(self.max_running);
        if has_room {
            state.running += 1;
        }
        has_room
    }

    /// Counts a job outside of the pool as finished.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        self.count_finished(&mut state);
        if !state.is_alone && !state.jobs.is_empty() && state.asleep > state.wakeups {
            self.wake(&mut state);
        }
    }

    fn wake(&self, state: &mut State<J>) -> Added {
        if state.is_alone && state.alone.is_none() {
            // It gets a thread when the other one has ended.
            Added::Taken
        } else if state.asleep > state.wakeups {
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
            if let Some(job) = state.alone.take() {
                state.running += 1;
                return Some(*job);
            }
            if state.has_room(self.max_running)
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
        self.count_finished(&mut self.lock());
    }

    fn count_finished(&self, state: &mut State<J>) {
        state.running -= 1;
        if state.is_alone && state.running == 0 {
            self.is_idle.notify_one();
        }
    }

    /// Keeps other jobs from the begin, and waits until none runs. Then a job can run alone. Before another call, [`not_alone`](Self::not_alone) must follow.
    ///
    /// # Cancel safety
    /// When dropped, other jobs still do not begin: call [`not_alone`](Self::not_alone).
    pub(super) async fn alone(&self) {
        self.lock().is_alone = true;
        self.idle().await;
    }

    /// Adds the job that runs alone.
    pub(super) fn push_alone(&self, job: J) -> Added {
        let mut state = self.lock();
        state.alone = Some(Box::new(job));
        self.wake(&mut state)
    }

    /// Waits until no job runs, between [`alone`](Self::alone) and [`not_alone`](Self::not_alone).
    async fn idle(&self) {
        let is_idle = |state: &State<J>| state.running == 0 && state.alone.is_none();
        while !is_idle(&self.lock()) {
            self.is_idle.notified().await;
        }
    }

    /// Lets other jobs begin again. Returns what to do for each one that waits.
    pub(super) fn not_alone(&self) -> Vec<Added> {
        let mut state = self.lock();
        state.is_alone = false;
        let waiting = state.jobs.len();
        (0..waiting).map(|_| self.wake(&mut state)).collect()
    }

    /// Records that a thread could not be started, and returns the waiting jobs if no thread is left
    /// to run them.
    pub(super) fn thread_failed(&self) -> Vec<J> {
        let mut state = self.lock();
        state.threads -= 1;
        if state.threads > 0 {
            return Vec::new();
        }
        let alone = state.alone.take();
        let alone = alone.map(|job| *job).into_iter();
        alone.chain(state.jobs.drain(..)).collect()
    }

    /// Returns how many jobs wait before the first one that satisfies a condition; `None` if there is none
    /// among the first `max`.
    pub(super) fn position(&self, max: usize, condition: impl Fn(&J) -> bool) -> Option<usize> {
        let state = self.lock();
        state.jobs.iter().take(max).position(condition)
    }

    /// Returns how many jobs run and wait.
    pub(super) fn load(&self) -> PoolLoad {
        let state = self.lock();
        PoolLoad {
            running: state.running,
            waiting: state.jobs.len() + usize::from(state.alone.is_some()),
        }
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
    use std::pin::pin;

    use futures_util::poll;

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

    #[tokio::test]
    async fn a_job_that_runs_alone_waits_for_the_others_and_holds_them_up() {
        let pool = WorkerPool::new(3);
        assert_eq!(pool.push(1), Added::NeedsThread);
        assert_eq!(next(&pool), 1);
        assert!(pool.enter());
        let mut alone = pin!(pool.alone());
        assert!(poll!(&mut alone).is_pending());
        pool.leave();
        assert!(!pool.enter());
        assert_eq!(pool.push(2), Added::Taken);
        assert_eq!(pool.push(3), Added::Taken);
        assert!(poll!(&mut alone).is_pending());
        pool.finished();
        assert!(poll!(&mut alone).is_ready());
        assert_eq!(pool.push_alone(4), Added::NeedsThread);
        assert_eq!(next(&pool), 4);
        assert!(!pool.enter());
        pool.finished();
        assert_eq!(pool.not_alone(), [Added::NeedsThread, Added::Taken]);
        assert_eq!([next(&pool), next(&pool)], [2, 3]);
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
        assert_eq!(pool.position(9, |job| *job == 3), Some(2));
        assert_eq!(pool.position(2, |job| *job == 3), None);
        assert_eq!(pool.take_waiting(|job| job % 2 == 0), [2, 4]);
        assert_eq!(pool.position(9, |job| *job == 3), Some(1));
        assert_eq!(pool.position(9, |job| *job == 4), None);
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
