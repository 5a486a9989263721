//! Calls belong to the traces of OpenTelemetry.

use dasf::HostOptions;
use dasf_examples::arithmetic;
use dasf_test_support::{broker, listen};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::Instrument;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

#[tokio::test]
async fn the_span_of_a_call_has_that_of_its_caller_as_parent() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO));
    // The host and the client run on this thread, and on threads that inherit its log.
    let _guard = tracing::subscriber::set_default(subscriber);
    let broker = broker().await;
    let module = arithmetic::module().unwrap();
    let host = listen(&broker, "arithmetic", module, HostOptions::default()).await;
    let client = arithmetic::Client::connect(&broker.url()).await.unwrap();
    let work = tracing::info_span!("work");
    let sum = async { client.add(1).await }.instrument(work.clone()).await;
    assert_eq!(sum.unwrap(), 3);
    drop(work);
    host.shutdown().await;
    provider.force_flush().unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    let span = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (work, call) = (span("work"), span("call"));
    assert_eq!(call.parent_span_id, work.span_context.span_id());
    assert_eq!(call.span_context.trace_id(), work.span_context.trace_id());
    let attributes = &call.attributes;
    let trace_id = attributes
        .iter()
        .find(|it| it.key.as_str() == "trace_id")
        .unwrap();
    assert_eq!(
        trace_id.value.to_string(),
        work.span_context.trace_id().to_string()
    );
}
