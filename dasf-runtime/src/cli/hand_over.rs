//! Requests as files, for other programs.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::command_template::CommandTemplate;
use super::run_command;
use super::{Error, TimeLimit};
use crate::context::Context;
use crate::module::{Failure, Intercept, Module};

/// The greatest length of the id of a message in the name of a file.
const MAX_ID: usize = 100;

/// What happens to each request before its function runs, or in its place.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Requests as files")]
pub(super) struct HandOver {
    /// Save each request as a file in this folder, too
    #[arg(long, value_name = "DIR")]
    dump_to: Option<PathBuf>,

    /// Run this command for the file of each request before its function: {} or {path} stands for the file,
    /// {basename} for its name, {directory} for its folder
    #[arg(long, value_name = "COMMAND")]
    dump_tool: Option<CommandTemplate>,

    /// Run this command for the file of each request in place of its function: it prints the result as JSON
    #[arg(short, long, value_name = "COMMAND")]
    cmd: Option<CommandTemplate>,

    /// Run the commands in a shell, as modules in Python do
    #[arg(long)]
    shell: bool,

    /// Time after which a command is killed: seconds, a time such as 5m or 2h, or none
    #[arg(long, value_name = "TIME", default_value = "1h")]
    command_timeout: TimeLimit,
}

impl HandOver {
    /// Returns a module that hands its requests over, if the options say so.
    pub(super) fn apply(&self, module: Module) -> Result<Module, Error> {
        let folder = self.dump_to.as_deref();
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let folder = folder.display();
            return Err(Error::Usage(format!(
                "--dump-to: {folder} is not a folder; create it first"
            )));
        }
        if !self.shell {
            for (option, template) in [("--dump-tool", &self.dump_tool), ("--cmd", &self.cmd)] {
                let words = template
                    .as_ref()
                    .map(|it| it.words(Path::new("/request.json")));
                words
                    .transpose()
                    .map_err(|error| Error::Usage(format!("{option}: {error}")))?;
            }
        }
        match (folder, &self.dump_tool, &self.cmd) {
            (None, None, None) => Ok(module),
            _ => module.with_intercept(self.clone()).map_err(Error::failed),
        }
    }

    /// Runs a command for a file, and returns what it has printed.
    fn run(
        &self,
        template: &CommandTemplate,
        file: &Path,
        context: &Context,
    ) -> Result<String, Failure> {
        let command = if self.shell {
            template.line(file).map(|line| in_shell(&line))
        } else {
            template.words(file).map(|words| {
                let mut words = words.into_iter();
                let mut command = tokio::process::Command::new(words.next().unwrap_or_default());
                command.args(words);
                command
            })
        };
        let command = command.map_err(|error| Failure::execution(error.to_string()))?;
        tracing::debug!(command = ?command.as_std(), "running a command for a request");
        let run = run_command::run(command, self.command_timeout.duration(), context);
        let run = Handle::current().block_on(run);
        run.map_err(|error| Failure::execution(error.to_string()))
    }
}

fn in_shell(line: &std::ffi::OsStr) -> tokio::process::Command {
    let (shell, option) = match cfg!(windows) {
        true => ("cmd", "/C"),
        false => ("/bin/sh", "-c"),
    };
    let mut command = tokio::process::Command::new(shell);
    command.arg(option).arg(line);
    command
}

impl Intercept for HandOver {
    fn intercept(&self, request: &str, context: &Context) -> Result<Option<String>, Failure> {
        let name = file_name(request, context.message_id());
        if let Some(folder) = &self.dump_to {
            save(&folder.join(&name), request)?;
        }
        if self.dump_tool.is_none() && self.cmd.is_none() {
            return Ok(None);
        }
        // Only this user can read it. The folder is removed when it is dropped.
        let folder = tempfile::Builder::new().prefix("dasf-").tempdir();
        let folder = folder.map_err(|error| unsaved(&std::env::temp_dir(), &error))?;
        let file = folder.path().join(name);
        save(&file, request)?;
        if let Some(tool) = &self.dump_tool {
            self.run(tool, &file, context)?;
        }
        let command = self.cmd.as_ref();
        command.map(|it| self.run(it, &file, context)).transpose()
    }
}

/// Writes a request to a file that does not exist yet.
fn save(file: &Path, request: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    opened
        .and_then(|mut opened| opened.write_all(request.as_bytes()))
        .map_err(|error| unsaved(file, &error))
}

/// Returns the failure of a request that is not saved. Its caller does not learn the path.
fn unsaved(file: &Path, error: &io::Error) -> Failure {
    tracing::error!(file = %file.display(), error = error.to_string(), "a request is not saved");
    Failure::execution("the request cannot be saved as a file")
}

/// Returns the name of the file of a request: the time, the id of its message and its hash, as in Python. It has
/// only letters, digits, `-` and `_` before its dot, so it cannot name another folder.
fn file_name(request: &str, message_id: &str) -> String {
    let mut time = String::new();
    // Writing to a text does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    let mut name = format!("{}_{}_", slug(&time), slug(message_id));
    for byte in Sha256::digest(request.as_bytes()) {
        let _ = write!(name, "{byte:02x}");
    }
    name.push_str(".json");
    name
}

/// Returns the part of a text that may stand in the name of a file, in small letters.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for symbol in text.chars() {
        match symbol {
            _ if slug.len() == MAX_ID => break,
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => slug.push(symbol.to_ascii_lowercase()),
            '-' | ' ' if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.trim_matches(['-', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_cannot_escape() {
        for (id, expected) in [
            ("CAE=:7", "cae7"),
            ("../../etc/passwd", "etcpasswd"),
            ("a\0b\\c:d é", "abcd"),
            ("a - -_b", "a-_b"),
            ("", ""),
        ] {
            assert_eq!(slug(id), expected, "{id:?}");
            let name = file_name("{}", id);
            assert_eq!(Path::new(&name).components().count(), 1);
            let parts: Vec<&str> = name.rsplitn(2, '_').collect();
            let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.json";
            assert_eq!(parts[0], hash);
            assert!(parts[1].ends_with(&format!("_{expected}")), "{name}");
        }
        assert!(file_name("{}", &"x".repeat(10_000)).len() < 255);
    }

    #[test]
    fn a_file_that_exists_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("request.json");
        save(&file, "first").unwrap();
        let failure = save(&file, "second").unwrap_err();
        assert!(!failure.to_string().contains("request.json"), "{failure}");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "first");
    }
}
