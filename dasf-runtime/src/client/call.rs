//! A call, before it is sent and while it runs.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dasf_protocol::payload;
use dasf_protocol::progress::Report;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Async, Blocking, CallError, CallOptions, Caller, Mode};
#[cfg(feature = "module")]
use crate::module::descriptor::TypeDescriptor;
use crate::read::{self, SchemaOf};

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

/// The fields of a JSON object: names, and values as JSON.
#[derive(Debug, Clone, Default)]
struct Fields(Vec<(&'static str, Vec<u8>)>);

/// The request of a call.
enum Request {
    /// A function of the module.
    Function(Fields),
    /// A method: the fields of the constructor, and of the method.
    Method { constructor: Fields, method: Fields },
    /// A request that is JSON already.
    Json(Vec<u8>),
}

/// A class of the module with the arguments of its constructor. You can call methods on it. The
/// module creates a new object for every call.
#[derive(Debug, Clone)]
pub struct Instance<M = Async> {
    caller: Caller<M>,
    constructor: Result<Fields, CallError>,
}

impl Fields {
    fn named(key: &'static str, name: &str) -> Result<Self, CallError> {
        let mut fields = Self::default();
        fields.set(key, payload::to_json(name))?;
        Ok(fields)
    }

    fn set(
        &mut self,
        name: &'static str,
        json: serde_json::Result<Vec<u8>>,
    ) -> Result<(), CallError> {
        let json = json.map_err(|error| CallError::Encode {
            argument: name.to_owned(),
            reason: error.to_string(),
        })?;
        match self.0.iter_mut().find(|(field, _)| *field == name) {
            Some((_, before)) => *before = json,
            None => self.0.push((name, json)),
        }
        Ok(())
    }

    /// Returns the number of bytes that [`write`](Self::write) adds, or a little more.
    fn size(&self) -> usize {
        /// The quotes, the colon and the comma.
        const BESIDE_NAME: usize = 4;
        let fields = self.0.iter();
        fields
            .map(|(name, value)| name.len() + BESIDE_NAME + value.len())
            .sum()
    }

    /// Writes the fields, without the braces around them.
    fn write(&self, json: &mut Vec<u8>) {
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend(payload::to_json(name).unwrap_or_default());
            json.push(b':');
            json.extend_from_slice(value);
        }
    }
}

impl Request {
    fn fields(&mut self) -> Option<&mut Fields> {
        match self {
            Self::Function(fields) | Self::Method { method: fields, .. } => Some(fields),
            Self::Json(_) => None,
        }
    }

    fn into_json(self) -> Vec<u8> {
        /// The braces, and `,"function":{}` of a method.
        const BESIDE_FIELDS: usize = 16;
        let size = match &self {
            Self::Json(_) => 0,
            Self::Function(fields) => fields.size() + BESIDE_FIELDS,
            Self::Method {
                constructor,
                method,
            } => constructor.size() + method.size() + BESIDE_FIELDS,
        };
        let mut json = Vec::with_capacity(size);
        json.push(b'{');
        match self {
            Self::Json(json) => return json,
            Self::Function(fields) => fields.write(&mut json),
            Self::Method {
                constructor,
                method,
            } => {
                constructor.write(&mut json);
                json.extend_from_slice(br#","function":{"#);
                method.write(&mut json);
                json.push(b'}');
            }
        }
        json.push(b'}');
        json
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
        self.set(name, payload::to_json(value));
        self
    }

    /// Sets an argument of the constructor to a JSON value; for generated clients.
    pub fn set(&mut self, name: &'static str, json: serde_json::Result<Vec<u8>>) {
        if let Ok(fields) = &mut self.constructor
            && let Err(error) = fields.set(name, json)
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
                on_progress: None,
                warns: true,
            },
            schema: None,
            result: PhantomData,
        }
    }

    /// Creates a call of a function; for generated clients.
    pub fn function(caller: &Caller<M>, name: &str) -> Self {
        Self::new(
            caller,
            Fields::named("func_name", name).map(Request::Function),
        )
    }

    /// Creates a call of a method; for generated clients.
    pub fn method(instance: &Instance<M>, name: &str) -> Self {
        let constructor = instance.constructor.clone();
        let request = constructor.and_then(|constructor| {
            Ok(Request::Method {
                constructor,
                method: Fields::named("func_name", name)?,
            })
        });
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

impl<R, M: Mode, H> Call<R, M, H> {
    /// Sets an argument; for generated clients.
    pub fn with<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        self.set(name, payload::to_json(value));
        self
    }

    /// Sets an argument to a JSON value; for generated clients.
    pub fn set(&mut self, name: &'static str, json: serde_json::Result<Vec<u8>>) {
        if let Ok(request) = &mut self.request
            && let Some(fields) = request.fields()
            && let Err(error) = fields.set(name, json)
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
        self
    }

    /// Leaves it to the caller to say that no module answers.
    #[cfg(feature = "cli")]
    pub(crate) fn without_warning(mut self) -> Self {
        self.options.warns = false;
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
                on_progress: Some(OnProgress(Box::new(handler))),
                warns: options.warns,
            },
            schema,
            result,
        }
    }
}

impl<R: DeserializeOwned, M: Mode> Call<R, M, OnProgress<'_>> {
    async fn run(self) -> Result<R, CallError> {
        let json = self.request?.into_json();
        let answer = self.caller.shared.request(json, self.options).await?;
        let text = payload::to_text(&answer);
        read::read_result(&text, self.schema).map_err(|problem| CallError::Decode {
            path: match problem.path() {
                "" => ".".to_owned(),
                path => path.to_owned(),
            },
            reason: problem.message().to_owned(),
        })
    }
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
/// When dropped, the call leaves nothing behind in the client. The module may continue to run it.
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
