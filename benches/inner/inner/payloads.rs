//! Large payloads.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use dasf_protocol::fragment::{self, Assembly, Joined, Position};
use dasf_protocol::payload::{self, Payload};

/// The size of the payloads in bytes.
const SIZE: usize = 1_000_000;
/// The base64 characters in one fragment.
const WIDTH: usize = 900_000;
/// The number of fragments of the payload in the measurement of them.
const COUNT: usize = 16;

pub(super) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("payload of 1 MB");
    group.throughput(Throughput::Bytes(SIZE as u64));
    group.sample_size(50);
    let ascii = "The wind blows from the west. ".repeat(SIZE / 30);
    let umlauts = "Der Wind weht über die Dächer. ".repeat(SIZE / 33);
    for (name, text) in [("ASCII", &ascii), ("umlauts", &umlauts)] {
        group.bench_function(format!("write text in {name} as JSON"), |bencher| {
            bencher.iter(|| payload::to_json(black_box(text)));
        });
    }
    let raw = serde_json::value::to_raw_value(&ascii).expect("a text always serializes");
    group.bench_function("write raw JSON", |bencher| {
        bencher.iter(|| payload::to_json(black_box(&raw)));
    });
    group.bench_function("encode base64", |bencher| {
        bencher.iter(|| payload::encode(black_box(ascii.as_bytes())));
    });
    let base64 = payload::encode(ascii.as_bytes());
    group.bench_function("decode base64", |bencher| {
        bencher.iter(|| Payload::from_base64(black_box(&base64)));
    });
    group.bench_function("read as text", |bencher| {
        bencher.iter(|| payload::to_text(black_box(ascii.as_bytes())).len());
    });
    group.finish();

    let mut group = criterion.benchmark_group("fragments");
    group.sample_size(20);
    let whole = Bytes::from(ascii.repeat(COUNT));
    group.throughput(Throughput::Bytes(whole.len() as u64));
    let pieces: Vec<Payload> = fragment::split(&whole, WIDTH / 4 * 3)
        .map(Payload::from)
        .collect();
    let texts: Vec<Payload> = payload::encode(&whole)
        .as_bytes()
        .chunks(WIDTH + 1)
        .map(|text| Payload::Base64(String::from_utf8_lossy(text).into_owned()))
        .collect();
    for (name, pieces) in [
        ("join 16 MB of bytes", pieces),
        ("join 16 MB of base64", texts),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(|| pieces.clone(), join, BatchSize::LargeInput);
        });
    }
}

fn join(pieces: Vec<Payload>) -> Option<Joined> {
    let count = pieces.len();
    let mut assembly = Assembly::new(count);
    let pieces = pieces.into_iter().enumerate();
    let joined = pieces.map(|(index, piece)| {
        let position = Position { index, count };
        assembly.insert(position, piece).ok()
    });
    joined.last().flatten()
}
