//! Reading the steps of a page: the files that it writes and the commands that it shows.

use std::ops::Range;

/// One step of a page, in the order of the page.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// `<!-- in: FOLDER -->`: the folder of the following steps, relative to the folder of the page.
    ChangeFolder(String),
    /// `<!-- file: PATH -->` above a block: the block is the content of that file.
    WriteFile { path: String, content: String },
    /// `<!-- run -->` above a `sh` block, or commands in a comment that begins with `<!-- run`:
    /// these commands must succeed. Their output is not compared.
    Script { line: usize, text: String },
    /// A command of a `console` block, with the output that the page shows.
    Command(Command),
}

/// A command of a `console` block.
#[derive(Debug, PartialEq)]
pub(crate) struct Command {
    /// Its line in the page, counted from 0.
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) output: Vec<String>,
    /// The lines of the page with the output.
    pub(crate) output_lines: Range<usize>,
    /// Whether it keeps running: `<!-- background -->` above the block, for its last command.
    pub(crate) is_background: bool,
}

/// The directives above a block.
#[derive(Default)]
struct Directives {
    file: Option<String>,
    run: bool,
    background: bool,
}

/// Reads the steps of a page.
///
/// # Panics
///
/// If a block or comment has no end, or a `console` block does not begin with a command.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let lines: Vec<&str> = page.lines().collect();
    let mut steps = Vec::new();
    let mut directives = Directives::default();
    let mut number = 0;
    while let Some(line) = lines.get(number) {
        if let Some(language) = line.strip_prefix("```") {
            let end = end_of(&lines, number, "```");
            let block = &lines[number + 1..end];
            let directives = std::mem::take(&mut directives);
            if let Some(path) = directives.file {
                steps.push(Step::WriteFile {
                    path,
                    content: block.join("\n") + "\n",
                });
            } else if language == "console" {
                steps.extend(commands(block, number + 1, directives.background));
            } else if directives.run {
                steps.push(Step::Script {
                    line: number,
                    text: block.join("\n"),
                });
            }
            number = end;
        } else if let Some(comment) = line.strip_prefix("<!-- ") {
            if let Some(directive) = comment.strip_suffix(" -->") {
                match directive.split_once(": ") {
                    Some(("file", path)) => directives.file = Some(path.to_owned()),
                    Some(("in", folder)) => steps.push(Step::ChangeFolder(folder.to_owned())),
                    _ if directive == "run" => directives.run = true,
                    _ if directive == "background" => directives.background = true,
                    _ => {}
                }
            } else {
                let end = end_of(&lines, number, "-->");
                if comment == "run" {
                    steps.push(Step::Script {
                        line: number,
                        text: lines[number + 1..end].join("\n"),
                    });
                }
                number = end;
            }
        }
        number += 1;
    }
    steps
}

/// The number of the line that ends the block or comment of the line `start`.
fn end_of(lines: &[&str], start: usize, mark: &str) -> usize {
    let rest = lines[start + 1..].iter();
    let length = rest.take_while(|line| **line != mark).count();
    assert!(
        start + 1 + length < lines.len(),
        "line {}: without the line {mark:?} at its end",
        start + 1
    );
    start + 1 + length
}

/// The commands of a `console` block that begins in the line `first` of its page.
fn commands(block: &[&str], first: usize, is_background: bool) -> Vec<Step> {
    let mut commands: Vec<Command> = Vec::new();
    let mut continues = false;
    for (index, line) in block.iter().enumerate() {
        let number = first + index;
        if let Some(text) = line.strip_prefix("$ ") {
            commands.push(Command {
                line: number,
                text: text.to_owned(),
                output: Vec::new(),
                output_lines: number + 1..number + 1,
                is_background: false,
            });
            continues = text.ends_with('\\');
            continue;
        }
        let command = commands.last_mut();
        let command = command.unwrap_or_else(|| panic!("line {}: no command", number + 1));
        if continues {
            command.text.push('\n');
            command.text.push_str(line);
            continues = line.ends_with('\\');
            command.output_lines = number + 1..number + 1;
        } else {
            command.output.push((*line).to_owned());
            command.output_lines.end = number + 1;
        }
    }
    if let Some(last) = commands.last_mut() {
        last.is_background = is_background;
    }
    commands.into_iter().map(Step::Command).collect()
}

#[test]
fn the_steps_of_a_page_are_read() {
    let page = "\
Text.

<!-- in: weather -->
<!-- file: src/main.rs -->
```rust
fn main() {}
```

<!-- run
cargo build
-->
```sh
not run
```

<!-- background -->
```console
$ ls \\
    -l
one
two
$ serve
ready
```
";
    assert_eq!(
        steps(page),
        [
            Step::ChangeFolder("weather".to_owned()),
            Step::WriteFile {
                path: "src/main.rs".to_owned(),
                content: "fn main() {}\n".to_owned()
            },
            Step::Script {
                line: 8,
                text: "cargo build".to_owned()
            },
            Step::Command(Command {
                line: 17,
                text: "ls \\\n    -l".to_owned(),
                output: vec!["one".to_owned(), "two".to_owned()],
                output_lines: 19..21,
                is_background: false
            }),
            Step::Command(Command {
                line: 21,
                text: "serve".to_owned(),
                output: vec!["ready".to_owned()],
                output_lines: 22..23,
                is_background: true
            }),
        ]
    );
}
