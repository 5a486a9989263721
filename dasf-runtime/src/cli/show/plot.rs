//! Plots of Unicode blocks.

use dasf_types::present::Series;
use dasf_types::present::{Column, Index, IndexValues};
use textwrap::core::display_width;

use super::{MOST_PARTS, Statistics, line, short};

/// The lines of a plot.
const HEIGHT: usize = 8;
/// Eighths of a line.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The most columns of the series that are plotted.
const MOST_PLOTS: usize = 4;

/// Returns the plots of a series, one below the other, with lines of this width.
pub(super) fn plot(series: &Series, width: usize) -> String {
    let mut lines = Vec::new();
    lines.extend(series.name().map(line));
    for column in series.columns().iter().take(MOST_PLOTS) {
        add_plot(&mut lines, series.index(), column, width);
    }
    let rest = series.columns().iter().skip(MOST_PLOTS);
    for column in rest.clone().take(MOST_PARTS) {
        lines.push(description(column));
    }
    if rest.len() > MOST_PARTS {
        lines.push(format!("and {} more columns", rest.len() - MOST_PARTS));
    }
    if series.columns().is_empty() {
        lines.push(format!("{} values of the index, no columns", series.len()));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Returns `level (m): 24 values, 1.5 to 3, mean 2`.
fn description(column: &Column) -> String {
    let statistics = Statistics::of(column.values().iter().copied());
    let unit = column
        .unit()
        .map_or(String::new(), |unit| format!(" ({})", line(unit)));
    let count = column.values().len();
    format!(
        "{}{unit}: {count} values, {}",
        line(column.name()),
        statistics.text()
    )
}

fn add_plot(lines: &mut Vec<String>, index: &Index, column: &Column, width: usize) {
    lines.push(description(column));
    let range = Statistics::of(column.values().iter().copied());
    if range.values == 0 {
        return;
    }
    let labels = [short(range.greatest), short(range.least)];
    let margin = labels
        .iter()
        .map(|label| display_width(label))
        .max()
        .unwrap_or(0);
    let bars = bars(column.values(), width.saturating_sub(margin + 2).max(1));
    let levels: Vec<usize> = bars
        .iter()
        .map(|bar| bar.map_or(0, |value| level(value, range.least, range.greatest)))
        .collect();
    for row in (0..HEIGHT).rev() {
        let label = match row {
            0 => &labels[1],
            _ if row == HEIGHT - 1 => &labels[0],
            _ => "",
        };
        let blocks = levels
            .iter()
            .map(|level| BLOCKS[level.saturating_sub(row * 8).min(8)]);
        let blocks: String = blocks.collect();
        lines.push(format!("{label:>margin$} │{}", blocks.trim_end()));
    }
    let (first, last) = ends(index);
    let room = bars.len().saturating_sub(display_width(&first)).max(1);
    let blanks = " ".repeat(margin + 2);
    lines.push(format!(
        "{blanks}{first} {last:>room$}",
        room = room.saturating_sub(1)
    ));
}

/// Returns the means of consecutive values, at most so many as fit. A bar without values is `None`.
fn bars(values: &[f64], width: usize) -> Vec<Option<f64>> {
    let count = values.len().min(width);
    let part = |bar: usize| bar * values.len() / count;
    let bars = (0..count).map(|bar| {
        let part = &values[part(bar)..part(bar + 1)];
        let statistics = Statistics::of(part.iter().copied());
        (statistics.values > 0).then(|| statistics.mean())
    });
    bars.collect()
}

/// Returns the height of a bar in eighths of a line. The least value has one of them.
fn level(value: f64, least: f64, greatest: f64) -> usize {
    // Halves, because the difference may be infinite.
    let range = greatest / 2.0 - least / 2.0;
    let part = if range > 0.0 {
        ((value / 2.0 - least / 2.0) / range).clamp(0.0, 1.0)
    } else {
        0.5
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss
    )] // the numbers are between 0 and the eighths of all lines
    let level = (part * (HEIGHT * 8 - 1) as f64).round() as usize;
    level + 1
}

/// Returns the first and the last value of an index.
fn ends(index: &Index) -> (String, String) {
    let unit = index
        .unit()
        .map_or(String::new(), |unit| format!(" {}", line(unit)));
    let ends = match index.values() {
        IndexValues::Times(times) => [times.first(), times.last()].map(|time| {
            let text = time.map(ToString::to_string).unwrap_or_default();
            text.strip_suffix("T00:00:00Z")
                .map(str::to_owned)
                .unwrap_or(text)
        }),
        IndexValues::Numbers(numbers) => [numbers.first(), numbers.last()].map(|number| {
            let number = number.copied().map(short).unwrap_or_default();
            format!("{number}{unit}")
        }),
    };
    let [first, last] = ends;
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dasf_types::present::Timestamp;

    fn series(values: &[f64]) -> Series {
        let days = (0..).map(|day: i64| Timestamp::from_unix(day * 86_400, 0));
        Series::new(days.take(values.len()))
            .unwrap()
            .with_column(Column::new("level", values).with_unit("m"))
            .unwrap()
    }

    #[test]
    fn a_bar_is_as_high_as_its_value() {
        let values: Vec<f64> = (0..30)
            .map(|day| if day == 3 { f64::NAN } else { f64::from(day) })
            .collect();
        let text = plot(&series(&values).with_name("Elbe\u{7}"), 40);
        let expected = "\
Elbe\u{20}
level (m): 30 values, 0 to 29, mean 14.8966, 1 gap
29 │                          ▁▄▆█
   │                      ▁▃▅▇████
   │                   ▂▄▇████████
   │               ▂▄▆████████████
   │           ▁▃▅▇███████████████
   │        ▂▅▇███████████████████
   │    ▂▄▆███████████████████████
 0 │▁▃▅ ██████████████████████████
    1970-01-01          1970-01-30
";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn many_values_fit_the_width() {
        let values: Vec<f64> = (0..10_000).map(f64::from).collect();
        let text = plot(&series(&values), 60);
        assert!(text.lines().all(|line| display_width(line) <= 60), "{text}");
    }

    #[test]
    fn values_of_all_sizes_are_plotted() {
        for values in [
            &[][..],
            &[1.0],
            &[f64::NAN],
            &[f64::MAX, f64::MIN],
            &[2.0, 2.0],
            &[5e-324, 0.0],
        ] {
            for width in [0, 1, 10, 80] {
                let text = plot(&series(values), width);
                assert!(text.starts_with("level (m): "), "{text}");
            }
        }
    }

    #[test]
    fn further_columns_have_a_line_each() {
        let mut series = Series::new([1.0, 2.0]).unwrap().with_index_unit("nm");
        for number in 0..50 {
            series = series
                .with_column((format!("c{number}"), [1.0, 2.0]))
                .unwrap();
        }
        let text = plot(&series, 40);
        assert_eq!(text.lines().count(), 4 * 10 + 40 + 1);
        assert!(text.contains("1 nm"), "{text}");
        assert!(text.ends_with("and 6 more columns\n"), "{text}");
    }
}
