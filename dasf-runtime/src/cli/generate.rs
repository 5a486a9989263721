//! The options and the work of the command `generate`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use dasf_codegen::Language;
use dasf_protocol::text;
use serde_json::Value;

use super::Error;
use super::output::print_result;

/// The language of a generated client, and its file.
#[derive(Debug, Clone, Args)]
#[group(skip)] // a group has the name of its struct, and a program may have one of that name
pub struct Generate {
    /// Language of the client: rust, python or typescript
    #[arg(long, value_name = "LANGUAGE")]
    lang: Language,

    /// Write the client to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Do not write; fail if FILE differs from the client
    #[arg(long, requires = "output")]
    check: bool,
}

impl Generate {
    /// Writes the client of a module, or compares it with an existing file.
    ///
    /// `origin` is the origin of the API description, such as `topic arithmetic`, for a comment in
    /// the file.
    ///
    /// # Errors
    /// [`Error::Failed`] when the API description is not valid, the file cannot be written, or a
    /// compared file differs.
    pub fn run(&self, api_info: &Value, origin: &str) -> Result<(), Error> {
        let source = dasf_codegen::generate(api_info, self.lang, origin).map_err(Error::failed)?;
        let Some(path) = &self.output else {
            return print_result(source.trim_end());
        };
        let before = read(path)?;
        if self.check {
            return check(path, before.as_deref(), &source);
        }
        // A current file is not written again, so that compilers need not read it again.
        let is_current =
            |before: &String| dasf_codegen::first_difference(before, &source).is_none();
        if before.as_ref().is_some_and(is_current) {
            return Ok(());
        }
        std::fs::write(path, source).map_err(|error| {
            Error::Failed(format!("{} cannot be written: {error}", path.display()))
        })
    }
}

/// Returns the contents of a file; `None` if it does not exist.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => {
            // A file in another encoding counts as changed.
            let text = text::skip_mark(&bytes).unwrap_or(&bytes);
            Ok(Some(String::from_utf8_lossy(text).into_owned()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let path = path.display();
            Err(Error::Failed(format!("{path} cannot be read: {error}")))
        }
    }
}

fn check(path: &Path, before: Option<&str>, source: &str) -> Result<(), Error> {
    let path = path.display();
    let problem = match before {
        None => format!("{path} does not exist"),
        Some(before) => match dasf_codegen::first_difference(before, source) {
            None => return Ok(()),
            Some(line) => format!("{path} is not current: line {line} differs"),
        },
    };
    let remedy = "run the same command without --check to write it";
    Err(Error::Failed(format!("{problem}; {remedy}")))
}
