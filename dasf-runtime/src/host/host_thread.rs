//! The thread of a host: it reads and writes the host's connections, and runs quick functions.
//!
//! A request of a quick function goes from the socket to the function and back without another
//! thread. To wake one would take longer than the function. The connections have their own Tokio
//! runtime. The thread leaves the runtime before it runs a function, so that the function may block,
//! like every plain function.
//!
//! The host ends at once when the runtime of the program ends.
//!
//! If a call takes longer than expected, a standby thread takes over: it becomes the thread of the
//! host. The other one only finishes its call. So a quick function that blocks holds up the other
//! calls for about [`PATIENCE`].

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Dispatch;

use super::dispatcher::Dispatcher;
use super::executor::Executor;
use crate::transport::Subscriber;

/// How long a call may take until the standby thread takes over.
const PATIENCE: Duration = Duration::from_millis(1);
/// After how many checks without a call the standby thread sleeps until the next call.
const IDLE_CHECKS: u32 = 20;
/// The thread runs no call.
const NO_CALL: u64 = 0;

/// A thread that waits for the work of its host.
pub(super) struct HostThread {
    /// The runtime of the connections.
    pub(super) runtime: Handle,
    work: oneshot::Sender<Work>,
    ended: oneshot::Receiver<()>,
}

/// What a host does.
struct Work {
    executor: Arc<Executor>,
    dispatching: Dispatching,
}

/// Reads requests until the host has stopped.
type Dispatching = Pin<Box<dyn Future<Output = ()> + Send>>;

impl HostThread {
    /// Starts the thread. It ends when the handle is dropped before [`run`](Self::run).
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let surroundings = Surroundings::current();
        let (work, waiting) = oneshot::channel::<Work>();
        let (sender, ended) = oneshot::channel();
        let (mut alive, program) = oneshot::channel();
        surroundings
            .program
            .spawn(async move { alive.closed().await });
        spawn("dasf-host", surroundings.clone(), move || {
            match runtime.block_on(waiting) {
                Ok(work) => {
                    let connections = Connections {
                        dispatching: work.dispatching,
                        program,
                        runtime,
                    };
                    serve(&HostLoop::new(
                        connections,
                        work.executor,
                        surroundings,
                        sender,
                    ));
                }
                // The host did not start. Its connections are closed.
                Err(_) => runtime.shutdown_background(),
            }
        })?;
        Ok(Self {
            runtime: handle,
            work,
            ended,
        })
    }

    /// Serves the host until it stops. Returns the channel that is notified then.
    pub(super) fn run(
        self,
        dispatcher: Dispatcher,
        subscriber: Subscriber,
        stop: CancellationToken,
    ) -> oneshot::Receiver<()> {
        let work = Work {
            executor: dispatcher.executor(),
            dispatching: Box::pin(dispatcher.run(subscriber, stop)),
        };
        // The thread waits for the work as long as the sender lives.
        let _ = self.work.send(work);
        self.ended
    }
}

/// Where the host was started.
#[derive(Clone)]
struct Surroundings {
    /// The runtime of the program, to which tasks of functions belong.
    program: Handle,
    /// The log of the host, even if that is not the log of the process.
    log: Dispatch,
}

impl Surroundings {
    fn current() -> Self {
        Self {
            program: Handle::current(),
            log: tracing::dispatcher::get_default(Dispatch::clone),
        }
    }
}

/// Starts a thread.
///
/// # Errors
/// Returns the error of the operating system.
fn spawn(
    name: &str,
    surroundings: Surroundings,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let Surroundings { program, log } = surroundings;
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || {
        let _program = program.enter();
        tracing::dispatcher::with_default(&log, work);
    })?;
    Ok(())
}

/// The connections of a host, and what it does with them.
struct Connections {
    // The fields are dropped in this order.
    dispatching: Dispatching,
    /// Fails when the runtime of the program has ended.
    program: oneshot::Receiver<()>,
    runtime: Runtime,
}

/// The state that the thread of the host and its standby share.
struct HostLoop {
    /// `None` after the end. Only the thread of the host uses it.
    connections: Mutex<Option<Connections>>,
    surroundings: Surroundings,
    executor: Arc<Executor>,
    /// The number of the call that the thread of the host runs, or [`NO_CALL`]. The standby thread
    /// takes over when it replaces a number with [`NO_CALL`].
    call: AtomicU64,
    last_call: AtomicU64,
    standby: Standby,
    /// Notified at the end.
    ended: Mutex<Option<oneshot::Sender<()>>>,
}

/// The standby thread, as the thread of the host sees it.
#[derive(Default)]
struct Standby {
    state: Mutex<StandbyState>,
    changed: Condvar,
    /// Whether the standby thread checks the calls. Otherwise it sleeps, or does not exist.
    is_checking: AtomicBool,
}

#[derive(Default)]
struct StandbyState {
    exists: bool,
    has_ended: bool,
}

impl HostLoop {
    fn new(
        connections: Connections,
        executor: Arc<Executor>,
        surroundings: Surroundings,
        ended: oneshot::Sender<()>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Mutex::new(Some(connections)),
            surroundings,
            executor,
            call: AtomicU64::new(NO_CALL),
            last_call: AtomicU64::new(NO_CALL),
            standby: Standby::default(),
            ended: Mutex::new(Some(ended)),
        })
    }

    /// Runs the connections until there are calls of quick functions. Returns whether the host has
    /// ended.
    fn dispatch(&self) -> bool {
        let mut connections = lock(&self.connections);
        let Some(Connections {
            dispatching,
            program,
            runtime,
        }) = &mut *connections
        else {
            return true;
        };
        let quick = &self.executor.quick;
        runtime.block_on(poll_fn(|cx| {
            quick.register(cx.waker());
            let has_ended = Pin::new(&mut *program).poll(cx).is_ready()
                || dispatching.as_mut().poll(cx).is_ready();
            if has_ended || quick.has_some() {
                Poll::Ready(has_ended)
            } else {
                Poll::Pending
            }
        }))
    }

    /// Runs the calls of quick functions that wait. Returns whether this thread is still the thread
    /// of the host.
    fn run_quick_calls(self: &Arc<Self>) -> bool {
        while let Some(job) = self.executor.quick.pop() {
            let number = self.last_call.fetch_add(1, Ordering::Relaxed) + 1;
            self.call.store(number, Ordering::Release);
            self.wake_standby();
            self.executor.run_quick_call(job);
            let is_ours =
                self.call
                    .compare_exchange(number, NO_CALL, Ordering::AcqRel, Ordering::Relaxed);
            if is_ours.is_err() {
                return false;
            }
        }
        true
    }

    /// Makes sure that the standby thread checks the calls.
    fn wake_standby(self: &Arc<Self>) {
        if self.standby.is_checking.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut state = lock(&self.standby.state);
        if state.exists {
            self.standby.changed.notify_one();
            return;
        }
        state.exists = true;
        drop(state);
        let host = Arc::clone(self);
        let work = move || stand_by(&host);
        if let Err(error) = spawn("dasf-host", self.surroundings.clone(), work) {
            lock(&self.standby.state).exists = false;
            tracing::error!(
                error = error.to_string(),
                "no thread can be started; a call that blocks holds up the others"
            );
        }
    }

    fn end(&self) {
        if let Some(connections) = lock(&self.connections).take() {
            let Connections {
                dispatching,
                runtime,
                ..
            } = connections;
            drop(dispatching);
            // To drop a runtime would wait for its threads, for example for one that looks up a name.
            runtime.shutdown_background();
        }
        lock(&self.standby.state).has_ended = true;
        self.standby.changed.notify_one();
        if let Some(ended) = lock(&self.ended).take() {
            // The owner may be gone.
            let _ = ended.send(());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Is the thread of the host, until the host ends or the standby thread takes over.
fn serve(host: &Arc<HostLoop>) {
    loop {
        if host.dispatch() {
            return host.end();
        }
        if !host.run_quick_calls() {
            return;
        }
    }
}

/// Is the standby thread, until it takes over or the host ends.
fn stand_by(host: &Arc<HostLoop>) {
    let standby = &host.standby;
    let mut state = lock(&standby.state);
    let mut seen = NO_CALL;
    let mut idle_checks = 0;
    while !state.has_ended {
        let call = host.call.load(Ordering::Acquire);
        let is_stuck = call != NO_CALL && call == seen;
        if is_stuck
            && host
                .call
                .compare_exchange(call, NO_CALL, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            // The next call starts another standby thread.
            state.exists = false;
            standby.is_checking.store(false, Ordering::Release);
            drop(state);
            return serve(host);
        }
        let last_call = host.last_call.load(Ordering::Relaxed);
        idle_checks = match call == NO_CALL && last_call == seen {
            true => idle_checks + 1,
            false => 0,
        };
        seen = last_call;
        if idle_checks < IDLE_CHECKS {
            let waited = standby.changed.wait_timeout(state, PATIENCE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        } else {
            standby.is_checking.store(false, Ordering::Release);
            let is_asleep = |state: &mut StandbyState| {
                !state.has_ended && !standby.is_checking.load(Ordering::Acquire)
            };
            state = standby
                .changed
                .wait_while(state, is_asleep)
                .unwrap_or_else(PoisonError::into_inner);
            idle_checks = 0;
        }
    }
    state.exists = false;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dasf_protocol::properties::key;
    use dasf_protocol::{Delivery, MessageType, Properties, Topic};
    use tokio::time::Instant;

    use super::*;
    use crate::host::HostOptions;
    use crate::host::scripted::Scripted;
    use crate::host::search::OwnPings;
    use crate::module::descriptor::{FunctionDescriptor, Handler, Member, ModuleDescriptor};
    use crate::module::{Invocation, Module, Outcome};
    use crate::outcome::Output;
    use crate::probe::Probe;
    use crate::transport::{PublisherEnds, Received, SubscriberEnds};

    /// Keeps the function `block` from its end.
    static GATE: Gate = Gate {
        is_open: Mutex::new(false),
        opened: Condvar::new(),
    };

    static DESCRIPTOR: ModuleDescriptor = ModuleDescriptor {
        name: "test",
        topic: None,
        group: None,
        description: "",
        version: "1.0.0",
        members: &[
            Member::Function(function("block", |_| {
                GATE.pass();
                Ok(Output(b"1".to_vec()))
            })),
            Member::Function(function("quick", |_| Ok(Output(b"2".to_vec())))),
        ],
    };

    const fn function(name: &'static str, run: fn(Invocation) -> Outcome) -> FunctionDescriptor {
        FunctionDescriptor::new(name, &[], Probe::<i64>::TYPE, Handler::Inline(run))
    }

    struct Gate {
        is_open: Mutex<bool>,
        opened: Condvar,
    }

    impl Gate {
        fn open(&self) {
            *lock(&self.is_open) = true;
            self.opened.notify_all();
        }

        fn pass(&self) {
            let is_open = lock(&self.is_open);
            drop(self.opened.wait_while(is_open, |is_open| !*is_open));
        }
    }

    /// A running host, and the broker's ends of its connection.
    struct Bench {
        stop: CancellationToken,
        ended: oneshot::Receiver<()>,
        read: SubscriberEnds,
    }

    impl Bench {
        async fn start() -> (Self, impl Future<Output = PublisherEnds>) {
            let (transport, mut opened, mut subscribed) = Scripted::open();
            let topic: Topic = "demo".parse().unwrap();
            let options = HostOptions::default();
            let module = Module::new(&DESCRIPTOR).unwrap();
            let subscriber = transport.subscribe(&topic, &options.reading());
            let executor = Executor::new(module, &topic, transport, OwnPings::default(), &options);
            let stop = CancellationToken::new();
            let dispatcher = Dispatcher::new(executor, options);
            let thread = HostThread::start().unwrap();
            let bench = Self {
                ended: thread.run(dispatcher, subscriber, stop.clone()),
                stop,
                read: subscribed.recv().await.unwrap(),
            };
            (bench, async move { opened.recv().await.unwrap() })
        }

        async fn call(&self, function: &str) {
            let properties = Properties::new()
                .with_message_type(MessageType::Request)
                .with(key::REQUEST_CONTEXT, function)
                .with(key::RESPONSE_TOPIC, "caller");
            let request = Bytes::from(format!("{{\"func_name\": \"{function}\"}}"));
            let delivery = Delivery::new(function, request.into(), properties);
            let received = Received {
                delivery,
                connection: 1,
                names_users: false,
                at: Instant::now(),
            };
            self.read.deliveries.queue.send(received).await.unwrap();
        }

        /// Stops the host, and waits until it has ended.
        async fn stop(self, sent: Option<PublisherEnds>) {
            self.stop.cancel();
            self.read.deliveries.queue.closed().await;
            drop(self.read);
            if let Some(mut sent) = sent {
                while sent.queue.recv().await.is_some() {}
            }
            self.ended.await.unwrap();
        }
    }

    /// Returns the context and the payload of the next response.
    async fn response(sent: &mut PublisherEnds) -> (String, Bytes) {
        let message = sent.queue.recv().await.unwrap().message;
        (message.context.into(), message.payload)
    }

    #[tokio::test]
    async fn when_a_call_blocks_the_standby_thread_runs_the_next_one() {
        let (bench, opened) = Bench::start().await;
        bench.call("block").await;
        bench.call("quick").await;
        let mut sent = opened.await;
        assert_eq!(response(&mut sent).await, ("quick".to_owned(), "2".into()));
        bench.call("quick").await;
        GATE.open();
        let mut both = [response(&mut sent).await, response(&mut sent).await];
        both.sort();
        assert_eq!(both[0], ("block".to_owned(), "1".into()));
        assert_eq!(both[1].0, "quick");
        bench.stop(Some(sent)).await;
    }

    #[tokio::test]
    async fn a_host_without_calls_ends() {
        let (bench, _) = Bench::start().await;
        bench.stop(None).await;
    }

    #[tokio::test]
    async fn the_thread_of_a_host_that_does_not_start_ends() {
        let HostThread { work, ended, .. } = HostThread::start().unwrap();
        drop(work);
        assert!(ended.await.is_err());
    }
}
