//! `dasf list`: lists the modules that listen.

use dasf::broker::{ListedModule, list_modules};
use dasf::cli::{self, Connection, Error, print_result, printable};

use crate::api::{brief, page_width};
use crate::options::List;

/// The indentation of the lines below a topic.
const INDENT: &str = "  ";

pub(crate) fn run(connection: &Connection, options: &List) -> Result<(), Error> {
    if options.indent.indent.is_some() && !options.json {
        return Err(Error::usage("--indent needs --json"));
    }
    let address = connection.address()?;
    let modules = cli::run_until_interrupted(async {
        let listed = list_modules(address).await;
        listed.map_err(|error| connection.with_advice(&error))
    })?;
    if options.json {
        return options.indent.print(&modules);
    }
    if modules.is_empty() {
        return print_result("No module listens.");
    }
    print_result(page(&modules, page_width()).trim_end())
}

/// Returns a heading for each topic and group, the description of the module, and its functions and
/// classes. Equal modules share one heading with their number. The strings are safe for a terminal.
fn page(modules: &[ListedModule], width: usize) -> String {
    let mut text = String::new();
    for same in modules.chunk_by(|a, b| a == b) {
        let [module, ..] = same else { continue };
        text.push_str(&printable(&module.topic));
        text.push_str(&heading(same.len(), module.group.as_deref()));
        text.push('\n');
        for line in [brief(&module.description), module.functions.join(", ")] {
            if line.is_empty() {
                continue;
            }
            let line = printable(&line);
            let options = textwrap::Options::new(width)
                .initial_indent(INDENT)
                .subsequent_indent(INDENT);
            text.push_str(&textwrap::fill(&line, options));
            text.push('\n');
        }
    }
    text
}

/// Returns, for example, ` (3 modules of the group workers)`.
fn heading(count: usize, group: Option<&str>) -> String {
    let group = group.map(printable);
    match (count, group) {
        (1, None) => String::new(),
        (1, Some(group)) => format!(" (group {group})"),
        (count, None) => format!(" ({count} modules)"),
        (count, Some(group)) => format!(" ({count} modules of the group {group})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_modules_are_counted() {
        let module = |topic: &str, group: Option<&str>| -> ListedModule {
            let module = json!({
                "topic": topic, "name": "m", "version": "1", "group": group,
                "description": "Computes\nthings.\n\nMore.", "functions": ["add\u{1b}", "Greeter"],
            });
            serde_json::from_value(module).unwrap()
        };
        let modules = [
            module("a", None),
            module("b", Some("g")),
            module("c", Some("g")),
            module("c", Some("g")),
            module("d", None),
            module("d", None),
        ];
        let below = "  Computes things.\n  add , Greeter\n";
        let expected = [
            "a",
            "b (group g)",
            "c (2 modules of the group g)",
            "d (2 modules)",
        ];
        assert_eq!(
            page(&modules, 80),
            expected
                .map(|heading| format!("{heading}\n{below}"))
                .concat()
        );
    }

    #[test]
    fn long_lines_are_wrapped() {
        let module = json!({"topic": "a", "name": "m", "functions": vec!["function"; 20]});
        let module: ListedModule = serde_json::from_value(module).unwrap();
        let text = page(&[module], 40);
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
        assert!(
            text.lines().skip(1).all(|line| line.starts_with(INDENT)),
            "{text}"
        );
    }
}
