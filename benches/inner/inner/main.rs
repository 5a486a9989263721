//! Measures the parts of a call one by one: see `benches/README.md`.

#![allow(clippy::expect_used)] // a measurement may stop

mod frames;
mod payloads;
mod requests;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    frames::measure(&mut criterion);
    payloads::measure(&mut criterion);
    requests::measure(&mut criterion);
    criterion.final_summary();
}
