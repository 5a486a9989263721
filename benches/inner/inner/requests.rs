//! The check of a request against the schema of its function.

use std::hint::black_box;

use criterion::Criterion;
use dasf_schema::{Options, Schema};
use serde_json::{Value, json};

pub(super) fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    let schema = json!({
        "type": "object",
        "properties": {
            "func_name": {"const": "mean", "type": "string"},
            "weight": {"type": "number", "minimum": 0},
            "unit": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "values": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["func_name", "weight", "values"],
        "additionalProperties": false,
    });
    let schema = Schema::new(&schema, Options::default()).expect("it is a schema");
    for (name, count) in [("few values", 3), ("10,000 values", 10_000)] {
        let values: Vec<f64> = (0..count).map(f64::from).collect();
        let request = json!({"func_name": "mean", "weight": 1.5, "unit": null, "values": values});
        group.bench_function(format!("check {name}"), |bencher| {
            bencher.iter(|| schema.accepts(black_box(&request)));
        });
        let json = request.to_string();
        group.bench_function(format!("read and check {name}"), |bencher| {
            bencher.iter(|| schema.accepts_text(black_box(&json)));
        });
        group.bench_function(format!("read {name}"), |bencher| {
            bencher.iter(|| serde_json::from_str::<Value>(black_box(&json)));
        });
    }
}
