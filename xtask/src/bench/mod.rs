//! Measures calls of dasf beside those of other systems, and writes `benches/RESULTS.md`.

mod idle;
mod machine;
mod measure;
mod options;
mod processes;
mod programs;
mod quick;
mod report;
mod statistics;
mod system;
mod tables;

use std::fs;
use std::io::{self, Write};

use measure::Brokers;
use programs::Programs;
use report::Medians;
use statistics::Figures;
use system::System;
use tables::{Load, Table};

pub(crate) use machine::write_machine;
pub(crate) use options::Options;
pub(crate) use processes::processor_time_of_children;

use crate::steps::root;

/// The report.
const RESULTS: &str = "benches/RESULTS.md";

/// Measures what the options name. Without `--only`, writes the report to its file; otherwise prints
/// it, because the file has all tables.
pub(crate) fn run(options: &Options, out: &mut impl Write) -> io::Result<()> {
    if options.quick {
        return quick::run(out);
    }
    let tables = options.tables();
    let mut systems: Vec<System> = tables
        .iter()
        .flat_map(|table| table.systems.clone())
        .collect();
    let idle_systems = options.idle_systems();
    systems.extend(&idle_systems);
    let programs = Programs::provide(&systems)?;
    let mut text = machine::heading(options, &systems)?;
    let mut problems = Vec::new();
    for table in &tables {
        let rows = measure_table(table, options, &programs, &mut problems)?;
        text += "\n";
        text += &report::section(table, &rows);
    }
    if !idle_systems.is_empty() {
        text += "\n";
        text += &idle::section(&idle_systems, options.rounds, &programs, &mut problems);
    }
    if !problems.is_empty() {
        text += "\n## What could not be measured\n\n";
        for problem in &problems {
            text += &format!("- {problem}\n");
        }
    }
    if options.only.is_empty() {
        fs::write(root().join(RESULTS), text)?;
        writeln!(out, "{RESULTS} is written")
    } else {
        out.write_all(text.as_bytes())
    }
}

/// Measures all rows with all systems. In each round all of them have a turn, so what else the machine
/// does affects all of them.
fn measure_table(
    table: &Table,
    options: &Options,
    programs: &Programs,
    problems: &mut Vec<String>,
) -> io::Result<Vec<Medians>> {
    let brokers = Brokers::start(&table.systems, programs)?;
    let no_rounds = vec![Vec::<Figures>::new(); table.systems.len()];
    let mut rows = vec![no_rounds; table.rows.len()];
    for round in 1..=options.rounds {
        for (row, results) in table.rows.iter().zip(&mut rows) {
            let load = Load {
                seconds: f64::from(options.seconds),
                ..row.load
            };
            for (&system, results) in table.systems.iter().zip(results) {
                let title = system.title();
                let label = format!("{}, {}, {title}", table.name, row.label);
                match measure::measure(system, &load, programs, &brokers) {
                    Ok(figures) => {
                        progress(&format!("round {round}, {label}: {}", figures.summary()));
                        results.push(figures);
                    }
                    Err(error) => {
                        let error = error.to_string();
                        progress(&format!("round {round}, {label}: {error}"));
                        let first = error.lines().next().unwrap_or_default();
                        problems.push(format!("{label}, round {round}: {first}"));
                    }
                }
            }
        }
    }
    let medians = rows.iter().map(|systems| {
        let systems = systems.iter();
        systems.map(|rounds| Figures::medians(rounds)).collect()
    });
    Ok(medians.collect())
}

/// Shows a person how far it is. Without standard error it goes on.
fn progress(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
