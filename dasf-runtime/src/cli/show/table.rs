//! Tables.

use std::collections::HashMap;

use serde_json::value::RawValue;
use textwrap::core::display_width;

use super::cut;
use crate::module::validate::Fields;

/// The most rows. Of a longer table, the first and the last ones are shown.
const MOST_ROWS: usize = 40;
/// The widest column.
const WIDEST: usize = 32;
/// The most columns whose widths are measured.
const MOST_COLUMNS: usize = 100;

/// The values of a column in the rows that are shown.
struct Column<'a> {
    name: &'a str,
    cells: Vec<String>,
    is_number: bool,
}

impl Column<'_> {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| display_width(cell));
        cells.max().unwrap_or(0).max(display_width(&self.title()))
    }

    fn title(&self) -> String {
        cut(self.name, WIDEST)
    }

    fn padded(&self, text: &str) -> String {
        let blanks = " ".repeat(self.width().saturating_sub(display_width(text)));
        if self.is_number {
            format!("{blanks}{text}")
        } else {
            format!("{text}{blanks}")
        }
    }
}

/// Returns a table of rows; `None` if a cell is a list or an object, or if there are no cells.
pub(super) fn table(rows: &[Fields], width: usize) -> Option<String> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in rows.iter().flat_map(|row| &row.0) {
        if value.get().starts_with(['[', '{']) {
            return None;
        }
        places.entry(name).or_insert_with(|| {
            names.push(name);
            names.len() - 1
        });
    }
    if names.is_empty() {
        return None;
    }
    let (first, last) = if rows.len() > MOST_ROWS {
        (&rows[..MOST_ROWS / 2], &rows[rows.len() - MOST_ROWS / 2..])
    } else {
        (rows, &rows[..0])
    };
    let mut columns: Vec<Column<'_>> = names
        .iter()
        .take(MOST_COLUMNS)
        .map(|&name| Column {
            name,
            cells: vec![String::new(); first.len() + last.len()],
            is_number: true,
        })
        .collect();
    for (number, row) in first.iter().chain(last).enumerate() {
        for (name, value) in &row.0 {
            let place = places.get(name.as_str()).copied();
            if let Some(column) = place.and_then(|place| columns.get_mut(place)) {
                let cell = value.get();
                column.is_number &=
                    cell == "null" || cell.starts_with(|it: char| it == '-' || it.is_ascii_digit());
                column.cells[number] = text(value);
            }
        }
    }

    let mut used = 0;
    let fitting = columns.iter().take_while(|column| {
        let is_first = used == 0;
        used += column.width() + 2;
        is_first || used <= width + 2
    });
    let fitting = fitting.count();
    columns.truncate(fitting);
    let mut lines = vec![
        line(&columns, |column| column.padded(&column.title())),
        line(&columns, |column| "─".repeat(column.width())),
    ];
    for number in 0..first.len() + last.len() {
        if number == first.len() {
            lines.push(format!("… {} more rows", rows.len() - MOST_ROWS));
        }
        lines.push(line(&columns, |column| {
            column.padded(&column.cells[number])
        }));
    }
    let rest: Vec<String> = names[fitting..]
        .iter()
        .map(|name| cut(name, WIDEST))
        .take(20)
        .collect();
    if !rest.is_empty() {
        let count = names.len() - fitting;
        lines.push(cut(
            &format!("{count} more columns: {}", rest.join(", ")),
            width,
        ));
    }
    lines.push(String::new());
    Some(lines.join("\n"))
}

fn line(columns: &[Column<'_>], cell: impl Fn(&Column<'_>) -> String) -> String {
    let cells: Vec<String> = columns.iter().map(cell).collect();
    cells.join("  ").trim_end().to_owned()
}

fn text(value: &RawValue) -> String {
    match serde_json::from_str::<Option<String>>(value.get()) {
        Ok(text) => cut(&text.unwrap_or_default(), WIDEST),
        Err(_) => cut(value.get(), WIDEST),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::show::show;
    use serde_json::{Value, json};

    fn shown(rows: &[Value], width: usize) -> String {
        show(&json!(rows).to_string(), width).unwrap()
    }

    #[test]
    fn numbers_stand_on_the_right_and_texts_on_the_left() {
        let rows = [
            json!({"name": "Elbe", "level": 4.5, "flag": true}),
            json!({"name": "世", "level": null, "more": "\u{1b}[31m"}),
            json!({"level": -10}),
        ];
        assert_eq!(
            shown(&rows, 40),
            "name  level  flag  more\n\
             ────  ─────  ────  ─────\n\
             Elbe    4.5  true\n\
             世                  [31m\n\
             \u{20}       -10"
        );
    }

    #[test]
    fn numbers_keep_their_digits() {
        let rows = r#"[{"n": 2652528598121910586363084800000}]"#;
        let text = show(rows, 80).unwrap();
        assert!(
            text.ends_with("\n2652528598121910586363084800000"),
            "{text}"
        );
    }

    #[test]
    fn large_tables_are_shown_in_part() {
        let rows: Vec<Value> = (0..1000).map(|row| json!({"row": row})).collect();
        let text = shown(&rows, 40);
        assert_eq!(text.lines().count(), 2 + 40 + 1);
        assert!(text.contains("\n 19\n… 960 more rows\n980\n"), "{text}");

        let wide: Value = (0..500)
            .map(|column| (format!("column{column:03}"), json!(1)))
            .collect();
        let text = shown(&[wide], 30);
        let first = text.lines().next().unwrap();
        assert_eq!(first, "column000  column001");
        assert!(
            text.lines().all(|line| line.chars().count() <= 30),
            "{text}"
        );
        assert!(text.contains("498 more columns: column002"), "{text}");
    }
}
