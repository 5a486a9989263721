//! The ways to run the function of a call.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use dasf_protocol::text::printable;
use futures_util::FutureExt;
use tracing::Instrument;

use super::callable::Callable;
use super::descriptor::{BoxedCall, Handler};
use super::target::{Target, full_name};
use super::unknown_arguments::UnknownArguments;
use super::{Failure, Invocation, Outcome, detour};
use crate::context::Context;
use crate::progress::ReportSink;
use crate::spare;
use crate::trace;

impl Target {
    /// Runs the function, wherever it may run: a plain function on a thread of the runtime for
    /// blocking work.
    ///
    /// # Cancel safety
    /// If the future is dropped, an `async` function is dropped at its next `await`. A plain
    /// function runs to its end.
    pub(crate) async fn run(self, context: Context, report: Option<ReportSink>) -> Outcome {
        context.span().record("function", &*self.name());
        match self.handler() {
            Handler::Async(function) => self.run_async(function, context, report).await,
            Handler::Inline(function) => self.run_plain(function, context, report),
            Handler::Blocking(function) => {
                let call =
                    tokio::task::spawn_blocking(move || self.run_plain(function, context, report));
                call.await
                    .unwrap_or_else(|_| Err(Failure::processing("the module is shutting down")))
            }
        }
    }

    /// Runs a plain function on this thread. A panic becomes a failure like any other.
    pub(crate) fn run_plain(
        self,
        function: fn(Invocation) -> Outcome,
        context: Context,
        report: Option<ReportSink>,
    ) -> Outcome {
        // To copy the span would take longer than to copy the context.
        let (callable, kept) = (Arc::clone(&self.callable), context.clone());
        let invocation = self.into_invocation(context, report);
        let is_large = invocation.arguments.request.len() >= spare::LARGE;
        let begun = Instant::now();
        let call = || trace::run(kept.shared_trace(), || function(invocation));
        let call = || kept.span().in_scope(call);
        let call = AssertUnwindSafe(|| match is_large {
            true => spare::keep_during(call),
            false => call(),
        });
        let output =
            std::panic::catch_unwind(call).unwrap_or_else(|panic| Err(Failure::panicked(panic)));
        callable.quickness.record(begun.elapsed());
        checked(&callable, output)
    }

    /// Runs an `async` function. A panic becomes a failure like any other.
    ///
    /// # Cancel safety
    /// If the future is dropped, the function is dropped at its next `await`.
    pub(crate) async fn run_async(
        self,
        function: fn(Invocation) -> BoxedCall,
        context: Context,
        report: Option<ReportSink>,
    ) -> Outcome {
        let (callable, span) = (Arc::clone(&self.callable), context.span().clone());
        let trace = context.shared_trace().cloned();
        let invocation = self.into_invocation(context, report);
        // The future itself calls the function, so a panic at the start of the function is also
        // caught.
        let call = AssertUnwindSafe(trace::run_async(trace, || function(invocation)));
        let output = call.catch_unwind().instrument(span).await;
        let output = output.unwrap_or_else(|panic| Err(Failure::panicked(panic)));
        checked(&callable, output)
    }

    /// Returns what the generated wrapper needs, and logs the arguments that the function does not have.
    fn into_invocation(self, context: Context, report: Option<ReportSink>) -> Invocation {
        if let Some(UnknownArguments { message, names, .. }) = &self.ignored {
            let function = full_name(self.class, self.callable.descriptor.name);
            let message_id = context.message_id();
            tracing::warn!(
                message_id,
                function = &*function,
                arguments = names,
                "unknown arguments ignored: {}",
                printable(message)
            );
        }
        let way = detour::way(&self);
        Invocation {
            constructor: self.constructor,
            arguments: self.arguments,
            context,
            report,
            way,
        }
    }
}

/// Checks a result against its schema, if it has constraints beyond the type.
fn checked(callable: &Callable, outcome: Outcome) -> Outcome {
    match &callable.result {
        None => outcome,
        Some(validator) => validator.check_result(callable.descriptor.name, outcome?),
    }
}
