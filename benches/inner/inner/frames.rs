//! Properties, and the frames around them.

use std::borrow::Cow;
use std::hint::black_box;

use bytes::Bytes;
use criterion::Criterion;
use dasf_protocol::link::{self, FrameKind, Header};
use dasf_protocol::properties::key;
use dasf_protocol::{Delivery, MessageType, Properties, Publish};
use serde_json::value::RawValue;

/// The arguments of `add`.
const PAYLOAD: &[u8] = br#"{"func_name":"add","a":1,"b":2}"#;
/// A response topic in its usual length.
const RESPONSE_TOPIC: &str = "arithmetic_oGqiZCwAAAAAAAAAAAAAAQ";

pub(super) fn measure(criterion: &mut Criterion) {
    properties(criterion);
    link_frames(criterion);
    json_frames(criterion);
}

/// Returns the properties of a request.
fn request() -> Properties {
    Properties::new()
        .with_message_type(MessageType::Request)
        .with(key::REQUEST_CONTEXT, "1234")
        .with(key::RESPONSE_TOPIC, RESPONSE_TOPIC)
        .with(key::TIMEOUT_MS, 30_000_u64)
        .with(key::ANSWERS_PINGS, "1")
}

fn properties(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("properties");
    let json = serde_json::to_string(&request()).expect("properties always serialize");
    group.bench_function("make", |bencher| bencher.iter(request));
    group.bench_function("read", |bencher| {
        bencher.iter(|| serde_json::from_str::<Properties>(black_box(&json)));
    });
    let read = request();
    group.bench_function("write", |bencher| {
        bencher.iter(|| serde_json::to_vec(black_box(&read)));
    });
    group.bench_function("route", |bencher| {
        bencher.iter(|| {
            let properties = black_box(&read);
            let is_known = properties.message_type() == Some(MessageType::Request);
            let context = properties.request_context().map(|it| it.len());
            let answers_pings = properties.get(key::ANSWERS_PINGS).is_some();
            (
                is_known,
                context,
                answers_pings,
                properties.response_topic(),
            )
        });
    });
}

fn link_frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("link frame");
    let properties = request();
    group.bench_function("publish", |bencher| {
        let payload = Bytes::from_static(PAYLOAD);
        bencher.iter(|| link::publish("arithmetic", "1234", black_box(&properties), &payload));
    });
    let json = serde_json::to_string(&properties).expect("properties always serialize");
    let json = RawValue::from_string(json).expect("it is JSON");
    let header = Header {
        topic: "arithmetic".into(),
        message: Some(123_456),
        properties: Some(&*json),
        ..Header::new(FrameKind::Message)
    };
    group.bench_function("write message", |bencher| {
        bencher.iter(|| black_box(&header).frame(PAYLOAD));
    });
    let frame = header.frame(PAYLOAD);
    group.bench_function("read message", |bencher| {
        bencher.iter(|| {
            let read = Header::read_with_properties(black_box(&frame));
            let (header, payload) = read.expect("it is a frame");
            (header.properties, payload)
        });
    });
    let acknowledge = Header {
        topic: "arithmetic".into(),
        messages: (123_456..123_472).collect(),
        ..Header::new(FrameKind::Acknowledge)
    };
    group.bench_function("write acknowledge", |bencher| {
        bencher.iter(|| black_box(&acknowledge).frame(b""));
    });
    let frame: Bytes = acknowledge.frame(b"");
    group.bench_function("read acknowledge", |bencher| {
        bencher.iter(|| Header::read(black_box(&frame)).map(|(header, _)| header.messages));
    });
}

fn json_frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("JSON frame");
    let properties = request();
    let publish = Publish {
        payload: PAYLOAD,
        context: "1234".into(),
        properties: Cow::Borrowed(&properties),
    };
    group.bench_function("write publish", |bencher| {
        bencher.iter(|| black_box(&publish).to_json());
    });
    let json = publish.to_json();
    let delivery = json.replacen('{', r#"{"messageId":"123456","#, 1);
    group.bench_function("read delivery", |bencher| {
        bencher.iter(|| Delivery::from_json(black_box(&delivery)).expect("it is a frame"));
    });
}
