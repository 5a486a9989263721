//! The short measurement that every change must pass.

use std::io::{self, Write};

use super::measure::{Brokers, measure};
use super::programs::Programs;
use super::statistics::median;
use super::system::System;
use super::tables::Load;

const ROUNDS: usize = 3;
const SECONDS: f64 = 1.5;
const WARM_UP: f64 = 0.3;

/// The numbers of calls in flight, and the lowest ratio of the rate of dasf to that of the floor: half
/// of what a machine without other work measures.
const LOWEST: [(u32, f64); 3] = [(1, 0.45), (16, 0.25), (64, 0.16)];

/// Measures dasf and the floor in turns, prints the ratios, and fails if one is too low.
pub(super) fn run(out: &mut impl Write) -> io::Result<()> {
    let programs = Programs::provide_main()?;
    writeln!(out, "in flight      dasf     floor  ratio  lowest")?;
    let mut too_low = Vec::new();
    for (in_flight, lowest) in LOWEST {
        let load = Load {
            seconds: SECONDS,
            warm_up: WARM_UP,
            ..Load::add(in_flight, 1)
        };
        let mut rates = [System::Dasf, System::Floor].map(|system| (system, Vec::new()));
        for _ in 0..ROUNDS {
            for (system, rates) in &mut rates {
                let figures = measure(*system, &load, &programs, &Brokers::default())?;
                rates.push(figures.calls_per_second);
            }
        }
        let [dasf, floor] = rates.map(|(_, rates)| median(rates).unwrap_or_default());
        let ratio = dasf / floor;
        writeln!(
            out,
            "{in_flight:>9}{dasf:>10.0}{floor:>10.0}{ratio:>7.2}{lowest:>8.2}"
        )?;
        out.flush()?;
        if ratio < lowest {
            too_low.push(format!("{ratio:.2} at {in_flight} in flight"));
        }
    }
    if too_low.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "dasf became slow in relation to bare WebSockets: the ratio is {}; \
         xtask/src/bench/quick.rs has the lowest ratios",
        too_low.join(", ")
    )))
}
