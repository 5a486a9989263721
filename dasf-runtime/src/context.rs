//! Information about the call for the function that serves it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dasf_protocol::properties::key;
use dasf_protocol::{MessageId, Properties, TraceContext};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::checkpoint::{self, CheckpointError, CheckpointSink};
use crate::deadline::Deadline;
use crate::module::Origin;

/// The call that a function serves: its message, its deadline and its cancellation.
///
/// A function with an argument of this type receives it. The argument is not part of the request or
/// of the schema.
///
/// ```
/// fn refine(context: dasf_runtime::Context) -> u32 {
///     let mut rounds = 0;
///     while rounds < 10 && !context.is_cancelled() {
///         rounds += 1;
///     }
///     rounds
/// }
/// # assert_eq!(refine(dasf_runtime::Context::local()), 10);
/// ```
#[derive(Debug, Clone)]
pub struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    message_id: MessageId,
    properties: Properties,
    /// Whether the program itself calls.
    is_local: bool,
    deadline: Option<Deadline>,
    /// Cancelled when the module gives up its calls.
    abort: Arc<CancellationToken>,
    /// Made when the function asks for it, because it needs a timer for the deadline.
    cancellation: OnceLock<Cancellation>,
    /// Sends the checkpoints of a job.
    checkpoints: Option<CheckpointSink>,
    /// The trace to which the call belongs, with its span.
    trace: Option<Arc<TraceContext>>,
    span: Span,
}

/// The token of one call, and the task that cancels it at the deadline.
#[derive(Debug)]
struct Cancellation {
    token: CancellationToken,
    timer: Option<AbortHandle>,
}

impl Drop for Cancellation {
    fn drop(&mut self) {
        if let Some(timer) = &self.timer {
            timer.abort();
        }
    }
}

impl Context {
    pub(crate) fn new(
        message_id: MessageId,
        properties: Properties,
        deadline: Option<Deadline>,
        abort: Arc<CancellationToken>,
        checkpoints: Option<CheckpointSink>,
        trace: Option<Arc<TraceContext>>,
        span: Span,
    ) -> Self {
        Self(Arc::new(Inner {
            message_id,
            properties,
            is_local: false,
            deadline,
            abort,
            cancellation: OnceLock::new(),
            checkpoints,
            trace,
            span,
        }))
    }

    /// Returns a context for a call without a message, by the program itself. It has no deadline, no
    /// properties and no [`user`](Self::user), and is never cancelled. It may call all functions, also
    /// those with `allow_groups`.
    pub fn local() -> Self {
        Self::without_message(Properties::new(), true)
    }

    /// Returns a context for a call of this user, who is in these groups. In other respects it is like
    /// [`local`](Self::local). In a test, it shows whom a function with `allow_groups` refuses.
    ///
    /// ```
    /// let context = dasf_runtime::Context::of_user("ada", ["operators", "hydrology"]);
    /// assert_eq!(context.user(), Some("ada"));
    /// assert!(context.groups().any(|group| group == "operators"));
    /// ```
    pub fn of_user<G: AsRef<str>>(user: &str, groups: impl IntoIterator<Item = G>) -> Self {
        let mut names = String::new();
        for group in groups {
            if !names.is_empty() {
                names.push(',');
            }
            names.push_str(group.as_ref());
        }
        let properties = Properties::new().with(key::USER, user);
        let properties = match names.is_empty() {
            true => properties,
            false => properties.with(key::GROUPS, names),
        };
        Self::without_message(properties, false)
    }

    /// Returns a context for a job that goes on from a checkpoint. In other respects it is like
    /// [`local`](Self::local). In a test, it shows that a function goes on where it was.
    ///
    /// ```
    /// let context = dasf_runtime::Context::with_checkpoint(&41)?;
    /// assert_eq!(context.resume(), Some(41));
    /// # Ok::<(), dasf_runtime::CheckpointError>(())
    /// ```
    ///
    /// # Errors
    /// The same as [`checkpoint`](Self::checkpoint).
    pub fn with_checkpoint<T: Serialize + ?Sized>(state: &T) -> Result<Self, CheckpointError> {
        let json = checkpoint::to_json(state)?;
        let properties = Properties::new().with(key::CHECKPOINT, json);
        Ok(Self::without_message(properties, true))
    }

    fn without_message(properties: Properties, is_local: bool) -> Self {
        Self(Arc::new(Inner {
            message_id: "local".into(),
            properties,
            is_local,
            deadline: None,
            abort: Arc::new(CancellationToken::new()),
            cancellation: OnceLock::new(),
            checkpoints: None,
            trace: None,
            span: tracing::error_span!("call", function = tracing::field::Empty),
        }))
    }

    pub(crate) fn origin(&self) -> Origin<'_> {
        match self.0.is_local {
            true => Origin::Program,
            false => Origin::Message(&self.0.properties),
        }
    }

    /// Returns the broker's id of the request message.
    pub fn message_id(&self) -> &str {
        &self.0.message_id
    }

    /// Returns the properties of the request, including the caller's own ones.
    pub fn properties(&self) -> &Properties {
        &self.0.properties
    }

    /// Returns the name of the user who calls. It comes from the broker, never from the caller. `None` if the
    /// broker does not name its users: only a `dasf-broker` with users does.
    ///
    /// ```
    /// fn greet(context: &dasf_runtime::Context) -> String {
    ///     format!("Hello, {}!", context.user().unwrap_or("stranger"))
    /// }
    /// # assert_eq!(greet(&dasf_runtime::Context::of_user("ada", [""; 0])), "Hello, ada!");
    /// # assert_eq!(greet(&dasf_runtime::Context::local()), "Hello, stranger!");
    /// ```
    pub fn user(&self) -> Option<&str> {
        self.0.properties.text(key::USER)
    }

    /// Returns the names of the groups of the [`user`](Self::user) who calls. They come from the broker, too.
    ///
    /// ```
    /// # let context = dasf_runtime::Context::of_user("ada", ["operators"]);
    /// let is_operator = context.groups().any(|group| group == "operators");
    /// # assert!(is_operator);
    /// ```
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        groups_of(&self.0.properties)
    }

    /// Returns the trace to which the call belongs, if its caller has one. Its span is that of this run of the
    /// function.
    ///
    /// The calls that a function makes belong to this trace by themselves. Only in a task or a thread that it starts,
    /// [`Call::trace`](crate::client::Call::trace) sets the trace.
    ///
    /// ```
    /// fn trace_id(context: &dasf_runtime::Context) -> Option<String> {
    ///     Some(context.trace()?.trace_id().to_string())
    /// }
    /// # assert_eq!(trace_id(&dasf_runtime::Context::local()), None);
    /// ```
    pub fn trace(&self) -> Option<&TraceContext> {
        self.0.trace.as_deref()
    }

    /// Returns the trace, for the calls of the function.
    pub(crate) fn shared_trace(&self) -> Option<&Arc<TraceContext>> {
        self.0.trace.as_ref()
    }

    /// Returns how long the caller still waits; `None` if the request has no timeout.
    ///
    /// The time counts from the moment at which the caller published the request. If its timeout restarts
    /// with each progress report, the time is longer again after the module has sent one.
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.0.deadline.as_ref()?;
        Some(deadline.at().saturating_duration_since(Instant::now()))
    }

    /// Returns whether the caller has stopped waiting.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        let deadline = self.0.deadline.as_ref();
        deadline.is_some_and(|deadline| deadline.at() <= now)
    }

    /// Returns when the caller stops waiting; `None` if the request has no timeout.
    ///
    /// ```
    /// use std::sync::mpsc::{Receiver, RecvTimeoutError};
    /// use std::time::{Duration, Instant};
    ///
    /// fn next(readings: &Receiver<f64>, context: &dasf_runtime::Context) -> Result<f64, RecvTimeoutError> {
    ///     let longest = Instant::now() + Duration::from_secs(60);
    ///     let deadline = context.deadline().map_or(longest, |deadline| deadline.min(longest));
    ///     readings.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    /// }
    /// # let (sender, readings) = std::sync::mpsc::channel();
    /// # sender.send(1.0).unwrap();
    /// # assert_eq!(next(&readings, &dasf_runtime::Context::local()), Ok(1.0));
    /// ```
    pub fn deadline(&self) -> Option<std::time::Instant> {
        let deadline = self.0.deadline.as_ref()?;
        Some(deadline.at().into_std())
    }

    /// Cancels the call, because its caller no longer waits.
    pub(crate) fn cancel(&self) {
        // It needs no timer.
        let cancellation = self.0.cancellation.get_or_init(|| Cancellation {
            token: self.0.abort.child_token(),
            timer: None,
        });
        cancellation.token.cancel();
    }

    /// Returns whether nobody needs the result any more. This is the case when the caller's timeout
    /// is over, when the caller has cancelled the call, or when the module gives it up because it stops.
    ///
    /// A plain function looks here from time to time, and returns early. What it returns then is not
    /// sent. An `async` function need not look: it is dropped at its next `.await`.
    ///
    /// ```
    /// fn refine(context: &dasf_runtime::Context, mut guess: f64) -> Result<f64, &'static str> {
    ///     for _ in 0..1000 {
    ///         if context.is_cancelled() {
    ///             return Err("nobody waits for the result");
    ///         }
    ///         guess = (guess + 2.0 / guess) / 2.0;
    ///     }
    ///     Ok(guess)
    /// }
    /// # assert!(refine(&dasf_runtime::Context::local(), 1.0).is_ok());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        let Inner {
            abort,
            cancellation,
            ..
        } = &*self.0;
        self.time_left() == Some(Duration::ZERO)
            || match cancellation.get() {
                Some(cancellation) => cancellation.token.is_cancelled(),
                None => abort.is_cancelled(),
            }
    }

    /// Waits until nobody needs the result any more, as [`is_cancelled`](Self::is_cancelled) says. An
    /// `async` function is dropped then, so this is for tasks that it starts, which have a clone of the
    /// context.
    ///
    /// ```
    /// async fn fill(context: dasf_runtime::Context, mut cache: Vec<u8>) -> usize {
    ///     let filling = tokio::spawn(async move {
    ///         tokio::select! {
    ///             () = context.cancelled() => {}
    ///             () = async { cache.resize(10, 0) } => {}
    ///         }
    ///         cache.len()
    ///     });
    ///     filling.await.unwrap_or_default()
    /// }
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # assert_eq!(runtime.block_on(fill(dasf_runtime::Context::local(), Vec::new())), 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Cancel safety
    /// This method is cancel safe.
    pub async fn cancelled(&self) {
        self.cancellation_token().cancelled().await;
    }

    /// Returns a token that is cancelled when nobody needs the result any more. You can pass it to
    /// other code. Cancelling the token affects only this call.
    ///
    /// ```
    /// use dasf_runtime::{CancellationToken, Context};
    ///
    /// async fn download(cancellation: CancellationToken) -> Option<Vec<u8>> {
    ///     // A real download stops here when the token is cancelled.
    ///     cancellation.run_until_cancelled(async { vec![1, 2, 3] }).await
    /// }
    ///
    /// async fn size(context: Context) -> usize {
    ///     let data = download(context.cancellation_token().clone()).await;
    ///     data.map_or(0, |data| data.len())
    /// }
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    /// # assert_eq!(runtime.block_on(size(Context::local())), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancellation_token(&self) -> &CancellationToken {
        let Inner {
            deadline,
            abort,
            cancellation,
            ..
        } = &*self.0;
        let cancellation = cancellation.get_or_init(|| {
            let token = abort.child_token();
            let timer = deadline.clone().map(|deadline| {
                let token = token.clone();
                let timer = tokio::spawn(async move {
                    deadline.over().await;
                    token.cancel();
                });
                timer.abort_handle()
            });
            Cancellation { token, timer }
        });
        &cancellation.token
    }

    /// Keeps the state of a job at the broker. If the module dies, the broker gives the job to another module, or
    /// to the same one when it is started again, and [`resume`](Self::resume) returns the latest state there.
    ///
    /// The method returns at once, and needs no runtime. The module sends the first checkpoint of a job at once, and
    /// then the latest one each second; in a job of more than 100 seconds, each hundredth of the time for which it
    /// has run. So a job that is killed repeats about a hundredth of its work.
    ///
    /// A call that is no [job](https://docs.rs/dasf/latest/dasf/client/struct.Job.html) runs only once. There, and
    /// in a [`local`](Self::local) call, the method only checks the state.
    ///
    /// ```
    /// use dasf_runtime::{CheckpointError, Context};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Default, Serialize, Deserialize)]
    /// struct Search {
    ///     next: u64,
    ///     found: Vec<u64>,
    /// }
    ///
    /// /// Returns the perfect numbers below a limit.
    /// fn perfect_numbers(limit: u64, context: &Context) -> Result<Vec<u64>, CheckpointError> {
    ///     let mut search: Search = context.resume().unwrap_or_default();
    ///     while search.next < limit && !context.is_cancelled() {
    ///         let number = search.next;
    ///         let divisors = (1..number).filter(|divisor| number % divisor == 0);
    ///         if number > 0 && divisors.sum::<u64>() == number {
    ///             search.found.push(number);
    ///         }
    ///         search.next += 1;
    ///         context.checkpoint(&search)?;
    ///     }
    ///     Ok(search.found)
    /// }
    /// # assert_eq!(perfect_numbers(500, &Context::local())?, [6, 28, 496]);
    /// let later = Context::with_checkpoint(&Search { next: 100, found: vec![6, 28] })?;
    /// assert_eq!(perfect_numbers(500, &later)?, [6, 28, 496]);
    /// # Ok::<(), CheckpointError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if JSON cannot represent the state, or if it has more than 32 KiB as JSON. Then the
    /// earlier checkpoint stays.
    pub fn checkpoint<T: Serialize + ?Sized>(&self, state: &T) -> Result<(), CheckpointError> {
        let json = checkpoint::to_json(state)?;
        if let Some(checkpoints) = &self.0.checkpoints {
            checkpoints.put(json);
        }
        Ok(())
    }

    /// Returns the latest checkpoint if it is not sent yet. It is not sent any more.
    pub(crate) fn take_unsent_checkpoint(&self) -> Option<String> {
        self.0.checkpoints.as_ref()?.take_waiting()
    }

    /// Returns the latest [`checkpoint`](Self::checkpoint) of a job whose earlier module has died. `None` in a job
    /// that runs for the first time, in a call that is no job, and over a Django broker, which does not tell that
    /// another module had the job before.
    ///
    /// `None` also if the state cannot be read as a `T`, for example because a new version of the module has another
    /// type for it. The module logs that, and the job begins from the start.
    ///
    /// The callers of a job can read and replace its checkpoint. Check the state as you check an argument, and
    /// keep secrets out of it.
    pub fn resume<T: DeserializeOwned>(&self) -> Option<T> {
        let json = self.0.properties.text(key::CHECKPOINT)?;
        match serde_json::from_str(json) {
            Ok(state) => Some(state),
            Err(error) => {
                tracing::warn!(
                    parent: &self.0.span,
                    error = error.to_string(),
                    "the job begins from the start: its checkpoint has another type"
                );
                None
            }
        }
    }

    /// Returns the `tracing` span `call` in which the function runs. Its log lines carry the name
    /// of the function, the topic and the id of the message.
    ///
    /// Threads and tasks that the function starts are outside the span until they enter it:
    ///
    /// ```
    /// fn search(context: dasf_runtime::Context) {
    ///     let span = context.span().clone();
    ///     let thread = std::thread::spawn(move || {
    ///         span.in_scope(|| tracing::info!("this belongs to the call"));
    ///     });
    ///     # thread.join().unwrap();
    /// }
    /// # search(dasf_runtime::Context::local());
    /// ```
    pub fn span(&self) -> &Span {
        &self.0.span
    }
}

/// Returns the groups of the user who sent a message, as the broker names them.
pub(crate) fn groups_of(properties: &Properties) -> impl Iterator<Item = &str> {
    let names = properties.text(key::GROUPS).unwrap_or_default();
    names.split(',').filter(|name| !name.is_empty())
}
