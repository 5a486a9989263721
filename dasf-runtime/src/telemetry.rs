//! Traces of OpenTelemetry: the spans of calls join them, and the calls of a client go on with them.

use dasf_protocol::{SpanId, TraceContext, TraceId};
use opentelemetry::Context;
use opentelemetry::trace::{self, SpanContext, TraceContextExt, TraceFlags};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Returns the place in a trace at which the program is.
#[cfg(feature = "client")]
pub(crate) fn current() -> Option<TraceContext> {
    of_context(&Span::current().context()).or_else(|| of_context(&Context::current()))
}

/// Makes a span a part of the trace of a caller. Returns the place of the span in its trace, if the program has a
/// layer for OpenTelemetry.
#[cfg(feature = "module")]
pub(crate) fn join(span: &Span, caller: Option<&TraceContext>) -> Option<TraceContext> {
    if let Some(caller) = caller {
        let sampled = match caller.is_sampled() {
            true => TraceFlags::SAMPLED,
            false => TraceFlags::NOT_SAMPLED,
        };
        let state = caller.state().and_then(|state| state.parse().ok());
        let caller = SpanContext::new(
            trace::TraceId::from_bytes(caller.trace_id().get().to_be_bytes()),
            trace::SpanId::from_bytes(caller.span_id().get().to_be_bytes()),
            sampled,
            true,
            state.unwrap_or_default(),
        );
        // This fails without a layer. Then nothing has to join.
        let _ = span.set_parent(Context::new().with_remote_span_context(caller));
    }
    of_context(&span.context())
}

/// Returns the place of the span of a context in its trace.
fn of_context(context: &Context) -> Option<TraceContext> {
    let span = context.span();
    let span = span.span_context();
    let trace_id = TraceId::new(u128::from_be_bytes(span.trace_id().to_bytes()))?;
    let span_id = SpanId::new(u64::from_be_bytes(span.span_id().to_bytes()))?;
    let trace = TraceContext::new(trace_id, span_id, span.is_sampled());
    let state = span.trace_state().header();
    Some(trace.clone().with_state(&state).unwrap_or(trace))
}
