//! Notices functions that block the threads of the program's runtime.
//!
//! An `async` function that blocks keeps its thread from other tasks. When all threads are blocked, the
//! module stands still, and nobody could say why. So each thread notes which function it polls. The
//! watch reads these notes from the runtime of the connections, which has its own thread. A poll costs
//! two stores, and the clock is read only by the watch. While no `async` function runs, the watch sleeps.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::duration::rounded;
use crate::module::Module;

/// How often the watch looks at the threads.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often the watch sees the same poll until the thread counts as blocked. Time alone does not show
/// it: the process may have been stopped.
const BLOCKED_LOOKS: u32 = 4;
/// After how many looks without a call the watch sleeps.
const IDLE_LOOKS: u32 = 8;

/// What the threads of this process poll.
static THREADS: Mutex<Vec<Weak<Thread>>> = Mutex::new(Vec::new());

thread_local! {
    static THREAD: Local = Local::register();
}

/// What a thread polls: the number of the poll in the upper half, and the function in the lower half,
/// which is zero between polls. Each thread has a cache line for itself.
#[repr(align(64))]
struct Thread(AtomicU64);

/// The function of a [`Thread`].
const FUNCTION: u64 = u32::MAX as u64;

/// The thread's own view of what it polls.
struct Local {
    shared: Arc<Thread>,
    state: Cell<u64>,
}

impl Local {
    fn register() -> Self {
        let shared = Arc::new(Thread(AtomicU64::new(0)));
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&shared));
        Self {
            shared,
            state: Cell::new(0),
        }
    }

    /// Begins a poll of a function, with a new number. Returns the function that was polled before.
    fn begin(&self, function: u64) -> u64 {
        let before = self.state.get();
        let number = (before & !FUNCTION).wrapping_add(FUNCTION + 1);
        self.set(number | function);
        before & FUNCTION
    }

    /// Ends a poll. The thread goes on with the function that it polled before, if there was one.
    fn end(&self, before: u64) {
        self.set(self.state.get() & !FUNCTION | before);
    }

    fn set(&self, state: u64) {
        self.state.set(state);
        self.shared.0.store(state, Ordering::Relaxed);
    }
}

/// A poll, until this is dropped.
struct Polling {
    before: u64,
}

impl Polling {
    /// Begins a poll. Returns `None` at the end of the thread.
    fn begin(function: u64) -> Option<Self> {
        let before = THREAD.try_with(|thread| thread.begin(function)).ok()?;
        Some(Self { before })
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        // It fails only at the end of the thread.
        let _ = THREAD.try_with(|thread| thread.end(self.before));
    }
}

/// The watch of one host.
#[derive(Debug)]
pub(super) struct ThreadWatch {
    /// The number of the host, in the upper half of the numbers of its functions.
    host: u64,
    is_awake: AtomicBool,
    wake: Notify,
}

/// The host and the program that a watch belongs to.
pub(super) struct Watched<'a, I> {
    pub(super) module: &'a Module,
    /// The runtime of the `async` functions.
    pub(super) runtime: &'a Handle,
    /// Returns whether no `async` function runs.
    pub(super) is_idle: I,
}

impl Default for ThreadWatch {
    fn default() -> Self {
        static HOSTS: AtomicUsize = AtomicUsize::new(0);
        let host = HOSTS.fetch_add(1, Ordering::Relaxed) as u64 % (1 << 16);
        Self {
            host: host << 16,
            is_awake: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }
}

impl ThreadWatch {
    /// Runs a call of the function with this number. Threads note it while they poll the call.
    pub(super) async fn note<T>(&self, number: u16, call: impl Future<Output = T>) -> T {
        self.wake();
        let function = self.host | u64::from(number);
        let mut call = pin!(call);
        poll_fn(|cx| {
            let _polling = Polling::begin(function);
            call.as_mut().poll(cx)
        })
        .await
    }

    fn wake(&self) {
        if !self.is_awake.load(Ordering::Relaxed) && !self.is_awake.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// Watches the threads, and never ends.
    pub(super) async fn watch(&self, watched: &Watched<'_, impl Fn() -> bool>) {
        let mut told = HashSet::new();
        loop {
            self.wake.notified().await;
            let mut sight = Sight::default();
            let mut idle_looks = 0;
            while idle_looks < IDLE_LOOKS {
                sleep(INTERVAL).await;
                self.look(&mut sight, watched, &mut told);
                let is_idle = sight.polls.is_empty() && sight.blocked.is_none();
                idle_looks = match is_idle && (watched.is_idle)() {
                    true => idle_looks + 1,
                    false => 0,
                };
            }
            self.is_awake.store(false, Ordering::Release);
            // A call may have begun since the last look.
            if !(watched.is_idle)() {
                self.wake();
            }
        }
    }

    /// Looks at the threads, and logs what has changed.
    fn look(
        &self,
        sight: &mut Sight,
        watched: &Watched<'_, impl Fn() -> bool>,
        told: &mut HashSet<u16>,
    ) {
        let now = Instant::now();
        sight.update(self.polls(), now);
        let long = sight.polls.iter();
        let long: Vec<_> = long.filter(|poll| poll.looks >= BLOCKED_LOOKS).collect();
        if !sight.canary.has_run() {
            if sight.canary.looks >= BLOCKED_LOOKS && sight.blocked.is_none() {
                sight.blocked = Some(sight.canary.sent);
                told.extend(long.iter().map(|poll| poll.function()));
                tell_blocked(&long, watched.module, sight.canary.sent, now);
            }
            return;
        }
        sight.canary = Canary::send(watched.runtime, now);
        if let Some(since) = sight.blocked.take() {
            tracing::info!(
                after = rounded(now - since),
                "the async runtime runs tasks again"
            );
        }
        for poll in long {
            if told.insert(poll.function()) {
                tracing::warn!(
                    function = &*poll.name(watched.module),
                    since = rounded(now - poll.since),
                    "an `async fn` keeps a thread of the async runtime: if it blocks, make it a plain `fn`, or use \
                     `spawn_blocking` or `block_in_place`"
                );
            }
        }
    }

    /// Returns the polls of the functions of this host: the thread, and what it polls.
    fn polls(&self) -> Vec<(usize, u64)> {
        let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = threads.iter().filter_map(Weak::upgrade);
        let polls = threads.map(|thread| {
            let state = thread.0.load(Ordering::Relaxed);
            (Arc::as_ptr(&thread) as usize, state)
        });
        let is_ours = |state: u64| {
            let function = state & FUNCTION;
            function != 0 && function >> 16 << 16 == self.host
        };
        polls.filter(|&(_, state)| is_ours(state)).collect()
    }
}

/// Logs that the runtime runs no tasks.
fn tell_blocked(long: &[&Poll], module: &Module, since: Instant, now: Instant) {
    let functions = long.iter().map(|poll| {
        let name = poll.name(module);
        format!("{name} for {}", rounded(now - poll.since))
    });
    let functions: Vec<_> = functions.collect();
    let functions = functions.join(", ");
    let since = rounded(now - since);
    if functions.is_empty() {
        tracing::warn!(
            since,
            "the async runtime is blocked and runs no tasks: tasks that functions have started keep its threads; what \
             blocks belongs in `spawn_blocking`"
        );
    } else {
        tracing::warn!(
            functions,
            since,
            "the async runtime is blocked and runs no tasks: these `async fn`s keep its threads; make a function that \
             blocks a plain `fn`, or use `spawn_blocking`"
        );
    }
}

/// What the watch has seen.
#[derive(Default)]
struct Sight {
    polls: Vec<Poll>,
    canary: Canary,
    /// Since when the runtime runs no tasks, if the log says so.
    blocked: Option<Instant>,
}

/// A poll of a function that the watch has seen.
struct Poll {
    thread: usize,
    state: u64,
    since: Instant,
    /// How often the watch has seen it.
    looks: u32,
}

impl Sight {
    fn update(&mut self, polls: Vec<(usize, u64)>, now: Instant) {
        let before = std::mem::take(&mut self.polls);
        let polls = polls.into_iter().map(|(thread, state)| {
            let known = before
                .iter()
                .find(|poll| poll.thread == thread && poll.state == state);
            Poll {
                thread,
                state,
                since: known.map_or(now, |poll| poll.since),
                looks: known.map_or(1, |poll| poll.looks + 1),
            }
        });
        self.polls = polls.collect();
    }
}

impl Poll {
    /// Returns the number of the function in its module.
    fn function(&self) -> u16 {
        (self.state % (1 << 16)) as u16
    }

    fn name(&self, module: &Module) -> Cow<'static, str> {
        module
            .function_name(self.function())
            .unwrap_or(Cow::Borrowed("a function"))
    }
}

/// A task that does nothing. If it does not run, no other task does.
struct Canary {
    has_run: Arc<AtomicBool>,
    sent: Instant,
    /// How often the watch has looked for it.
    looks: u32,
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            has_run: Arc::new(AtomicBool::new(true)),
            sent: Instant::now(),
            looks: 0,
        }
    }
}

impl Canary {
    fn send(runtime: &Handle, now: Instant) -> Self {
        let canary = Self {
            has_run: Arc::default(),
            sent: now,
            looks: 0,
        };
        let has_run = Arc::clone(&canary.has_run);
        runtime.spawn(async move { has_run.store(true, Ordering::Relaxed) });
        canary
    }

    /// Returns whether the task has run.
    fn has_run(&mut self) -> bool {
        self.looks += 1;
        self.has_run.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn polls(watch: &ThreadWatch) -> Vec<u64> {
        watch.polls().into_iter().map(|(_, state)| state).collect()
    }

    #[test]
    fn a_thread_notes_what_it_polls() {
        let (watch, other) = (ThreadWatch::default(), ThreadWatch::default());
        let outer = async {
            let during = other.note(2, async { polls(&watch) }).await;
            (during, polls(&watch))
        };
        let mut call = pin!(watch.note(1, outer));
        let Poll::Ready((during, after)) =
            call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("it has no reason to wait");
        };
        assert!(during.is_empty());
        assert_eq!(after.len(), 1);
        assert_eq!(after[0] & FUNCTION, watch.host | 1);
        assert!(polls(&watch).is_empty());
    }

    #[test]
    fn each_poll_has_a_number() {
        let watch = ThreadWatch::default();
        let mut numbers = Vec::new();
        for _ in 0..3 {
            let mut call = pin!(watch.note(7, async { polls(&watch) }));
            if let Poll::Ready(seen) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                numbers.extend(seen);
            }
        }
        assert_eq!(numbers.len(), 3);
        assert!(numbers[0] < numbers[1] && numbers[1] < numbers[2]);
    }

    #[test]
    fn a_thread_that_has_ended_is_forgotten() {
        let watch = ThreadWatch::default();
        let state = std::thread::scope(|scope| {
            let thread = scope.spawn(|| Polling::begin(watch.host | 1).map(std::mem::forget));
            thread.join()
        });
        assert!(state.unwrap().is_some());
        assert!(polls(&watch).is_empty());
    }
}
