//! Writes the figures as tables in Markdown.

use std::fmt::Write as _;

use super::statistics::{Figures, Part};
use super::system::System;
use super::tables::{Table, View};

/// The medians of a row, one for each system of the table. A measurement that failed has none.
pub(super) type Medians = Vec<Option<Figures>>;

/// What stands in place of a figure that could not be measured.
pub(super) const NO_FIGURE: &str = "–";
/// The systems with which dasf is compared.
const COMPARED: [System; 2] = [System::Nats, System::Floor];

/// Returns the section of a table. `rows` has the medians of each row.
pub(super) fn section(table: &Table, rows: &[Medians]) -> String {
    let mut text = format!("## {}\n", table.title);
    for &view in &table.views {
        let _ = write!(text, "\n{}:\n\n", caption(view));
        text += &markdown(table, rows, view);
    }
    text
}

fn caption(view: View) -> &'static str {
    match view {
        View::Rate => "Calls per second",
        View::RateToBase => "Calls per second, as a share of the first rate with as many in flight",
        View::Median => "Latency, median",
        View::Slowest => "Latency, 99th percentile",
        View::Processor => "Processor time per call in µs, broker + server + caller",
        View::ProcessorMillis => "Processor time per call in ms, broker + server + caller",
        View::Memory => "Highest memory in MB, broker + server + caller",
        View::Answered => "Answered calls",
        View::Time => "Seconds until the last answer, or until the last call gave up",
        View::SinceStart => {
            "Milliseconds from the start of the first process to the first answer; broker, server \
             and caller start one after the other"
        }
    }
}

fn markdown(table: &Table, rows: &[Medians], view: View) -> String {
    let dasf = table
        .systems
        .iter()
        .position(|&system| system == System::Dasf);
    let compared = COMPARED.map(|system| table.systems.iter().position(|&other| other == system));
    let pairs: Vec<(usize, usize)> = match view {
        View::Rate | View::Median => {
            let others = compared.into_iter().flatten();
            others.filter_map(|other| Some((dasf?, other))).collect()
        }
        _ => Vec::new(),
    };
    let titles = table.systems.iter().map(|system| system.title().to_owned());
    let ratios = pairs.iter().map(|&(own, other)| {
        let [own, other] = [own, other].map(|index| table.systems[index].title());
        format!("{own} / {other}")
    });
    let mut text = line(table.first_column, titles.chain(ratios));
    text += &format!(
        "|---{}|\n",
        "|---:".repeat(table.systems.len() + pairs.len())
    );
    for (row, medians) in table.rows.iter().zip(rows) {
        let base = rows.get(row.base);
        let cells = medians.iter().enumerate().map(|(system, figures)| {
            let base = base.and_then(|base| base[system].as_ref());
            let figures = figures.as_ref();
            figures.map_or_else(|| NO_FIGURE.to_owned(), |figures| cell(view, figures, base))
        });
        let ratios = pairs.iter().map(|&(own, other)| {
            let figure = |system: usize| medians[system].as_ref().map(|row| compared_by(view, row));
            let ratio = figure(own).zip(figure(other));
            ratio.map_or_else(
                || NO_FIGURE.to_owned(),
                |(own, other)| format!("{:.2}", own / other),
            )
        });
        text += &line(row.label, cells.chain(ratios));
    }
    text
}

/// Returns the figure of which a table shows ratios.
fn compared_by(view: View, figures: &Figures) -> f64 {
    match view {
        View::Rate => figures.calls_per_second,
        _ => figures.p50,
    }
}

fn cell(view: View, figures: &Figures, base: Option<&Figures>) -> String {
    match view {
        View::Rate => whole(figures.calls_per_second),
        View::RateToBase => base.map_or_else(
            || NO_FIGURE.to_owned(),
            |base| format!("{:.2}", figures.calls_per_second / base.calls_per_second),
        ),
        View::Median => time(figures.p50),
        View::Slowest => time(figures.p99),
        View::Processor => parts(&figures.processor, 1.0, true),
        View::ProcessorMillis => parts(&figures.processor, 1e3, true),
        View::Memory => parts(&figures.memory, 1e6, false),
        View::Answered => whole(figures.answered),
        View::Time => format!("{:.1}", figures.seconds),
        View::SinceStart => whole(figures.since_start * 1e3),
    }
}

/// Writes the figures of the processes, in a unit, and their sum if it means something.
fn parts(figures: &[Option<f64>; Part::ALL.len()], unit: f64, has_sum: bool) -> String {
    let digits = |number: f64| match number {
        ..1.0 => format!("{number:.2}"),
        1.0..100.0 => format!("{number:.1}"),
        _ => whole(number),
    };
    let numbers = figures.iter().flatten().map(|number| number / unit);
    let cells: Vec<String> = numbers.clone().map(digits).collect();
    let mut text = cells.join(" + ");
    if has_sum {
        let _ = write!(text, " = {}", digits(numbers.sum()));
    }
    text
}

/// Writes a latency, which is in microseconds.
fn time(micros: f64) -> String {
    match micros {
        ..10_000.0 => format!("{} µs", whole(micros)),
        ..1_000_000.0 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// Writes a number without a fraction, with commas.
pub(super) fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a row of a table.
pub(super) fn line(first: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {first} | {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(calls_per_second: f64, p50: f64) -> Figures {
        Figures {
            calls_per_second,
            p50,
            p99: 12_345.0,
            processor: [Some(9.04), Some(19.0), Some(115.0)],
            memory: [None, Some(12.3e6), Some(1234e6)],
            ..Figures::default()
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.4, 999.6, 1234567.0].map(whole),
            ["0", "1,000", "1,234,567"]
        );
        assert_eq!(
            [178.0, 12_345.0, 2_500_000.0].map(time),
            ["178 µs", "12.3 ms", "2.50 s"]
        );
        let figures = figures(1.0, 1.0);
        assert_eq!(
            cell(View::Processor, &figures, None),
            "9.0 + 19.0 + 115 = 143"
        );
        assert_eq!(
            cell(View::ProcessorMillis, &figures, None),
            "0.01 + 0.02 + 0.12 = 0.14"
        );
        assert_eq!(cell(View::Memory, &figures, None), "12.3 + 1,234");
    }

    #[test]
    fn a_section_shows_systems_and_ratios() {
        let mut table = Table::all().remove(0);
        table.rows.truncate(2);
        table.systems = vec![System::Dasf, System::Floor];
        table.views = vec![View::Rate, View::RateToBase];
        let rows = [
            vec![Some(figures(1000.0, 1.0)), Some(figures(2000.0, 1.0))],
            vec![Some(figures(1500.0, 1.0)), None],
        ];
        assert_eq!(
            section(&table, &rows),
            "## Small calls\n\n\
             Calls per second:\n\n\
             | in flight | dasf | floor | dasf / floor |\n\
             |---|---:|---:|---:|\n\
             | 1 | 1,000 | 2,000 | 0.50 |\n\
             | 16 | 1,500 | – | – |\n\n\
             Calls per second, as a share of the first rate with as many in flight:\n\n\
             | in flight | dasf | floor |\n\
             |---|---:|---:|\n\
             | 1 | 1.00 | 1.00 |\n\
             | 16 | 1.50 | – |\n"
        );
    }
}
