//! The guide as a book, and the program that makes it.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::tools::Tool;
use crate::{steps, tools};

const MDBOOK: Tool = Tool {
    package: "mdbook",
    version: "0.5.4",
    // It makes this book in a second also without optimization, which takes a minute to build.
    options: &["--debug", "--no-default-features", "--features", "search"],
};

/// Makes the book in `target/book`.
pub(crate) fn build(root: &Path) -> io::Result<()> {
    let mdbook = tools::provide(root, &MDBOOK)?;
    let mut build = Command::new(mdbook);
    build
        .arg("build")
        .arg(root.join("guide"))
        .arg("--dest-dir")
        .arg(root.join("target/book"));
    steps::succeed(&mut build)
}
