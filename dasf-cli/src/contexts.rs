//! Contexts: named sets of the options for the connection, in a file of the user.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dasf::cli::{Error, UserFolder, create_folder_of};
use serde::{Deserialize, Serialize};

use crate::user_files;

/// The largest size of the file, in bytes.
const MAX_SIZE: u64 = 1 << 20;
/// The largest number of characters in a name.
const MAX_NAME: usize = 64;

/// The options of a context: their names without `--`, and their values. A switch has the value `true`.
pub(crate) type Context = BTreeMap<String, String>;

/// What the file contains.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The name of the context that commands use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

impl Contexts {
    /// Returns the context with a name.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is none.
    pub(crate) fn get(&self, name: &str) -> Result<&Context, Error> {
        self.contexts.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            Error::Usage(match names[..] {
                [] => format!(
                    "there is no context {name:?}, and no other; 'dasf context add' adds one"
                ),
                _ => format!(
                    "there is no context {name:?}; the contexts are {}",
                    names.join(", ")
                ),
            })
        })
    }
}

/// The file of the contexts. Only its user can read it, because it contains tokens.
#[derive(Debug, Clone)]
pub(crate) struct ContextFile {
    path: PathBuf,
}

impl ContextFile {
    /// Returns the file of the user: `dasf/contexts.json` in the folder for the settings of programs.
    ///
    /// # Errors
    /// [`Error::Failed`] when the environment names no such folder.
    pub(crate) fn of_user() -> Result<Self, Error> {
        let folder = UserFolder::Configuration.path().ok_or_else(|| {
            Error::Failed(
                "there is no folder for contexts, because the user has no home directory; set XDG_CONFIG_HOME"
                    .to_owned(),
            )
        })?;
        Ok(Self {
            path: folder.join("dasf").join("contexts.json"),
        })
    }

    /// Returns the contexts. Without a file there are none.
    ///
    /// # Errors
    /// [`Error::Failed`] when the file cannot be read.
    pub(crate) fn read(&self) -> Result<Contexts, Error> {
        let bytes =
            user_files::read(&self.path, MAX_SIZE).map_err(|error| self.failed("read", error))?;
        if bytes.is_empty() {
            return Ok(Contexts::default());
        }
        // The error does not show values, which may be secrets.
        let contexts: Contexts = serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let problem =
                format!("it is not valid at line {line}, column {column}; correct or remove it");
            self.failed("read", problem)
        })?;
        Ok(contexts)
    }

    /// Reads the contexts, lets a function change them, and writes them.
    ///
    /// # Errors
    /// The error of the function. [`Error::Failed`] when the file cannot be read or written.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut Contexts) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = |error| self.failed("written", error);
        create_folder_of(&self.path).map_err(failed)?;
        let _lock = user_files::lock(&self.path).map_err(failed)?;
        let mut contexts = self.read()?;
        change(&mut contexts)?;
        let mut text = serde_json::to_string_pretty(&contexts).map_err(Error::failed)?;
        text.push('\n');
        user_files::replace(&self.path, text.as_bytes()).map_err(failed)
    }

    fn failed(&self, action: &str, reason: impl std::fmt::Display) -> Error {
        let path = self.path.display();
        Error::Failed(format!(
            "the file of contexts {path} cannot be {action}: {reason}"
        ))
    }
}

/// Checks the name of a context.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_allowed =
        |symbol: char| symbol.is_ascii_alphanumeric() || matches!(symbol, '-' | '_' | '.');
    let is_valid = !text.is_empty()
        && text.len() <= MAX_NAME
        && text.chars().all(is_allowed)
        && !text.starts_with('-');
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "a name of a context has 1 to {MAX_NAME} letters, digits, dots, hyphens and underscores"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dasf/contexts.json");
        let file = ContextFile { path };
        assert_eq!(file.read().unwrap(), Contexts::default());
        file.change(|contexts| {
            let options = [("token".to_owned(), "secret".to_owned())];
            contexts.contexts.insert("lab".to_owned(), options.into());
            Ok(())
        })
        .unwrap();
        let refused = file.change(|contexts| {
            contexts.current = Some("lab".to_owned());
            Err(Error::usage("no"))
        });
        refused.unwrap_err();
        let contexts = file.read().unwrap();
        assert_eq!(contexts.current, None);
        assert_eq!(contexts.get("lab").unwrap()["token"], "secret");
        let error = contexts.get("home").unwrap_err();
        let problem = "there is no context \"home\"; the contexts are lab";
        assert_eq!(error, Error::usage(problem));
    }

    #[test]
    fn a_damaged_file_is_reported_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contexts.json");
        for text in [
            "{\"contexts\": {\"lab\": {\"token\": [\"secret\"]}}}",
            "{\"contexts\": {}, \"secret\": 1}",
            "secret",
        ] {
            std::fs::write(&path, text).unwrap();
            let file = ContextFile { path: path.clone() };
            let error = file.read().unwrap_err().to_string();
            assert!(
                error.contains(": it is not valid at line 1, column "),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_name_is_a_word() {
        for text in ["lab", "lab-2.example_org"] {
            assert_eq!(name(text).as_deref(), Ok(text));
        }
        let long = "x".repeat(65);
        for text in ["", "a b", "a\u{1b}", "-a", "ä", &long] {
            name(text).unwrap_err();
        }
    }
}
