//! An interactive shell for the functions of a module.

mod complete;
mod words;

use std::fmt::Write as _;
use std::io::{IsTerminal, stdin};
use std::path::PathBuf;
use std::sync::Arc;

use dasf_protocol::api_info::{ApiInfo, FunctionInfo};
use dasf_protocol::text::printable;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Editor};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::signal::ctrl_c;
use tokio::task::spawn_blocking;

use super::user_folder::{UserFolder, create_folder_of};
use super::{Error, UncheckedRequest, print_error, print_result, unknown, work};
use crate::module::unknown_arguments::ArgumentNames;
use complete::Completions;
use words::words;

/// The number of lines in the history.
const MAX_HISTORY: usize = 1000;
/// The commands that are no functions.
const COMMANDS: [&str; 3] = ["help", "exit", "quit"];

type LineEditor = Editor<Completions, FileHistory>;

/// A shell that reads calls from standard input, as `dasf call` has them, or as requests in JSON.
///
/// In a terminal it completes the names of functions and arguments, and keeps a history. If standard input is not a
/// terminal, the shell ends at the first error.
#[derive(Debug)]
pub struct Shell {
    api: Arc<ApiInfo>,
    prompt: String,
}

/// Runs a shell on its own runtime. Unlike [`run_until_interrupted`](super::run_until_interrupted), it leaves Ctrl-C to
/// the [`Shell`], where it ends one call.
///
/// # Errors
/// Returns the error of the work.
pub fn run_shell<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    work::on_runtime(work)
}

impl Shell {
    /// Creates a shell for a module that describes itself so, with its name for the prompt.
    pub fn new(name: &str, api: ApiInfo) -> Self {
        Self {
            api: Arc::new(api),
            prompt: format!("{}> ", printable(name)),
        }
    }

    /// Reads and runs calls until the end of the input. `call` runs a request and prints its result. Ctrl-C drops its
    /// future.
    ///
    /// # Errors
    /// [`Error::Failed`] when standard input cannot be read. If it is not a terminal, the error of the first call that
    /// fails.
    pub async fn run(
        &self,
        mut call: impl AsyncFnMut(Box<RawValue>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let is_interactive = stdin().is_terminal();
        let history = is_interactive.then(history_file).flatten();
        let mut editor = self.editor(history.as_ref())?;
        // While the editor reads a line, it has the signal, and then it restores what was there before. So
        // tokio must have the signal before the first line.
        tokio::select! {
            biased;
            _ = ctrl_c() => return Err(Error::Interrupted),
            () = std::future::ready(()) => {}
        }
        loop {
            let line;
            (editor, line) = self.read_line(editor).await?;
            let Some(line) = line else { return Ok(()) };
            if let Some(history) = &history {
                keep(&mut editor, &line, history);
            }
            let done = tokio::select! {
                done = self.evaluate(&line, &mut call) => done,
                _ = ctrl_c() => Err(Error::Interrupted),
            };
            match done {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if !is_interactive => return Err(error),
                Err(Error::Interrupted) => print_error("interrupted"),
                Err(error) => print_error(error),
            }
        }
    }

    fn editor(&self, history: Option<&PathBuf>) -> Result<LineEditor, Error> {
        let mut editor = LineEditor::new().map_err(|error| unreadable(&error))?;
        editor.set_helper(Some(Completions::new(Arc::clone(&self.api))));
        editor.set_completion_type(CompletionType::List);
        editor.set_history_ignore_space(true);
        // These settings only fail for a history in a database.
        let _ = editor.set_max_history_size(MAX_HISTORY);
        if let Some(history) = history {
            // The first shell has no history yet.
            let _ = editor.load_history(history);
        }
        Ok(editor)
    }

    /// Reads a line; `None` at the end of the input.
    async fn read_line(
        &self,
        mut editor: LineEditor,
    ) -> Result<(LineEditor, Option<String>), Error> {
        let prompt = self.prompt.clone();
        let reading = spawn_blocking(move || {
            let line = editor.readline(&prompt);
            (editor, line)
        });
        let (editor, line) = tokio::select! {
            read = reading => read.map_err(Error::failed)?,
            _ = ctrl_c() => return Err(Error::Interrupted),
        };
        match line {
            Ok(line) => Ok((editor, Some(line))),
            Err(ReadlineError::Interrupted) => Ok((editor, Some(String::new()))),
            Err(ReadlineError::Eof) => Ok((editor, None)),
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Runs a line. Returns whether the shell goes on.
    async fn evaluate(
        &self,
        line: &str,
        call: &mut impl AsyncFnMut(Box<RawValue>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        if line.trim_start().starts_with('{') {
            self.check_and_call(UncheckedRequest::from_json(line)?, call)
                .await?;
            return Ok(true);
        }
        let mut words = words(line)?.into_iter();
        let Some(function) = words.next() else {
            return Ok(true);
        };
        let is_function = self.functions().any(|(name, ..)| name == function);
        match function.as_str() {
            "exit" | "quit" if !is_function => return Ok(false),
            "help" if !is_function => {
                self.help(words.next().as_deref())?;
                return Ok(true);
            }
            _ => {}
        }
        let (mut arguments, mut new) = (Vec::new(), Vec::new());
        while let Some(word) = words.next() {
            let (list, word) = match word.as_str() {
                "--new" => (&mut new, words.next().unwrap_or_default()),
                _ => (&mut arguments, word),
            };
            if word.ends_with("=@-") {
                let problem = "standard input has the lines of the shell; write NAME=@FILE";
                return Err(Error::usage(problem));
            }
            list.push(word);
        }
        let request = UncheckedRequest::read(&function, &new, &arguments, None)?;
        self.check_and_call(request, call).await?;
        Ok(true)
    }

    async fn check_and_call(
        &self,
        request: UncheckedRequest,
        call: &mut impl AsyncFnMut(Box<RawValue>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let api = Arc::clone(&self.api);
        // The schema of a module may make this long. Meanwhile the user can interrupt it.
        let check = spawn_blocking(move || request.request(&api));
        call(check.await.map_err(Error::failed)??).await
    }

    /// Returns the functions and the methods, with their names and the schemas of their constructors.
    fn functions(&self) -> impl Iterator<Item = (String, &FunctionInfo, Option<&Value>)> {
        functions(&self.api)
    }

    /// Prints the functions, or one of them.
    fn help(&self, name: Option<&str>) -> Result<(), Error> {
        let mut text = String::new();
        for (full_name, function, constructor) in self.functions() {
            if name.is_some_and(|name| name != full_name) {
                continue;
            }
            let mut usage = full_name;
            add_arguments(&mut usage, "", &function.rpc_schema);
            if let Some(constructor) = constructor {
                add_arguments(&mut usage, "--new ", constructor);
            }
            // Writing to a text does not fail.
            let _ = writeln!(text, "{}", printable(&usage));
            let description = function.rpc_schema["description"].as_str();
            let first = description.and_then(|text| text.lines().next());
            if let Some(first) = first.filter(|first| !first.is_empty()) {
                let _ = writeln!(text, "    {}", printable(first));
            }
        }
        match name {
            Some(name) if text.is_empty() => {
                let known: Vec<String> = self.functions().map(|(name, ..)| name).collect();
                Err(unknown("the module", "function", name, &known))
            }
            Some(_) => print_result(text.trim_end()),
            None => {
                text.push_str("help NAME shows one function, and exit or Ctrl-D ends the shell.");
                print_result(&text)
            }
        }
    }
}

/// Returns the functions and the methods of a module, with their names and the schemas of their constructors.
fn functions(api: &ApiInfo) -> impl Iterator<Item = (String, &FunctionInfo, Option<&Value>)> {
    let functions = api.functions.iter();
    let functions = functions.map(|function| (function.name.clone(), function, None));
    let methods = api.classes.iter().flat_map(|class| {
        class.methods.iter().map(|method| {
            let name = format!("{}.{}", class.name, method.name);
            (name, method, Some(&class.rpc_schema))
        })
    });
    functions.chain(methods)
}

/// Adds the arguments of a schema to a usage: `add a=VALUE [b=VALUE]`.
fn add_arguments(usage: &mut String, option: &str, schema: &Value) {
    let required = schema["required"].as_array();
    for name in ArgumentNames::of(schema).all() {
        let is_required = required.is_some_and(|required| required.iter().any(|it| *it == name));
        // Writing to a text does not fail.
        let _ = match is_required {
            true => write!(usage, " {option}{name}=VALUE"),
            false => write!(usage, " [{option}{name}=VALUE]"),
        };
    }
}

/// Returns the file of the history, in a folder that exists.
fn history_file() -> Option<PathBuf> {
    let file = UserFolder::Data.path()?.join("dasf/shell_history");
    create_folder_of(&file).ok()?;
    Some(file)
}

/// Adds a line to the history. A history that cannot be written must not end the shell.
fn keep(editor: &mut LineEditor, line: &str, file: &PathBuf) {
    if editor.add_history_entry(line).is_ok_and(|added| added)
        && let Err(error) = editor.append_history(file)
    {
        tracing::debug!(error = error.to_string(), "the history cannot be written");
    }
}

fn unreadable(error: &ReadlineError) -> Error {
    Error::Failed(format!("standard input cannot be read: {error}"))
}
