//! Writing the source of a client.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use dasf_codegen::Language;
use dasf_protocol::text;
use serde_json::Value;

use super::Error;
use super::output::print_result;

/// In which language a client is written, and where to.
#[derive(Debug, Clone, Args)]
#[group(skip)] // a group has the name of its struct, and a program may have one of that name
pub struct Generate {
    /// The language of the client: rust, python or typescript
    #[arg(long, value_name = "LANGUAGE")]
    lang: Language,

    /// Write to this file, not to standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write nothing, and fail where FILE is not what would be written
    #[arg(long, requires = "output")]
    check: bool,
}

impl Generate {
    /// Writes the client of a module, or compares it with what is there.
    ///
    /// `origin` says in the file where its description comes from, such as `topic arithmetic`.
    ///
    /// # Errors
    /// [`Error::Failed`] when the description is none, the file cannot be written, or it is not what
    /// it should be.
    pub fn run(&self, api_info: &Value, origin: &str) -> Result<(), Error> {
        let source = dasf_codegen::generate(api_info, self.lang, origin).map_err(Error::failed)?;
        let Some(path) = &self.output else {
            return print_result(source.trim_end());
        };
        let before = read(path)?;
        if self.check {
            return check(path, before.as_deref(), &source);
        }
        // Keep a file that --check calls current, so that compilers need not read it again.
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

/// What is in a file; `None` where there is none.
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
            Some(line) => format!("{path} is not what the module says, first in line {line}"),
        },
    };
    let remedy = "the same command without --check writes it";
    Err(Error::Failed(format!("{problem}; {remedy}")))
}
