//! Every `console` block of the README, the guide and the examples, run and compared.
//!
//! Each page is a script: its commands run in the order of the page, in a folder that they share, and
//! must print what the page shows. [`page`] describes the directives that a page may contain, as
//! comments that readers do not see. `UPDATE_CONSOLE=1` writes what the programs print into the pages.

// A test that fails panics.
#![allow(clippy::unwrap_used, clippy::panic)]

mod output;
mod page;
mod programs;
mod run;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use dasf_guide::root;

/// Runs a page, and fails where its output differs.
fn check(page: &str) {
    let path = root().join(page);
    let text = fs::read_to_string(&path).unwrap();
    let differences = run::run(&text);
    if std::env::var_os("UPDATE_CONSOLE").is_some() {
        fs::write(&path, updated(&text, &differences)).unwrap();
        return;
    }
    let mut report = String::new();
    for difference in &differences {
        let run::Difference {
            line,
            command,
            shown,
            actual,
            ..
        } = difference;
        let (shown, actual) = (shown.join("\n"), actual.join("\n"));
        writeln!(
            report,
            "{page}:{}: $ {command}\n--- the page shows\n{shown}\n--- the program prints\n{actual}\n",
            line + 1
        )
        .unwrap();
    }
    assert!(differences.is_empty(), "{report}");
}

/// The page with the output of the programs.
fn updated(page: &str, differences: &[run::Difference]) -> String {
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    for difference in differences.iter().rev() {
        lines.splice(difference.output_lines.clone(), difference.actual.clone());
    }
    lines.join("\n") + "\n"
}

/// Makes one test for each page, and a test that every page has one.
macro_rules! pages {
    ($($name:ident: $path:literal,)*) => {
        $(
            #[test]
            fn $name() {
                check($path);
            }
        )*

        #[test]
        fn every_page_with_a_console_block_is_run() {
            let run: BTreeSet<PathBuf> = [$($path),*].iter().map(PathBuf::from).collect();
            assert_eq!(pages_with_console_blocks(), run);
        }
    };
}

pages! {
    readme: "README.md",
    climate: "dasf-examples/climate/README.md",
    river: "dasf-examples/river/README.md",
    brokers: "guide/chapters/brokers.md",
    command_line: "guide/chapters/command_line.md",
    dasf_command: "guide/chapters/dasf_command.md",
    first_module: "guide/chapters/first_module.md",
    from_demessaging: "guide/chapters/from_demessaging.md",
    hpc: "guide/chapters/hpc.md",
    jobs: "guide/chapters/jobs.md",
    operating: "guide/chapters/operating.md",
    protocol: "guide/chapters/protocol.md",
    python_client: "guide/chapters/python_client.md",
    running_a_broker: "guide/chapters/running_a_broker.md",
    rust_client: "guide/chapters/rust_client.md",
    troubleshooting: "guide/chapters/troubleshooting.md",
    typescript_client: "guide/chapters/typescript_client.md",
    without_client: "guide/chapters/without_client.md",
}

/// The pages of the repository that have a `console` block.
fn pages_with_console_blocks() -> BTreeSet<PathBuf> {
    let mut pages = dasf_guide::pages().unwrap();
    pages.retain(|path| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        text.lines().any(|line| line == "```console")
    });
    pages
}
