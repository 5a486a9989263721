//! Measures the memory that a check needs: alone in its process, whose peak the kernel knows.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)] // tests fail by panics

use dasf_schema::{Options, Schema};
use serde_json::{Value, json};

/// The size of each text.
const SIZE: usize = 6_000_000;

/// Returns the most memory that this process had since it was forgotten, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().strip_suffix(" kB").unwrap();
    number.parse::<usize>().unwrap() * 1024
}

fn refused(schema: &Value, item: &str) {
    let schema = Schema::new(schema, Options::default()).unwrap();
    let items = format!("{item},").repeat(SIZE / (item.len() + 1));
    let text = format!(r#"{{"area": {{"points": [{items}{item}]}}}}"#);
    std::fs::write("/proc/self/clear_refs", "5").unwrap(); // forgets the peak
    let before = peak();
    let problems = schema.problems_of_text(&text, "").unwrap();
    let taken = (peak() - before) as f64 / text.len() as f64;
    assert!(!problems.is_empty(), "{item}");
    // A tree of `serde_json` would take 50 to 200 times.
    assert!(taken < 8.0, "{item}: {taken:.1} times the text");
}

#[test]
fn a_refused_text_takes_a_few_times_its_size() {
    let location = json!({
        "type": "object",
        "properties": {"lon": {"type": "number"}, "lat": {"type": "number"}},
        "required": ["lon", "lat"],
    });
    let area = |points: Value| json!({"properties": {"area": {"properties": {"points": points}, "required": ["points"]}}});
    let points = area(json!({"type": "array", "items": location}));
    // All items must be seen together.
    let different = area(json!({"type": "array", "items": location, "uniqueItems": true}));
    for item in ["0", "[]", r#"{"":0}"#] {
        refused(&points, item);
        refused(&different, item);
    }
}
