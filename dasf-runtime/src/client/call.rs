//! A call, before it is sent and while it runs.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dasf_protocol::TraceContext;
use dasf_protocol::payload;
use dasf_protocol::progress::Report;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Async, Blocking, CallError, CallOptions, Caller, Mode, Submit, Whereabouts};
#[cfg(feature = "module")]
use crate::module::descriptor::TypeDescriptor;
use crate::read::{self, SchemaOf};
use crate::trace;

/// A call that is not sent yet. Send it with `.await`, or with [`send`](Call::send) of a blocking
/// client.
///
/// `R` is the type of the result, `M` the kind of the client, and `H` the handler of progress reports,
/// which may borrow.
#[must_use = "a call is sent when it is awaited, or with send() by a blocking client"]
pub struct Call<R, M = Async, H = OnProgress<'static>> {
    caller: Caller<M>,
    request: Result<Request, CallError>,
    options: CallOptions<H>,
    /// The schema of the result's type, if it is known.
    schema: Option<SchemaOf>,
    result: PhantomData<fn() -> R>,
}

/// A function that gets the progress reports of a call. It may borrow values that live for `'h`.
pub struct OnProgress<'h>(pub(super) Box<dyn FnMut(&Report) + Send + 'h>);

/// The request of a call.
enum Request {
    /// A function or a method of the module.
    Member(Fields),
    /// A request that is JSON already.
    Json(Vec<u8>),
}

/// A JSON object to which fields are added. Each is written to its place in the request, because a
/// large one would take long to copy.
#[derive(Debug, Clone)]
struct Fields {
    /// The JSON without its end.
    json: Vec<u8>,
    /// The places of the arguments in the JSON.
    arguments: Vec<(&'static str, Range<usize>)>,
    end: &'static [u8],
}

/// A class of the module with the arguments of its constructor. You can call methods on it. The
/// module creates a new object for every call.
#[derive(Debug, Clone)]
pub struct Instance<M = Async> {
    caller: Caller<M>,
    constructor: Result<Fields, CallError>,
}

impl Fields {
    /// Returns an object with one field.
    fn named(key: &str, name: &str) -> Result<Self, CallError> {
        /// Enough for most requests.
        const CAPACITY: usize = 128;
        let mut json = Vec::with_capacity(CAPACITY);
        json.push(b'{');
        push_field(&mut json, key, |json| payload::append_json(json, name))?;
        Ok(Self {
            json,
            arguments: Vec::new(),
            end: b"}",
        })
    }

    /// Returns the request of a method, whose constructor has these fields.
    fn method(constructor: &Self, name: &str) -> Result<Self, CallError> {
        let mut json = constructor.json.clone();
        json.extend_from_slice(br#","function":{"#);
        push_field(&mut json, "func_name", |json| {
            payload::append_json(json, name)
        })?;
        Ok(Self {
            json,
            arguments: Vec::new(),
            end: b"}}",
        })
    }

    /// Sets an argument.
    fn set(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) -> Result<(), CallError> {
        let Self {
            json, arguments, ..
        } = self;
        if let Some(index) = arguments.iter().position(|(field, _)| *field == name) {
            let (_, before) = arguments.remove(index);
            let size = before.len();
            json.drain(before);
            for (_, place) in &mut arguments[index..] {
                *place = place.start - size..place.end - size;
            }
        }
        let start = json.len();
        json.push(b',');
        push_field(json, name, write)?;
        arguments.push((name, start..json.len()));
        Ok(())
    }

    fn into_json(self) -> Vec<u8> {
        let Self { mut json, end, .. } = self;
        json.extend_from_slice(end);
        json
    }
}

/// Appends a field of a JSON object.
fn push_field(
    json: &mut Vec<u8>,
    name: &str,
    write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> Result<(), CallError> {
    let written = payload::append_json(json, name).and_then(|()| {
        json.push(b':');
        write(json)
    });
    written.map_err(|error| CallError::Encode {
        argument: name.to_owned(),
        reason: error.to_string(),
    })
}

impl Request {
    fn into_json(self) -> Vec<u8> {
        match self {
            Self::Member(fields) => fields.into_json(),
            Self::Json(json) => json,
        }
    }
}

impl<M: Mode> Instance<M> {
    /// Creates an instance without arguments; for generated clients.
    pub fn new(caller: &Caller<M>, class: &str) -> Self {
        Self {
            caller: caller.clone(),
            constructor: Fields::named("class_name", class),
        }
    }

    /// Sets an argument of the constructor; for generated clients.
    #[must_use]
    pub fn with<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        self.set(name, |json| payload::append_json(json, value));
        self
    }

    /// Sets an argument of the constructor. `write` appends its JSON to the request; for generated
    /// clients.
    pub fn set(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) {
        if let Ok(fields) = &mut self.constructor
            && let Err(error) = fields.set(name, write)
        {
            self.constructor = Err(error);
        }
    }
}

impl<R, M: Mode> Call<R, M> {
    fn new(caller: &Caller<M>, request: Result<Request, CallError>) -> Self {
        Self {
            caller: caller.clone(),
            request,
            options: CallOptions {
                timeout: None,
                restarts: false,
                on_progress: None,
                on_whereabouts: None,
                warns: true,
                trace: trace::current(),
            },
            schema: None,
            result: PhantomData,
        }
    }

    /// Creates a call of a function; for generated clients.
    pub fn function(caller: &Caller<M>, name: &str) -> Self {
        Self::new(
            caller,
            Fields::named("func_name", name).map(Request::Member),
        )
    }

    /// Creates a call of a method; for generated clients.
    pub fn method(instance: &Instance<M>, name: &str) -> Self {
        let request = match &instance.constructor {
            Ok(constructor) => Fields::method(constructor, name).map(Request::Member),
            Err(error) => Err(error.clone()),
        };
        Self::new(&instance.caller, request)
    }

    pub(super) fn from_json<T: Serialize + ?Sized>(caller: &Caller<M>, request: &T) -> Self {
        let json = payload::to_json(request).map_err(|error| CallError::Encode {
            argument: "request".to_owned(),
            reason: error.to_string(),
        });
        Self::new(caller, json.map(Request::Json))
    }
}

impl<R, M: Mode> Call<R, M> {
    /// Makes a job of the call: the broker keeps its answer, so that this program may end, and this or another
    /// program reads the answer later. See [`Job`](super::Job).
    ///
    /// The `timeout` of the call is that of the job: after it, no module begins to run the function. Without one,
    /// a job has no timeout. A handler of progress reports has no effect; see
    /// [`JobResult::on_progress`](super::JobResult::on_progress).
    pub fn submit(self) -> Submit<R, M> {
        Submit::new(self)
    }

    pub(super) fn caller(&self) -> &Caller<M> {
        &self.caller
    }

    /// Returns the trace to which the call belongs.
    pub(super) fn trace_context(&self) -> Option<Arc<TraceContext>> {
        self.options.trace.clone()
    }

    /// Returns the client, the JSON of the request, the timeout and the schema of the result.
    pub(super) fn into_request(self) -> Result<Parts<M>, CallError> {
        let json = self.request?.into_json();
        Ok((self.caller, json, self.options.timeout, self.schema))
    }
}

/// The client, the JSON of a request, its timeout and the schema of its result.
type Parts<M> = (Caller<M>, Vec<u8>, Option<Duration>, Option<SchemaOf>);

impl<R, M: Mode, H> Call<R, M, H> {
    /// Sets an argument; for generated clients.
    pub fn with<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        self.set(name, |json| payload::append_json(json, value));
        self
    }

    /// Sets an argument. `write` appends its JSON to the request; for generated clients.
    pub fn set(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) {
        if let Ok(Request::Member(fields)) = &mut self.request
            && let Err(error) = fields.set(name, write)
        {
            self.request = Err(error);
        }
    }

    /// Sets the schema by which the result is read, for types that need it; for generated clients.
    #[cfg(feature = "module")]
    pub fn returning(mut self, result: TypeDescriptor) -> Self {
        self.schema = Some(result.schema);
        self
    }

    /// Sets the timeout of this call, instead of the client's default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self.options.restarts = false;
        self
    }

    /// Lets this call wait without end, instead of the client's timeout. It ends with its response, or with
    /// an error of the broker.
    ///
    /// To give the call up, drop its future.
    pub fn without_timeout(self) -> Self {
        self.timeout(Duration::MAX)
    }

    /// Sets a timeout of this call that restarts with each progress report of the function, instead of the
    /// client's default. So a call may take as long as it likes, if it tells at least every `timeout` that
    /// it goes on. The first report must come within `timeout`, too, and so must the response after the
    /// last one.
    ///
    /// The function sees the same timeout: [`Context::time_left`](crate::Context::time_left) grows again
    /// with each report that it sends.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use dasf_runtime::client::{CallError, Caller};
    /// # async fn run(caller: Caller) -> Result<(), CallError> {
    /// let request = serde_json::json!({"func_name": "count", "n": 1_000_000});
    /// let counted = caller
    ///     .call(&request)
    ///     .timeout_without_progress(Duration::from_secs(30))
    ///     .await?;
    /// # let _ = counted;
    /// # Ok(()) }
    /// ```
    pub fn timeout_without_progress(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self.options.restarts = true;
        self
    }

    /// Makes the call a part of a trace, as the W3C describes it. The module logs the id of the trace with the call,
    /// and its function can [read](crate::Context::trace) the trace.
    ///
    /// Within a function of a module, this is seldom needed: the calls that the function makes there belong to the
    /// trace of its caller. In a task or a thread that the function starts, give them the trace of its context.
    ///
    /// ```no_run
    /// # use dasf_runtime::client::{CallError, Caller};
    /// # async fn run(caller: Caller) -> Result<(), Box<dyn std::error::Error>> {
    /// let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
    /// let request = serde_json::json!({"func_name": "add", "a": 1});
    /// let sum = caller.call(&request).trace(trace).await?;
    /// # let _ = sum;
    /// # Ok(()) }
    /// ```
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.options.trace = Some(Arc::new(trace));
        self
    }

    /// Leaves it to the caller to say that no module answers.
    #[cfg(feature = "cli")]
    pub(crate) fn without_warning(mut self) -> Self {
        self.options.warns = false;
        self
    }

    /// Calls `handler` about every second with what the client finds out about a call that takes longer than
    /// a second: how many wait before it, or for how long it has run. Without a handler, the client asks
    /// only once, and again before the timeout, whose error tells it.
    ///
    /// Modules in Rust know their calls, and so does a `dasf-broker` for the calls that wait there. Other
    /// modules tell only that they are there.
    ///
    /// ```no_run
    /// # use dasf_runtime::client::{CallError, Caller};
    /// # async fn run(caller: Caller) -> Result<(), CallError> {
    /// let request = serde_json::json!({"func_name": "count", "n": 10});
    /// let counted = caller
    ///     .call(&request)
    ///     .on_whereabouts(|whereabouts| println!("{whereabouts}"))
    ///     .await?;
    /// # let _ = counted;
    /// # Ok(()) }
    /// ```
    pub fn on_whereabouts(mut self, handler: impl FnMut(Whereabouts) + Send + 'static) -> Self {
        self.options.on_whereabouts = Some(Box::new(handler));
        self
    }

    /// Calls `handler` with every progress report of the module: the whole tree of steps, each time
    /// it changes. Without a handler, nothing is shown. The handler may borrow, because it runs only
    /// while the call is awaited, or while [`send`](Call::send) waits.
    ///
    /// The handler `show_progress` draws bars in a terminal, with the feature `progress-bars`.
    ///
    /// ```no_run
    /// # use dasf_runtime::client::{CallError, Caller};
    /// # async fn run(caller: Caller) -> Result<(), CallError> {
    /// let request = serde_json::json!({"func_name": "count", "n": 10});
    /// let mut steps = Vec::new();
    /// caller
    ///     .call(&request)
    ///     .on_progress(|report| steps.push(report.to_string()))
    ///     .await?;
    /// println!("{} reports", steps.len());
    /// # Ok(()) }
    /// ```
    pub fn on_progress<'h>(
        self,
        handler: impl FnMut(&Report) + Send + 'h,
    ) -> Call<R, M, OnProgress<'h>> {
        let Self {
            caller,
            request,
            options,
            schema,
            result,
        } = self;
        Call {
            caller,
            request,
            options: CallOptions {
                timeout: options.timeout,
                restarts: options.restarts,
                on_progress: Some(OnProgress(Box::new(handler))),
                on_whereabouts: options.on_whereabouts,
                warns: options.warns,
                trace: options.trace,
            },
            schema,
            result,
        }
    }
}

impl<R: DeserializeOwned, M: Mode> Call<R, M, OnProgress<'_>> {
    async fn run(self) -> Result<R, CallError> {
        let Self {
            caller,
            request,
            options,
            schema,
            ..
        } = self;
        let answer = caller.shared.request(request?.into_json(), options).await?;
        read_result(&answer, schema)
    }
}

/// Reads the JSON of a result.
pub(super) fn read_result<R: DeserializeOwned>(
    json: &[u8],
    schema: Option<SchemaOf>,
) -> Result<R, CallError> {
    let text = payload::to_text(json);
    read::read_result(&text, schema).map_err(|problem| CallError::Decode {
        path: match problem.path() {
            "" => ".".to_owned(),
            path => path.to_owned(),
        },
        reason: problem.message().to_owned(),
    })
}

impl<R: DeserializeOwned> Call<R, Blocking, OnProgress<'_>> {
    /// Sends the call and waits for its result.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn send(self) -> Result<R, CallError> {
        let mode = self.caller.mode.clone();
        mode.block_on(self.run())?
    }
}

impl<'h, R: DeserializeOwned + 'h> IntoFuture for Call<R, Async, OnProgress<'h>> {
    type Output = Result<R, CallError>;
    type IntoFuture = CallFuture<'h, R>;

    fn into_future(self) -> CallFuture<'h, R> {
        CallFuture(Box::pin(self.run()))
    }
}

/// A call in flight. `'h` is the lifetime of what its handler of progress reports borrows.
///
/// # Cancel safety
/// When dropped, the call leaves nothing behind in the client, and the client tells the module that nobody
/// waits for the result. This does not block.
pub struct CallFuture<'h, R>(Pin<Box<dyn Future<Output = Result<R, CallError>> + Send + 'h>>);

impl<R> Future for CallFuture<'_, R> {
    type Output = Result<R, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<R, M, H> std::fmt::Debug for Call<R, M, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("timeout", &self.options.timeout)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OnProgress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnProgress").finish_non_exhaustive()
    }
}

impl<R> std::fmt::Debug for CallFuture<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(fields: &Fields) -> String {
        String::from_utf8(fields.clone().into_json()).unwrap()
    }

    fn set<T: Serialize + ?Sized>(fields: &mut Fields, name: &'static str, value: &T) {
        let written = fields.set(name, |json| payload::append_json(json, value));
        written.unwrap();
    }

    #[test]
    fn an_argument_that_is_set_again_is_replaced() {
        let mut call = Fields::named("func_name", "f").unwrap();
        assert_eq!(json(&call), r#"{"func_name":"f"}"#);
        set(&mut call, "a", "first");
        set(&mut call, "b", &[1]);
        set(&mut call, "ü", &2);
        set(&mut call, "a", "x");
        set(&mut call, "ü", &None::<u8>);
        set(&mut call, "b", &());
        assert_eq!(
            json(&call),
            r#"{"func_name":"f","a":"x","\u00fc":null,"b":null}"#
        );
    }

    #[test]
    fn a_method_has_its_constructor_around_it() {
        let mut class = Fields::named("class_name", "C").unwrap();
        set(&mut class, "a", &1);
        let mut method = Fields::method(&class, "m").unwrap();
        set(&mut method, "a", &2);
        assert_eq!(
            json(&method),
            r#"{"class_name":"C","a":1,"function":{"func_name":"m","a":2}}"#
        );
    }

    #[test]
    fn an_argument_that_cannot_be_written_is_named() {
        let mut call = Fields::named("func_name", "f").unwrap();
        let map = std::collections::BTreeMap::from([([1], 2)]);
        let error = call.set("a", |json| payload::append_json(json, &map));
        match error.unwrap_err() {
            CallError::Encode { argument, reason } => {
                assert_eq!(argument, "a");
                assert_eq!(reason, "key must be a string");
            }
            other => panic!("{other:?}"),
        }
    }
}
