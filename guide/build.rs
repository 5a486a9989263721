//! Makes a module with documentation tests from each chapter.
//!
//! A chapter must read well as plain Markdown, so an example cannot have the hidden lines of rustdoc.
//! If an example is a fragment, an HTML comment above it contains the lines around it. In the comment,
//! a line `...` stands for the fragment:
//!
//! ```text
//! <!-- around
//! # async fn example(client: arithmetic::Client) -> Result<(), dasf::CallError> {
//! ...
//! # Ok(()) }
//! -->
//! ```
//!
//! The build script moves these lines into the example. A block below `<!-- file: … -->` belongs to a
//! package that the test `console` builds, so it is not a documentation test.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?;
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    let out = Path::new(&out);
    let chapters = Path::new(&root).join("chapters");
    println!("cargo::rerun-if-changed={}", chapters.display());

    let mut paths = fs::read_dir(&chapters)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();

    let mut modules = String::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name == "SUMMARY" {
            continue;
        }
        println!("cargo::rerun-if-changed={}", path.display());
        let tested = out.join(format!("{name}.md"));
        fs::write(&tested, with_surroundings(&fs::read_to_string(&path)?))?;
        let line =
            format!("#[cfg(doctest)]\n#[doc = include_str!({tested:?})]\npub mod {name} {{}}\n");
        modules.write_str(&line).map_err(io::Error::other)?;
    }
    fs::write(out.join("chapters.rs"), modules)
}

/// Returns the chapter with the lines around each fragment moved into the example.
fn with_surroundings(chapter: &str) -> String {
    let mut result = String::new();
    let mut after: Option<Vec<&str>> = None;
    let mut lines = chapter.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "<!-- around" {
            let comment: Vec<&str> = lines.by_ref().take_while(|line| *line != "-->").collect();
            let middle = comment.iter().position(|line| *line == "...");
            let (before, rest) = comment.split_at(middle.unwrap_or(comment.len()));
            let fence = lines.next().unwrap_or_default();
            push_lines(&mut result, &[fence]);
            push_lines(&mut result, before);
            after = Some(rest.iter().skip(1).copied().collect());
        } else if line.starts_with("<!-- file: ") {
            if let Some(fence) = lines.next_if(|line| line.starts_with("```rust")) {
                push_lines(&mut result, &[&fence.replacen("rust", "rust,ignore", 1)]);
            }
        } else {
            if line == "```" {
                push_lines(&mut result, &after.take().unwrap_or_default());
            }
            push_lines(&mut result, &[line]);
        }
    }
    result
}

fn push_lines(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}
